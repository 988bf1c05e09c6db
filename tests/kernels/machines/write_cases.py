"""Write inputs of the kernels and numpy's results, for `check.cc`: python write_cases.py FILE"""

import sys
from itertools import product
from typing import BinaryIO, Sequence

import numpy
from spacy.strings import hash_string
from spacy.vocab import Vocab

from spacy_distill import kernels
from spacy_distill.chain import LinearChain, constraints
from spacy_distill.chain.forward_backward import LARGEST_FACTOR
from spacy_distill.models import recurrence
from spacy_distill.models.bilstm_stack import BiLSTMStack
from spacy_distill.models.character_cnn import WINDOW, CharacterCNN, character_windows
from spacy_distill.models.elementwise_recurrence import (
    HIGHWAY_SCALE,
    ElementwiseWeights,
    run_elementwise,
)
from spacy_distill.models.elementwise_stack import ElementwiseStack
from spacy_distill.models.form_cache import FormIndex
from spacy_distill.models.recurrence import LayerWeights
from spacy_distill.models.word_forms import WordForms

# Vectors of 4, 8 and 16 units that are full and not.
HIDDEN = (1, 3, 8, 13, 50, 100, 128)
DEPTHS = (1, 2, 3)
# Tiles that are full and not, sequences of about the same length and of others.
LENGTHS = ((1,), (7,), (5, 1), (3, 9, 3), (6, 2, 11, 1, 5, 5, 2, 8, 4, 3, 7, 1, 9, 2, 2))
LABELS = (1, 2, 4, 18)
# In the order of `check.cc`.
STACK, LSTM, CHAIN, FORMS, ELEMENTWISE_STACK, ELEMENTWISE = range(6)


class Cases:
    """A file of cases: their kind and sizes, then arrays. Each array comes after the bytes of an
    item and the number of items."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def write(self, kind: int, sizes: Sequence[int], arrays: Sequence[numpy.ndarray]) -> None:
        for array in (numpy.asarray([kind, *sizes]), *arrays):
            self.file.write(numpy.asarray([array.itemsize, array.size], dtype="<i8").tobytes())
            self.file.write(array.astype(array.dtype.newbyteorder("<")).tobytes())

    def stack(self, layers: Sequence[LayerWeights], table, rows, lengths) -> None:
        """Write a case of float and integer inference."""
        hidden = layers[0].U.shape[1]
        halves = table.astype("float16")
        found = [
            BiLSTMStack(layers, integers).predict(halves if integers else table, rows, lengths)
            for integers in (False, True)
        ]
        weights = [layers[0].U, *(array for layer in layers[1:] for array in layer)]
        tables = [table, halves.view("uint16")]
        self.write(STACK, [hidden, len(layers)], [lengths, *tables, rows, *weights, *found])

    def lstm(self, X, weights: LayerWeights, d_states, lengths) -> None:
        """Write a case of both passes of an LSTM layer."""
        states, backprop = recurrence.run_bilstm(X, lengths, weights)
        dX, gradients = backprop(d_states)
        sizes = [weights.U.shape[1], X.shape[1]]
        self.write(LSTM, sizes, [lengths, X, *weights, d_states, states, dX, *gradients])

    def elementwise_stack(self, layers, hidden: int, table, rows, lengths) -> None:
        """Write a case of float and integer inference with an SRU or a minGRU."""
        halves = table.astype("float16")
        found = [
            ElementwiseStack(layers, hidden, integers).predict(
                halves if integers else table, rows, lengths
            )
            for integers in (False, True)
        ]
        weights = [array for layer in layers for array in with_peepholes(layer)]
        arrays = [table, halves.view("uint16"), rows, HIGHWAY_SCALE, *weights, *found]
        is_sru = int(layers[0].v is not None)
        self.write(ELEMENTWISE_STACK, [hidden, len(layers), is_sru], [lengths, *arrays])

    def elementwise(self, X, weights: ElementwiseWeights, d_states, lengths) -> None:
        """Write a case of both passes of an SRU or minGRU layer."""
        hidden = d_states.shape[1] // 2
        states, backprop = run_elementwise(X, lengths, weights, hidden)
        dX, gradients = backprop(d_states)
        arrays = [HIGHWAY_SCALE, *with_peepholes(weights), d_states, states, dX]
        sizes = [hidden, X.shape[1], len(weights.b) // (2 * hidden), int(weights.v is not None)]
        self.write(ELEMENTWISE, sizes, [lengths, X, *arrays, *with_peepholes(gradients)])

    def chain(self, emissions, lengths, transitions, start, end) -> None:
        """Write a case of Viterbi and forward-backward."""
        chain = LinearChain(emissions, lengths, transitions, start, end)
        trellis = chain._trellis
        assert not trellis.logarithmic
        parts = numpy.empty((3, *emissions.shape))
        parts[:, chain._packing.rows] = trellis.forward, trellis.backward, trellis.arrivals
        scores = [lengths, emissions, transitions, start, end]
        partition = chain.log_partition
        weights = [numpy.asarray([LARGEST_FACTOR]), partition, *parts, trellis.links]
        self.write(CHAIN, [len(start)], [*scores, chain.argmax(), *weights])

    def forms(self, model, forms, texts, numbers) -> None:
        """Write a case of an index of word forms, a character CNN and half precision."""
        E, W, b = (model.get_param(name) for name in ("E", "W", "b"))
        filters = W.reshape(len(b), WINDOW, -1).transpose(1, 2, 0)
        windows, n_windows = character_windows(texts, len(E))
        orths = numpy.asarray([[hash_string(text)] for text in texts], dtype="uint64")
        words = WordForms(Vocab(strings=texts), orths)
        known, index = numpy.unique(forms[::2]), FormIndex(len(forms))
        index.add(known, numpy.zeros(len(known)))
        found = [index.find(forms, 1.0)[0], index.scores, model.predict(words)]
        halves = numbers.astype("float16").view("uint16")
        arrays = [known, forms, E, filters, b, n_windows, windows[1].astype("int32"), numbers]
        self.write(FORMS, [E.shape[1]], [*arrays, *found, halves])


def with_peepholes(layer: ElementwiseWeights) -> Sequence[numpy.ndarray]:
    """RETURNS (Sequence[numpy.ndarray]): The arrays of a layer; peepholes that are not there are
    without numbers."""
    W, b, v = layer
    return W, b, numpy.zeros(0, dtype="float32") if v is None else v


def floats(rng, *shape: int, scale: float = 1.0):
    return (scale * rng.normal(size=shape)).astype("float32")


def some_layers(rng, hidden: int, depth: int, scale: float = 1.0) -> Sequence[LayerWeights]:
    scale /= hidden**0.5
    return [
        LayerWeights(
            floats(rng, 2, hidden, 4 * hidden, scale=scale),
            floats(rng, 2 * hidden, 8 * hidden, scale=scale),
            floats(rng, 8 * hidden),
        )
        for _ in range(depth)
    ]


def write_stacks(rng, cases: Cases) -> None:
    for hidden in HIDDEN:
        for depth in DEPTHS:
            lengths = LENGTHS if hidden < 100 else LENGTHS[-1:]
            for sequences in map(numpy.asarray, lengths):
                table = floats(rng, 9, 8 * hidden)
                rows = rng.integers(0, len(table), size=sequences.sum())
                cases.stack(some_layers(rng, hidden, depth), table, rows, sequences)
    # Columns without weights, inputs beyond all bounds, and one that is no number.
    sequences = numpy.asarray([20, 3])
    layers = some_layers(rng, 13, 3)
    for layer in layers:
        layer.U[:, :, ::5] = 0
        layer.W[:, ::5] = 0
    extremes = numpy.asarray([1e30, -1e30, numpy.inf, -6e4, 0, -0.0, 2, 3e-5, -6e-8], "float32")
    table = rng.choice(extremes, size=(9, 8 * 13))
    table[3, 20] = numpy.nan
    rows = rng.integers(0, 9, size=23)
    cases.stack(layers, table, rows, sequences)
    # The greatest sums that there are: open gates, all states at 127, all weights at 127 or -127.
    # Those of the wide layer are beyond the integers that float32 has.
    for hidden, sign in product((50, 400), (1, -1)):
        layers = [
            LayerWeights(*(numpy.full_like(array, 50 * sign / hidden) for array in layer))
            for layer in some_layers(rng, hidden, 2)
        ]
        table = numpy.full((1, 8 * hidden), 20, dtype="float32")
        cases.stack(layers, table, numpy.zeros(23, dtype="int64"), sequences)


def write_lstms(rng, cases: Cases) -> None:
    for hidden in HIDDEN:
        for sequences in map(numpy.asarray, LENGTHS):
            n_tokens, n_inputs = sequences.sum(), 2 * hidden + 3
            weights = LayerWeights(
                some_layers(rng, hidden, 1)[0].U,
                floats(rng, 8 * hidden, n_inputs, scale=n_inputs**-0.5),
                floats(rng, 8 * hidden),
            )
            X, d_states = floats(rng, n_tokens, n_inputs), floats(rng, n_tokens, 2 * hidden)
            cases.lstm(X, weights, d_states, sequences)


def write_elementwise(rng, cases: Cases) -> None:
    for hidden, lengths in product(HIDDEN, LENGTHS):
        sequences = numpy.asarray(lengths)
        n_tokens = sequences.sum()
        for n_maps in (2, 3, 4):
            n_inputs, columns = 2 * hidden + (0 if n_maps == 3 else 3), 2 * n_maps * hidden
            weights = ElementwiseWeights(
                floats(rng, columns, n_inputs, scale=n_inputs**-0.5),
                floats(rng, columns),
                None if n_maps == 2 else floats(rng, 2, 2, hidden),
            )
            X, d_states = floats(rng, n_tokens, n_inputs), floats(rng, n_tokens, 2 * hidden)
            cases.elementwise(X, weights, d_states, sequences)
    for hidden, depth, n_maps in product(HIDDEN, DEPTHS, (2, 3)):
        for lengths in LENGTHS if hidden < 100 else LENGTHS[-1:]:
            sequences = numpy.asarray(lengths)
            layers = [
                ElementwiseWeights(
                    floats(rng, 2 * hidden, 2 * n_maps * hidden, scale=(2 * hidden) ** -0.5),
                    floats(rng, 2 * n_maps * hidden),
                    None if n_maps == 2 else floats(rng, 2, 2, hidden),
                )
                for _ in range(depth)
            ]
            table = floats(rng, 9, 2 * (2 if n_maps == 2 else 4) * hidden)
            rows = rng.integers(0, 9, size=sequences.sum())
            cases.elementwise_stack(layers, hidden, table, rows, sequences)


def write_chains(rng, cases: Cases) -> None:
    for n_labels in LABELS:
        start, transitions, end = constraints(n_labels)
        for sequences in map(numpy.asarray, LENGTHS):
            shape = (sequences.sum(), len(start))
            scores = floats(rng, *shape, scale=3), rng.integers(0, 3, size=shape).astype("float32")
            # With whole numbers many sequences are equally good: the same one has to be found.
            for emissions in scores:
                emissions[:, 1:][rng.random((shape[0], shape[1] - 1)) < 0.1] = -numpy.inf
                moved = transitions + rng.integers(0, 3, size=transitions.shape).astype("float32")
                cases.chain(emissions, sequences, moved, start, end)


def write_forms(rng, cases: Cases) -> None:
    texts = ["a", "to", "Tea", "\U0001f680n", "\0", "x" * 20, "y" * 45, "Oslo"]
    texts += ["".join(map(chr, rng.integers(32, 2000, size=n))) for n in rng.integers(1, 30, 40)]
    kinds = [1e4, 1.0, 1e-6, 1e-9]
    numbers = numpy.concatenate([floats(rng, 999, scale=scale) for scale in kinds])
    halves = numpy.arange(2**16, dtype="uint16").view("float16").astype("float32")
    ties = (halves[:-1] + halves[1:]) / 2
    numbers = numpy.concatenate([numbers, halves, ties])
    for filters, width, rows in ((1, 1, 2), (5, 4, 30), (64, 16, 512)):
        model = CharacterCNN(filters, width, rows)
        model.initialize()
        forms = rng.integers(0, 2**63, size=500, dtype="uint64")
        forms = rng.choice(numpy.concatenate([forms, numpy.arange(40, dtype="uint64")]), size=999)
        cases.forms(model, forms, texts, numbers)


def main() -> None:
    kernels.use("numpy")
    rng = numpy.random.default_rng(0)
    with open(sys.argv[1], "wb") as file:
        cases = Cases(file)
        write_stacks(rng, cases)
        write_lstms(rng, cases)
        write_elementwise(rng, cases)
        write_chains(rng, cases)
        write_forms(rng, cases)


if __name__ == "__main__":
    with numpy.errstate(invalid="ignore", over="ignore"):
        main()
