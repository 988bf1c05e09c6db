"""Fast inference with a tagger, as it is used in applications.

It computes the same values as the Thinc layers. An encoder can define which part of its computation
depends on the word form alone. This part is computed once for each form and cached. Other encoders
run through Thinc, and only the output of the embedding is cached.
"""

import contextlib
from typing import Any, Callable, Iterator, NamedTuple, Optional, Protocol, Sequence, Tuple

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.shims import Shim
from thinc.types import Floats2d, Ints1d

from .. import kernels
from ..documents import token_values
from .form_cache import FormCache
from .windows import LONGEST_WHOLE, cut_windows
from .word_forms import depends_on_form, read_word_forms

# The memory of the form cache: 15,700 forms of the default student. A process with one thread then
# needs less memory than with en_core_web_sm. A larger cache is faster for texts with more forms.
CACHE_BYTES = 24 * 2**20
# The most tokens that are encoded at once, and the most for each form that the cache has room for.
# Of a text's tokens, less than half are different forms.
TOKENS_PER_GROUP, TOKENS_PER_FORM = 8192, 2
# The attribute of an encoder that creates its `Inference`: a function of the model.
INFERENCE_ATTR = "inference"


class Inference(Protocol):
    """Fast inference with an encoder. It copies the parameters when it is created.

    A layer of your own supports it with `model.attrs["inference"]`, a function that takes the model
    and returns its `Inference`. Such a layer takes and returns `Ragged`.

    allows_windows (bool): Whether long documents can be encoded in overlapping windows, because
        distant tokens have almost no effect on each other.
    """

    allows_windows: bool

    def per_form(self, features: Floats2d) -> Floats2d:
        """Compute the part that depends on the word form alone.

        features (Floats2d): (forms, inputs) the output of the embedding.
        RETURNS (Floats2d): (forms, columns) the rows that are cached, float32 or float16.
        """
        ...

    def per_sequence(self, table: Floats2d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """Compute the output of the encoder from the cached rows.

        table (Floats2d): (rows, columns) the rows that `per_form` returned. They may change after
            the call, so they must be copied to be kept.
        rows (Ints1d): (tokens,) int64, the row of each token in the table.
        lengths (Ints1d): (sequences,) int64, tokens per sequence.
        RETURNS (Floats2d): (tokens, outputs) float32, the output of the encoder.
        """
        ...


class Parts(NamedTuple):
    """The parts of a tagger below the head.

    embed (Model): From documents to an array, or a list of arrays. The function `depends_on_form`
        tells whether it depends on the word form alone.
    project (Optional[Model]): From the output width of the embedding to the input width of the
        encoder.
    encode (Optional[Model]): The encoder; None if there is only an embedding.
    """

    embed: Model
    project: Optional[Model]
    encode: Optional[Model]


class PlainInference:
    """Inference through Thinc, for encoders without an `Inference` of their own."""

    allows_windows = False

    def __init__(self, project: Optional[Model], layer: Optional[Model]) -> None:
        """Create the inference.

        project (Optional[Model]): The layer below the encoder, from array to array.
        layer (Optional[Model]): The encoder, from lists of arrays to lists of arrays; None if there
            is only an embedding.
        """
        self._project = project
        self._layer = layer

    def per_form(self, features: Floats2d) -> Floats2d:
        """RETURNS (Floats2d): The features, projected if there is a projection."""
        return features if self._project is None else self._project.predict(features)

    def per_sequence(self, table: Floats2d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (tokens, outputs) the output of the encoder."""
        features = table[rows]
        if self._layer is None:
            return features
        sequences = numpy.split(features, numpy.cumsum(lengths)[:-1])
        return self._layer.ops.flatten(self._layer.predict(sequences))


def offers_inference(encode: Model) -> bool:
    """RETURNS (bool): Whether an encoder has an `Inference` of its own."""
    return INFERENCE_ATTR in encode.attrs


def create_inference(parts: Parts) -> Inference:
    """RETURNS (Inference): Inference with the encoder's current parameters."""
    if parts.encode is None or not offers_inference(parts.encode):
        return PlainInference(parts.project, parts.encode)
    return parts.encode.attrs[INFERENCE_ATTR](parts.encode)


class CachedEncoder:
    """Inference with an embedding and an encoder, with a cache of word forms. It uses the
    parameters that they have when it is created."""

    def __init__(self, parts: Parts, vocab: Vocab) -> None:
        """Create the encoder, with an empty cache.

        parts (Parts): The embedding and the encoder.
        vocab (Vocab): The vocabulary of the documents, with the word vectors.
        """
        self._allowed_integers = kernels.allows_integers
        nodes = [node for part in parts if part is not None for node in part.walk()]
        self.vocab = vocab
        self._parts = parts
        # `replace_listeners` puts other layers into the place of some.
        self._layers = [(node, list(node.layers)) for node in nodes]
        self._embed = parts.embed
        by_form = depends_on_form(self._embed)
        self._forms: Optional[Model] = self._embed.layers[0] if by_form else None
        self._inference = create_inference(parts)
        self._cache: Optional[FormCache] = None
        if self._forms is not None:
            no_forms = numpy.zeros((0, self._forms.get_dim("nO")), dtype="float32")
            rows = self._inference.per_form(no_forms)
            self._cache = FormCache(rows.shape[1], CACHE_BYTES, rows.dtype)
        self._vectors, self._data = vocab.vectors, vocab.vectors.data
        self._n_keys = vocab.vectors.n_keys
        self._tables = [
            (node, node.attrs["vector_table"]) for node in nodes if "vector_table" in node.attrs
        ]
        self._parameters = [
            (node, name, node.get_param(name))
            for node in nodes
            for name in node.param_names
            if node.has_param(name)
        ]

    def is_current(self, parts: Parts, vocab: Vocab) -> bool:
        """RETURNS (bool): Whether the layers, the vocabulary, the vectors and the parameters are
        the same objects as before, and `kernels.use` has not changed the precision. Changes within
        an array are not detected."""
        return (
            vocab is self.vocab
            and parts == self._parts
            and all(node.layers == layers for node, layers in self._layers)
            and kernels.allows_integers == self._allowed_integers
            and vocab.vectors is self._vectors
            and vocab.vectors.data is self._data
            and vocab.vectors.n_keys == self._n_keys
            and all(node.attrs["vector_table"] is table for node, table in self._tables)
            and all(node.get_param(name) is array for node, name, array in self._parameters)
        )

    def encode(self, docs: Sequence[Doc]) -> Floats2d:
        """Encode documents.

        docs (Sequence[Doc]): The documents, at least one of them with tokens.
        RETURNS (Floats2d): (tokens, outputs) the output of the encoder.
        """
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        if self._cache is not None:
            forms = token_values(docs, ORTH)
            return self._encode_in_groups(forms, lengths, self._encode_forms)
        embedded = self._embed.predict(list(docs))
        features = getattr(embedded, "dataXd", embedded)
        if isinstance(features, list):
            features = self._embed.ops.flatten(features)
        table = self._inference.per_form(features)

        def encode(rows: Ints1d, lengths: Ints1d) -> Floats2d:
            return self._inference.per_sequence(table, rows, lengths)

        return self._encode_in_groups(numpy.arange(len(table)), lengths, encode)

    def _encode_in_groups(
        self, tokens: Ints1d, lengths: Ints1d, encode: Callable[[Ints1d, Ints1d], Floats2d]
    ) -> Floats2d:
        """Cut long documents into windows, and encode some thousand tokens at a time.

        tokens (Ints1d): (tokens,) the form or the table row of each token, for `encode`.
        lengths (Ints1d): (documents,) tokens per document.
        encode (Callable[[Ints1d, Ints1d], Floats2d]): Encodes tokens of sequences with certain
            lengths.
        RETURNS (Floats2d): (tokens, outputs).
        """
        if len(tokens) <= LONGEST_WHOLE:  # a short batch, in as few calls as possible
            return encode(tokens, lengths)
        kept: Optional[Ints1d] = None
        if self._inference.allows_windows and lengths.max() > LONGEST_WHOLE:
            windows = cut_windows(lengths)
            kept, tokens, lengths = windows.kept, tokens[windows.rows], windows.lengths
        group_size = TOKENS_PER_GROUP
        if self._cache is not None:
            group_size = min(group_size, TOKENS_PER_FORM * self._cache.capacity)
        if len(tokens) <= group_size:
            states = encode(tokens, lengths)
            return states if kept is None else states[kept]
        ends = numpy.cumsum(lengths)
        (last,) = numpy.diff(ends // group_size).nonzero()
        rows = [0, *ends[last].tolist(), len(tokens)]
        places = rows if kept is None else numpy.searchsorted(kept, rows).tolist()
        states = None
        # Each group writes to its place, so that memory holds the states of all tokens only once.
        for i, group in enumerate(numpy.split(lengths, last + 1)):
            found = encode(tokens[rows[i] : rows[i + 1]], group)
            start, end = places[i], places[i + 1]
            if states is None:
                states = numpy.empty((places[-1], found.shape[1]), dtype=found.dtype)
            states[start:end] = found if kept is None else found[kept[start:end] - rows[i]]
        return states

    def _encode_forms(self, forms: Ints1d, lengths: Ints1d) -> Floats2d:
        assert self._cache is not None
        with self._cache.look_up(forms, self._compute_forms) as (table, rows):
            return self._inference.per_sequence(table, rows, lengths)

    def _compute_forms(self, forms: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (forms, columns) the rows of forms, for the cache."""
        assert self._forms is not None
        return self._inference.per_form(self._forms.predict(read_word_forms(self.vocab, forms)))


class EncoderShim(Shim):
    """Keeps the `CachedEncoder` of a Thinc model, and drops it when parameters change in place.

    Thinc calls the shims of a model for updates, averaged parameters and loading. The encoder
    itself detects arrays that were replaced.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self._encoder: Optional[CachedEncoder] = None

    def encoder(self, parts: Parts, vocab: Vocab) -> CachedEncoder:
        """Return the encoder for the current parameters and word vectors. It is created again if
        they have changed.

        parts (Parts): The embedding and the encoder.
        vocab (Vocab): The vocabulary of the documents.
        RETURNS (CachedEncoder): The encoder.
        """
        encoder = self._encoder
        if encoder is None or not encoder.is_current(parts, vocab):
            encoder = self._encoder = CachedEncoder(parts, vocab)
        return encoder

    def clear(self) -> None:
        """Drop the encoder and its cache."""
        self._encoder = None

    def finish_update(self, optimizer: Any) -> None:
        self.clear()

    @contextlib.contextmanager
    def use_params(self, params: Any) -> Iterator[None]:
        self.clear()
        try:
            yield
        finally:
            self.clear()

    def copy(self) -> "EncoderShim":
        return EncoderShim()

    def __reduce__(self) -> Tuple:
        return EncoderShim, ()

    def to_device(self, device_type: str, device_id: int) -> None:
        self.clear()

    def to_bytes(self) -> bytes:
        return b""

    def from_bytes(self, data: bytes) -> "EncoderShim":
        self.clear()
        return self
