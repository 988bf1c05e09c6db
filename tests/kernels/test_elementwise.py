"""The kernels of SRU and minGRU, compared with numpy, and their errors."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spacy_distill import kernels
from spacy_distill.models.elementwise_recurrence import ElementwiseWeights, run_elementwise
from spacy_distill.models.elementwise_stack import ElementwiseStack
from tests.kernels.layers import (
    ELEMENTWISE,
    LENGTHS,
    elementwise_layer,
    elementwise_stack,
    run_elementwise_layer,
    with_numpy,
)

compiled = pytest.importorskip(
    "spacy_distill.kernels.compiled", reason="installed without a compiler"
)
each_kind = pytest.mark.parametrize("kind", ELEMENTWISE)
# Sequences that share a product and long ones.
SOME_LENGTHS = [LENGTHS, [700], [0, 0]]


@each_kind
@pytest.mark.parametrize("hidden", [1, 8, 13, 50])
@pytest.mark.parametrize("lengths", [LENGTHS, [1, 1], [0, 700], [0]])
def test_layers_equal_numpy(kind, hidden, lengths, instruction_set):
    arguments = elementwise_layer(kind, hidden, lengths)
    given = arguments[-1].copy()
    found = run_elementwise_layer(*arguments)
    expected = with_numpy(lambda: run_elementwise_layer(*arguments))
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == "float32" and mine.shape == theirs.shape
        scale = max(abs(theirs).max(initial=0), 1)  # sums over all tokens
        assert_allclose(mine, theirs, rtol=1e-4, atol=2e-5 * scale)
    assert_array_equal(arguments[-1], given)


@each_kind
@pytest.mark.parametrize("lengths", [LENGTHS, [3], [40] * 25])
def test_threads_change_no_byte_of_training(kind, lengths, instruction_set, monkeypatch):
    arguments = elementwise_layer(kind, 20, lengths)
    monkeypatch.setattr(kernels, "n_training_threads", 1)
    expected = run_elementwise_layer(*arguments)
    for n_threads in (2, 3, 8):
        monkeypatch.setattr(kernels, "n_training_threads", n_threads)
        for mine, theirs in zip(run_elementwise_layer(*arguments), expected, strict=True):
            assert_array_equal(mine, theirs)


def draw(kind, hidden, depth, lengths, integers=False):
    rng = numpy.random.default_rng(hidden)
    stack, table = elementwise_stack(rng, kind, hidden, depth, integers=integers)
    return stack, table, rng.integers(0, 9, size=sum(lengths)), numpy.asarray(lengths)


@pytest.mark.parametrize("kind", ["sru", "min-gru"])
@pytest.mark.parametrize("hidden", [3, 8, 100])
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("lengths", SOME_LENGTHS)
def test_stacks_equal_numpy(kind, hidden, depth, lengths, instruction_set):
    stack, *inputs = draw(kind, hidden, depth, lengths)
    found = stack.predict(*inputs)
    assert found.dtype == "float32" and found.shape == (sum(lengths), 2 * hidden)
    expected = with_numpy(lambda: stack.predict(*inputs))
    assert_allclose(found, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("kind", ["sru", "min-gru"])
@pytest.mark.parametrize("hidden", [1, 8, 13, 50])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("lengths", SOME_LENGTHS)
def test_integers_equal_numpy_bit_by_bit(kind, hidden, depth, lengths, instruction_set):
    stack, *inputs = draw(kind, hidden, depth, lengths, integers=True)
    found = stack.predict(*inputs)
    assert_array_equal(found, with_numpy(lambda: stack.predict(*inputs)))


@pytest.mark.parametrize("kind", ["sru", "min-gru"])
@pytest.mark.parametrize("integers", [False, True])
def test_no_byte_depends_on_the_batch_or_on_threads(kind, integers, instruction_set):
    stack, table, rows, lengths = draw(kind, 20, 3, [*LENGTHS, *[40] * 9], integers)
    expected = stack.predict(table, rows, lengths)
    for n_threads in (2, 3, 8):
        with kernels.use_threads(n_threads):
            assert_array_equal(stack.predict(table, rows, lengths), expected)
    ends = numpy.cumsum(lengths)
    for end, length in zip(ends, lengths, strict=True):
        part = slice(end - length, end)
        alone = stack.predict(table, rows[part], numpy.asarray([length]))
        assert_array_equal(alone, expected[part])


@pytest.mark.parametrize("kind", ["sru", "min-gru"])
def test_integers_of_extreme_numbers(kind, instruction_set):
    """Columns without weights, inputs beyond all bounds, and one that is no number."""
    stack, table, rows, lengths = draw(kind, 13, 3, [20, 3], integers=True)
    for layer in stack._layers:
        layer.W[:, ::5] = 0
    extremes = numpy.asarray([6e4, numpy.inf, -6e4, 0, -0.0, 2, 3e-5, -6e-8], "float16")
    table[:] = numpy.random.default_rng(0).choice(extremes, size=table.shape)
    table[3, 20] = numpy.nan
    with numpy.errstate(invalid="ignore", over="ignore"):
        expected = with_numpy(lambda: stack.predict(table, rows, lengths))
    assert_array_equal(stack.predict(table, rows, lengths), expected)


@each_kind
def test_nan_stays_nan(kind, instruction_set):
    X, lengths, weights, _ = elementwise_layer(kind, 5, [3])
    X[1, 2] = numpy.nan
    states, _ = run_elementwise(X, lengths, weights, 5)
    assert numpy.isnan(states[1]).any() and not numpy.isnan(states[0, :5]).any()


def test_stacks_are_packed_for_the_kernels_in_use():
    stack, *inputs = draw("sru", 8, 2, LENGTHS)
    expected = with_numpy(lambda: stack.predict(*inputs))
    before = kernels.in_use
    try:
        for choice in (*kernels.CHOICES, *kernels.CHOICES):
            kernels.use(choice)
            assert_allclose(stack.predict(*inputs), expected, rtol=1e-4, atol=2e-6)
        kernels.use("float32")
        assert draw("sru", 8, 2, LENGTHS, integers=True)[0].table_dtype == "float32"
    finally:
        kernels.use(kernels.CHOICES[0])
        kernels.use(before)


@pytest.mark.parametrize("integers", [False, True])
def test_arrays_that_do_not_fit_are_rejected(integers):
    stack, table, rows, _ = draw("sru", 4, 2, [3], integers)
    layers = stack._layers
    packed = compiled.ElementwiseStack(layers, 4, 1.0, integers)
    three, four = compiled.Sequences([3]), compiled.Sequences([4])
    X, _, weights, d_states = elementwise_layer("sru", 4, [3])

    def create(**changed):
        return compiled.ElementwiseStack(
            [layers[0], layers[1]._replace(**changed)], 4, 1.0, integers
        )

    def run(X=X, sequences=three, W=weights.W, b=weights.b, v=weights.v, hidden=4, n_threads=1):
        return compiled.elementwise_forward(X, sequences, W, b, v, hidden, 1.0, n_threads)

    kept = run()

    def back(number, array):
        arrays = [d_states, X, *kept]
        arrays[number] = array
        return compiled.elementwise_backward(*arrays, three, weights.W, weights.v, 4, 1.0, 1)

    assert back(0, d_states)[0].shape == X.shape
    W, b, v = layers[1]
    wrong = [
        lambda: packed.predict(table, rows, four, 1),
        lambda: packed.predict(table, rows + 9, three, 1),
        lambda: packed.predict(table, rows, three, 0),
        lambda: packed.predict(table[:, :24].copy(), rows, three, 1),
        lambda: packed.predict(table.astype("float64"), rows, three, 1),
        lambda: compiled.ElementwiseStack([], 4, 1.0, integers),
        lambda: compiled.ElementwiseStack(layers, 5, 1.0, integers),
        lambda: create(W=W[:7].copy()),
        lambda: create(W=W[:, :16].copy()),
        lambda: create(W=None),
        lambda: create(b=b[:5]),
        lambda: create(v=None),
        lambda: create(v=v[:1]),
        lambda: create(v=v[:, :, :3].copy()),
        lambda: run(X=X[:2]),
        lambda: run(X=X[:, :3].copy()),
        lambda: run(sequences=four),
        lambda: run(W=weights.W[:31]),
        lambda: run(W=weights.W[:24].copy(), b=weights.b[:24]),
        lambda: run(b=weights.b[:31]),
        lambda: run(v=None),
        lambda: run(v=weights.v[:, :, :3].copy()),
        lambda: run(v=weights.v[:1]),
        lambda: run(hidden=0),
        lambda: run(n_threads=0),
        lambda: back(0, d_states[:2]),
        lambda: back(0, d_states[:, :4].copy()),
        lambda: back(2, d_states[:2]),
        lambda: back(3, d_states),
        lambda: back(4, X),
    ]
    for call in wrong:
        with pytest.raises(ValueError, match="do not fit together"):
            call()


def test_no_tokens():
    X, lengths, weights, d_states = elementwise_layer("sru", 4, [0, 0])
    assert isinstance(weights, ElementwiseWeights)
    states, backprop = run_elementwise(X, lengths, weights, 4)
    dX, gradients = backprop(d_states)
    assert states.shape == (0, 8) and dX.shape == X.shape
    assert not any(gradient.any() for gradient in gradients)
    assert ElementwiseStack([weights], 4, False).table_dtype == "float32"
