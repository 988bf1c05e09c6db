"""Prediction with a tagger: what an app runs.

It computes the same values as the layers that are trained. An encoder declares which part of its
work depends on the word form alone; that is computed once for each form and kept. An encoder that
declares nothing runs through Thinc, and still gains from the forms that are kept.
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

from .form_cache import FormCache
from .windows import Windows, cut_windows, whole_sequences
from .word_forms import depends_on_form, read_word_forms

# Bytes for the rows of word forms: 7,800 forms of the default student, with which a process takes
# no more memory than with en_core_web_sm. More would be faster where a text has many forms.
CACHE_BYTES = 24 * 2**20
# Tokens that are read together, so that their word forms fit into the default student's cache.
TOKENS_PER_GROUP = 4096
# The attribute of an encoder's model with a function of the model that returns an `Inference`.
INFERENCE_ATTR = "inference"


class Inference(Protocol):
    """Prediction with an encoder, whose parameters are copied when it is made.

    A layer of your own offers it with `model.attrs["inference"]`, a function of the model. The
    layer takes and returns `Ragged` then.

    allows_windows (bool): Whether tokens far away make no difference that matters, so that long
        documents may be read in overlapping windows.
    """

    allows_windows: bool

    def per_form(self, features: Floats2d) -> Floats2d:
        """Do what depends on the word form alone.

        features (Floats2d): (forms, inputs) output of the embedding.
        RETURNS (Floats2d): (forms, columns) float32, what is kept of a form.
        """
        ...

    def per_sequence(self, table: Floats2d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """Do the rest.

        table (Floats2d): (rows, columns) what `per_form` returned.
        rows (Ints1d): (tokens,) int64 each token's row.
        lengths (Ints1d): (sequences,) int64 tokens of each sequence.
        RETURNS (Floats2d): (tokens, outputs) float32, the output of the encoder.
        """
        ...


class Parts(NamedTuple):
    """The parts of a model from documents to token vectors.

    embed (Model): From documents to an array, or a list of arrays. One that depends on the word
        form alone has an attribute for it (`depends_on_form`).
    project (Optional[Model]): From the embedding's columns to those that the encoder takes.
    encode (Optional[Model]): The encoder; None for an embedding alone.
    """

    embed: Model
    project: Optional[Model]
    encode: Optional[Model]


class PlainInference:
    """Prediction with an encoder that declares nothing: through Thinc."""

    allows_windows = False

    def __init__(self, project: Optional[Model], layer: Optional[Model]) -> None:
        """Take the layers.

        project (Optional[Model]): From arrays to arrays, before the layer.
        layer (Optional[Model]): From and to lists of arrays; None for an embedding alone.
        """
        self._project = project
        self._layer = layer

    def per_form(self, features: Floats2d) -> Floats2d:
        """RETURNS (Floats2d): The features, projected if need be."""
        return features if self._project is None else self._project.predict(features)

    def per_sequence(self, table: Floats2d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (tokens, outputs) output of the layer."""
        features = table[rows]
        if self._layer is None:
            return features
        sequences = numpy.split(features, numpy.cumsum(lengths)[:-1])
        return self._layer.ops.flatten(self._layer.predict(sequences))


def offers_inference(encode: Model) -> bool:
    """RETURNS (bool): Whether an encoder has a prediction of its own."""
    return INFERENCE_ATTR in encode.attrs


def inference_of(parts: Parts) -> Inference:
    """RETURNS (Inference): Prediction with the encoder and its parameters as they are now."""
    if parts.encode is None or not offers_inference(parts.encode):
        return PlainInference(parts.project, parts.encode)
    return parts.encode.attrs[INFERENCE_ATTR](parts.encode)


class CachedEncoder:
    """An embedding and the encoder above it, with the parameters that they have when it is made."""

    def __init__(self, parts: Parts, vocab: Vocab) -> None:
        """Take the parameters.

        parts (Parts): The embedding and what is above it.
        vocab (Vocab): The documents' vocabulary, with the word vectors.
        """
        nodes = [node for part in parts if part is not None for node in part.walk()]
        self.vocab = vocab
        self._embed = parts.embed
        by_form = depends_on_form(self._embed)
        self._forms: Optional[Model] = self._embed.layers[0] if by_form else None
        self._inference = inference_of(parts)
        self._cut = cut_windows if self._inference.allows_windows else whole_sequences
        self._cache: Optional[FormCache] = None
        if self._forms is not None:
            nothing = numpy.zeros((0, self._forms.get_dim("nO")), dtype="float32")
            self._cache = FormCache(self._inference.per_form(nothing).shape[1], CACHE_BYTES)
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

    def is_current(self, vocab: Vocab) -> bool:
        """RETURNS (bool): Whether vocabulary, vectors and parameters are still the same arrays.
        Changes within an array are not noticed."""
        return (
            vocab is self.vocab
            and vocab.vectors is self._vectors
            and vocab.vectors.data is self._data
            and vocab.vectors.n_keys == self._n_keys
            and all(node.attrs["vector_table"] is table for node, table in self._tables)
            and all(node.get_param(name) is array for node, name, array in self._parameters)
        )

    def encode(self, docs: Sequence[Doc]) -> Floats2d:
        """Encode documents that have tokens.

        docs (Sequence[Doc]): The documents, of the encoder's vocabulary.
        RETURNS (Floats2d): (tokens, outputs) of the encoder.
        """
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        if self._cache is not None:
            forms = numpy.concatenate([doc.to_array(ORTH) for doc in docs])
            return self._in_groups(forms, lengths, self._encode_forms)
        embedded = self._embed.predict(list(docs))
        features = getattr(embedded, "dataXd", embedded)
        if isinstance(features, list):
            features = self._embed.ops.flatten(features)
        table = self._inference.per_form(features)

        def encode(rows: Ints1d, lengths: Ints1d) -> Floats2d:
            return self._inference.per_sequence(table, rows, lengths)

        return self._in_groups(numpy.arange(len(table)), lengths, encode)

    def _in_groups(
        self, tokens: Ints1d, lengths: Ints1d, encode: Callable[[Ints1d, Ints1d], Floats2d]
    ) -> Floats2d:
        """Encode long documents in windows, and many tokens in groups.

        tokens (Ints1d): (tokens,) a number for each token, which `encode` takes.
        lengths (Ints1d): (documents,) tokens of each.
        encode (Callable[[Ints1d, Ints1d], Floats2d]): Encodes sequences of these lengths.
        RETURNS (Floats2d): (tokens, outputs).
        """
        windows: Windows = self._cut(lengths)
        if len(tokens) <= TOKENS_PER_GROUP and len(windows.lengths) == len(lengths):
            return encode(tokens, lengths)
        tokens = tokens[windows.rows]
        states: Any = None
        # Windows of about the same length together, so that they end together.
        ends = numpy.cumsum(windows.lengths)
        order = numpy.argsort(windows.lengths, kind="stable")
        group = numpy.cumsum(windows.lengths[order]) // TOKENS_PER_GROUP
        for members in numpy.split(order, numpy.flatnonzero(numpy.diff(group)) + 1):
            places = numpy.concatenate(
                [numpy.arange(ends[i] - windows.lengths[i], ends[i]) for i in members]
            )
            part = encode(tokens[places], windows.lengths[members])
            if states is None:
                states = numpy.empty((len(tokens), part.shape[1]), dtype="float32")
            states[places] = part
        return states[windows.kept]

    def _encode_forms(self, forms: Ints1d, lengths: Ints1d) -> Floats2d:
        assert self._cache is not None
        table, rows = self._cache.look_up(forms, self._rows)
        return self._inference.per_sequence(table, rows, lengths)

    def _rows(self, forms: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (forms, columns) the rows of forms, to be kept."""
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
        """Return the encoder of parameters and word vectors as they are now, made anew if need be.

        parts (Parts): The embedding and what is above it.
        vocab (Vocab): The documents' vocabulary.
        RETURNS (CachedEncoder): The encoder, whose cache may be filled.
        """
        encoder = self._encoder
        if encoder is None or not encoder.is_current(vocab):
            encoder = self._encoder = CachedEncoder(parts, vocab)
        return encoder

    def clear(self) -> None:
        """Forget the encoder."""
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
