"""The student's encoder without a way back: what an app runs.

The numbers are those of the layers that are trained (`lstm_cnn.py`), but what depends on the word
form alone, up to the input of the first layer's gates, is computed once a form.
"""

import contextlib
from typing import Any, Iterator, Optional, Sequence, Tuple

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.shims import Shim
from thinc.types import Floats2d, Ints1d

from .form_cache import FormCache
from .recurrence import BiLSTMStack, Layer
from .windows import cut_windows
from .word_forms import WordForms, read_word_forms

# What is kept of word forms, so that a process takes no more memory than with en_core_web_sm
# (docs/performance.md): 7,800 forms of the default student. More would be faster where a
# text has many forms.
CACHE_BYTES = 24 * 2**20
# Tokens that are read together, so that their word forms fit into the default student's cache.
AT_ONCE = 4096


class Encoder:
    """Word forms' embedding and the BiLSTM layers above it, as they were when this was made."""

    def __init__(self, model: Model, vocab: Vocab) -> None:
        """Take the parameters.

        model (Model): Layers among which are `with_word_forms` and at least one `bilstm`.
        vocab (Vocab): The documents' vocabulary, with the word vectors.
        """
        nodes = list(model.walk())
        (per_form,) = (node for node in nodes if node.name == "with_word_forms")
        layers = [node for node in nodes if node.name == "bilstm"]
        self.vocab = vocab
        self._embed: Model[WordForms, Floats2d] = per_form.layers[0]
        parameters = [
            Layer(U, numpy.ascontiguousarray(W.T), b)
            for U, W, b in (map(layer.get_param, ("U", "W", "b")) for layer in layers)
        ]
        self._first = parameters[0]
        self._stack = BiLSTMStack(parameters)
        self._cache = FormCache(self._first.W.shape[1], CACHE_BYTES)
        self._vectors, self._data = vocab.vectors, vocab.vectors.data
        self._n_keys = vocab.vectors.n_keys
        self._tables = [(node, node.attrs["table"]) for node in nodes if "table" in node.attrs]
        self._parameters = [
            (node, name, node.get_param(name))
            for node in nodes
            for name in node.param_names
            if node.has_param(name)
        ]

    def is_of(self, vocab: Vocab) -> bool:
        """RETURNS (bool): Whether vocabulary, vectors and parameters are those that it was made of.
        What was changed within an array is not seen."""
        return (
            vocab is self.vocab
            and vocab.vectors is self._vectors
            and vocab.vectors.data is self._data
            and vocab.vectors.n_keys == self._n_keys
            and all(node.attrs["table"] is table for node, table in self._tables)
            and all(node.get_param(name) is array for node, name, array in self._parameters)
        )

    def encode(self, docs: Sequence[Doc]) -> Floats2d:
        """Encode documents that have tokens.

        docs (Sequence[Doc]): The documents, of the encoder's vocabulary.
        RETURNS (Floats2d): (tokens, 2 * hidden) states of the last layer.
        """
        forms = numpy.concatenate([doc.to_array(ORTH) for doc in docs])
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        windows = cut_windows(lengths)
        if len(forms) <= AT_ONCE and len(windows.lengths) == len(lengths):
            return self._encode(forms, lengths)
        forms = forms[windows.rows]
        # Windows of about the same length together, so that they end together.
        states = numpy.empty((len(forms), 2 * len(self._first.U[0])), dtype="float32")
        ends = numpy.cumsum(windows.lengths)
        order = numpy.argsort(windows.lengths, kind="stable")
        group = numpy.cumsum(windows.lengths[order]) // AT_ONCE
        for members in numpy.split(order, numpy.flatnonzero(numpy.diff(group)) + 1):
            places = numpy.concatenate(
                [numpy.arange(ends[i] - windows.lengths[i], ends[i]) for i in members]
            )
            states[places] = self._encode(forms[places], windows.lengths[members])
        return states[windows.kept]

    def _encode(self, forms: Ints1d, lengths: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (forms, 2 * hidden) states of windows of these lengths."""
        with self._cache.look_up(forms, self._gates) as (table, rows):
            return self._stack.predict(table, rows, lengths)

    def _gates(self, forms: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (forms, 8 * hidden) inputs to the first layer's gates."""
        vectors = self._embed.predict(read_word_forms(self.vocab, forms))
        gates = vectors @ self._first.W
        gates += self._first.b
        return gates


class EncoderShim(Shim):
    """Keeps an `Encoder` for a Thinc model, and lets it go when parameters change within their
    arrays: thinc tells its shims of updates, of averaged parameters for a while, and of what is
    loaded. Arrays that are replaced are noticed by the encoder."""

    def __init__(self) -> None:
        super().__init__(None)
        self._encoder: Optional[Encoder] = None

    def encoder(self, model: Model, vocab: Vocab) -> Encoder:
        """Give the encoder of parameters and word vectors as they are now.

        model (Model): Layers among which are `with_word_forms` and at least one `bilstm`.
        vocab (Vocab): The documents' vocabulary.
        RETURNS (Encoder): The encoder, whose cache may be filled.
        """
        encoder = self._encoder
        if encoder is None or not encoder.is_of(vocab):
            encoder = self._encoder = Encoder(model, vocab)
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
