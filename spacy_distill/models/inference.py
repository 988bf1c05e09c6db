"""The student's encoder without a way back: what an app runs.

The numbers are those of the layers that are trained (`lstm_cnn.py`). What they have to do is done
less often: what depends on the word form alone, up to the input of the first layer's gates, once a
form; and the logistic function is a tanh whose factors are in the weights.
"""

import contextlib
from typing import Any, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.shims import Shim
from thinc.types import Floats2d, Floats3d, Ints1d

from ..chain.packing import Packing, pack
from .form_cache import FormCache
from .windows import cut_windows
from .word_forms import WordForms

# Windows that are read side by side.
AT_ONCE = 128


class _Layer(NamedTuple):
    """A BiLSTM layer's parameters, halved where `steps` expects it.

    W (Floats3d): (2, inputs, 4 * hidden) inputs to gates, for each direction.
    b (Floats3d): (2, 1, 4 * hidden)
    U (Floats3d): (2, hidden, 4 * hidden) states to gates.
    """

    W: Floats3d
    b: Floats3d
    U: Floats3d


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
        self._layers = [_halved(layer, first=not number) for number, layer in enumerate(layers)]
        self._cache = FormCache(self._layers[0].W.shape[2])
        self._vectors, self._data = vocab.vectors, vocab.vectors.data
        self._n_keys = vocab.vectors.n_keys
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
            and all(node.get_param(name) is array for node, name, array in self._parameters)
        )

    def encode(self, docs: Sequence[Doc]) -> Floats2d:
        """Encode documents that have tokens.

        docs (Sequence[Doc]): The documents, of the encoder's vocabulary.
        RETURNS (Floats2d): (tokens, 2 * hidden) states of the last layer.
        """
        forms = numpy.concatenate([doc.to_array(ORTH) for doc in docs])
        table, rows = self._cache.look_up(forms, self._gates)
        windows = cut_windows(numpy.asarray([len(doc) for doc in docs]))
        rows = rows[windows.rows]
        if len(windows.lengths) <= AT_ONCE:
            return self._encode(table, rows, windows.lengths)[windows.kept]
        # Windows of about the same length together: so memory does not grow with the batch.
        states = numpy.empty((len(rows), 2 * self._layers[0].U.shape[1]), dtype="float32")
        ends = numpy.cumsum(windows.lengths)
        order = numpy.argsort(windows.lengths, kind="stable")
        for group in numpy.array_split(order, -(-len(order) // AT_ONCE)):
            places = numpy.concatenate(
                [numpy.arange(ends[i] - windows.lengths[i], ends[i]) for i in group]
            )
            states[places] = self._encode(table, rows[places], windows.lengths[group])
        return states[windows.kept]

    def _encode(self, table: Floats3d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (rows, 2 * hidden) states of windows of these lengths."""
        packing = pack(lengths)
        gates = numpy.empty((2, len(rows), table.shape[2]), dtype="float32")
        numpy.take(table[0], rows[packing.rows], axis=0, out=gates[0])
        numpy.take(table[1], rows[packing.reversed_rows], axis=0, out=gates[1])
        states = steps(gates, self._layers[0].U, packing)
        hidden = states.shape[2]
        other = _other_direction(packing, len(lengths))
        for layer in self._layers[1:]:
            both = numpy.empty((2, len(rows), layer.W.shape[1]), dtype="float32")
            both[0, :, :hidden], both[1, :, hidden:] = states
            numpy.take(states[1], other, axis=0, out=both[0, :, hidden:])
            numpy.take(states[0], other, axis=0, out=both[1, :, :hidden])
            gates = both @ layer.W
            gates += layer.b
            states = steps(gates, layer.U, packing)
        states *= 0.5
        encoded = numpy.empty((len(rows), 2 * hidden), dtype="float32")
        encoded[packing.rows, :hidden], encoded[packing.reversed_rows, hidden:] = states
        return encoded

    def _gates(self, forms: Ints1d) -> Floats3d:
        """RETURNS (Floats3d): (2, forms, 4 * hidden) inputs to the first layer's gates."""
        lexemes = [self.vocab[form] for form in forms.tolist()]
        attributes = [(x.orth, x.lower, x.prefix, x.suffix, x.shape) for x in lexemes]
        vectors = self._embed.predict(
            WordForms(self.vocab, numpy.asarray(attributes, dtype="uint64"))
        )
        return vectors @ self._layers[0].W + self._layers[0].b


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


def steps(gates: Floats3d, U: Floats3d, packing: Packing) -> Floats3d:
    """Step through a packed batch, as `bilstm.run` does.

    With tanh(x / 2) = t the logistic function of x is (1 + t) / 2. The factor in front of x is in
    the weights that lead to a gate, and the other one in those that lead from a state: a state is
    given twice as large as it is.

    gates (Floats3d): (2, tokens, 4 * hidden) inputs to the gates, halved where logistic; replaced.
    U (Floats3d): (2, hidden, 4 * hidden) recurrent weights, for states of double size.
    packing (Packing): The batch's order.
    RETURNS (Floats3d): (2, tokens, hidden) states, of double size.
    """
    hidden = U.shape[1]
    n_first = packing.first.stop
    states = numpy.empty((2, gates.shape[1], hidden), dtype="float32")
    recurrent = numpy.empty((2, n_first, 4 * hidden), dtype="float32")
    cells = numpy.zeros((2, n_first, hidden), dtype="float32")
    shown = numpy.empty_like(cells)
    for step, before in ((packing.first, None), *packing.steps()):
        at_step = gates[:, step]
        n = at_step.shape[1]
        if before is not None:
            at_step += numpy.matmul(states[:, before], U, out=recurrent[:, :n])
        numpy.tanh(at_step, out=at_step)
        at_step[:, :, : 3 * hidden] += 1
        i, f, o, candidate = (at_step[:, :, k * hidden : (k + 1) * hidden] for k in range(4))
        cell = cells[:, :n]
        cell *= f
        i *= candidate
        cell += i
        cell *= 0.5
        numpy.multiply(o, numpy.tanh(cell, out=shown[:, :n]), out=states[:, step])
    return states


def _other_direction(packing: Packing, n_sequences: int) -> Ints1d:
    """RETURNS (Ints1d): (tokens,) where the token of each packed row of one direction stands in the
    other one; both ways it is the same."""
    lengths = numpy.bincount(packing.sequences, minlength=n_sequences)
    sizes = numpy.diff(packing.offsets)
    step = numpy.repeat(numpy.arange(len(sizes)), sizes)
    rank = numpy.arange(len(step)) - packing.offsets[step]
    return packing.offsets[lengths[packing.sequences] - 1 - step] + rank


def _halved(layer: Model, *, first: bool) -> _Layer:
    W, U, b = (layer.get_param(name) for name in ("W", "U", "b"))
    hidden = U.shape[1]
    halves = numpy.repeat(numpy.asarray([0.5, 0.5, 0.5, 1], dtype="float32"), hidden)
    W = W.reshape(2, 4 * hidden, -1).transpose(0, 2, 1) * halves
    return _Layer(
        numpy.ascontiguousarray(W if first else W * numpy.float32(0.5)),
        b.reshape(2, 1, 4 * hidden) * halves,
        U * halves * numpy.float32(0.5),
    )
