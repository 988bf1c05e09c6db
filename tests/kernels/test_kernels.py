"""The compiled kernels, compared with numpy, and their errors. tests/models and tests/chain compare
each version with the definitions."""

from functools import partial
from itertools import combinations

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spacy_distill import kernels
from spacy_distill.chain import BiluoTags, LinearChain, constraints
from spacy_distill.chain.forward_backward import PackedTrellis, RaggedTrellis
from spacy_distill.models import recurrence
from spacy_distill.models.bilstm_stack import BiLSTMStack
from spacy_distill.models.recurrence import LayerWeights
from tests.kernels.layers import (
    LENGTHS,
    lstm_arrays,
    lstm_layer,
    run_layer,
    stack_of,
    with_numpy,
)

compiled = pytest.importorskip(
    "spacy_distill.kernels.compiled", reason="installed without a compiler"
)
CLOSE = {"rtol": 1e-4, "atol": 2e-6}


# Widths that are multiples of the instruction sets' vectors and panels, and others.
@pytest.mark.parametrize("hidden", [1, 3, 4, 7, 8, 12, 13, 16, 100])
@pytest.mark.parametrize(
    "lengths", [*(LENGTHS[:n] for n in (1, 2, 3, 5, 16)), [1, 1], [0, 700], [0]]
)
def test_lstm_equals_numpy(hidden, lengths, instruction_set):
    X, lengths, weights, d_states = lstm_layer(hidden, lengths)
    given = d_states.copy()
    found = run_layer(X, lengths, weights, d_states)
    expected = with_numpy(lambda: run_layer(X, lengths, weights, d_states))
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == "float32" and mine.shape == theirs.shape
        # Sums over all tokens.
        scale = max(abs(theirs).max(initial=0), 1)
        assert_allclose(mine, theirs, rtol=1e-4, atol=2e-5 * scale)
    assert_array_equal(d_states, given)


# Full and partial tiles, and full and partial blocks of a layer's inputs.
@pytest.mark.parametrize("hidden", [1, 3, 8, 100])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("lengths", [LENGTHS, [700], [1], [0, 0], [40] * 13])
def test_stacked_layers_equal_numpy(hidden, depth, lengths, instruction_set):
    rng = numpy.random.default_rng(hidden)
    stack, table = stack_of(rng, hidden, depth)
    rows, lengths = rng.integers(0, 9, size=sum(lengths)), numpy.asarray(lengths)
    found = stack.predict(table, rows, lengths)
    assert found.dtype == "float32" and found.shape == (len(rows), 2 * hidden)
    expected = with_numpy(lambda: stack.predict(table, rows, lengths))
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hidden", [1, 3, 8, 13, 50, 100])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("lengths", [LENGTHS, [700], [1], [0, 0], [40] * 13])
def test_integers_equal_numpy_bit_by_bit(hidden, depth, lengths, instruction_set):
    rng = numpy.random.default_rng(hidden)
    stack, table = stack_of(rng, hidden, depth, integers=True)
    rows, lengths = rng.integers(0, 9, size=sum(lengths)), numpy.asarray(lengths)
    found = stack.predict(table, rows, lengths)
    assert_array_equal(found, with_numpy(lambda: stack.predict(table, rows, lengths)))
    # A sequence has the same states alone as in a batch.
    if len(lengths) == len(LENGTHS):
        alone = stack.predict(table, rows[: lengths[0]], lengths[:1])
        assert_array_equal(found[: lengths[0]], alone)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_integers_are_close_to_floats(depth, instruction_set):
    states = []
    for integers in (False, True):
        rng = numpy.random.default_rng(0)
        stack, table = stack_of(rng, 100, depth, integers=integers)
        rows, lengths = rng.integers(0, 9, size=sum(LENGTHS)), numpy.asarray(LENGTHS)
        states.append(stack.predict(table, rows, lengths))
    difference = abs(states[0] - states[1])
    assert 0 < difference.mean() < 0.005 and difference.max() < 0.1


def test_floats_can_be_asked_for():
    found = []
    for choice, integers in (("float32", True), ("int8", False), ("int8", True)):
        rng = numpy.random.default_rng(0)
        kernels.use(choice)
        try:
            stack, table = stack_of(rng, 8, 2, integers=integers)
        finally:
            kernels.use(kernels.CHOICES[0])
        rows, lengths = rng.integers(0, 9, size=sum(LENGTHS)), numpy.asarray(LENGTHS)
        found.append(stack.predict(table, rows, lengths))
    assert_array_equal(found[0], found[1])
    assert not numpy.array_equal(found[1], found[2])


def test_layers_are_packed_for_the_kernels_in_use():
    rng = numpy.random.default_rng(0)
    stack, table = stack_of(rng, 8, 2)
    rows, lengths = rng.integers(0, 9, size=sum(LENGTHS)), numpy.asarray(LENGTHS)
    expected = with_numpy(lambda: stack.predict(table, rows, lengths))
    before = kernels.in_use
    try:
        for choice in (*kernels.CHOICES, *kernels.CHOICES):
            kernels.use(choice)
            assert_allclose(stack.predict(table, rows, lengths), expected, **CLOSE)
    finally:
        kernels.use(before)


# Both versions of the steps: for inference and for training.
def predict_states(inputs, U, lengths):
    stack = BiLSTMStack([LayerWeights(U, inputs, inputs[0])], integers=False)
    return stack.predict(inputs, numpy.arange(len(inputs)), lengths)


def train_states(inputs, U, lengths):
    W = numpy.eye(inputs.shape[1], dtype="float32")
    weights = LayerWeights(U, W, numpy.zeros(len(W), dtype="float32"))
    return recurrence.run_bilstm(inputs, lengths, weights)[0]


both_steps = pytest.mark.parametrize("find_states", [predict_states, train_states])


@both_steps
def test_lstm_of_extreme_inputs(find_states, instruction_set):
    """Gates that are open or closed, with inputs up to the largest floats."""
    rng = numpy.random.default_rng(0)
    lengths = numpy.asarray(LENGTHS)
    for scale in (30.0, 1e4, 1e30):
        inputs, U = lstm_arrays(rng, 5, lengths, scale)
        expected = with_numpy(lambda inputs=inputs, U=U: find_states(inputs, U, lengths))
        # These weights amplify rounding errors.
        assert_allclose(find_states(inputs, U, lengths), expected, atol=1e-3)
    most = numpy.finfo("float32").max
    extremes = numpy.asarray([most, -most, numpy.inf, -numpy.inf, 0, 1, 50, -50, 1e-30], "float32")
    if find_states is train_states:
        extremes = extremes[numpy.isfinite(extremes)]  # there a product computes 0 * inf
    inputs, U = rng.choice(extremes, size=(sum(LENGTHS), 40)), numpy.zeros_like(U)
    expected = with_numpy(lambda: find_states(inputs, U, lengths))
    assert numpy.isfinite(expected).all()
    assert_allclose(find_states(inputs, U, lengths), expected, atol=1e-6)


@both_steps
@pytest.mark.parametrize("gate", range(4))
def test_nan_stays_nan(find_states, gate, instruction_set):
    inputs, U = lstm_arrays(numpy.random.default_rng(0), 5, [3])
    inputs.view("uint32")[1, 5 * gate + 2] = 0x7FC00001  # a NaN with other bits
    states = find_states(inputs, U, numpy.asarray([3]))
    assert numpy.isnan(states[1, 2]) and not numpy.isnan(states[0, :5]).any()


def test_arrays_can_have_any_memory_layout(instruction_set):
    X, lengths, weights, d_states = lstm_layer(5, [4, 2])
    fortran = LayerWeights(*map(numpy.asfortranarray, weights))
    again = numpy.asfortranarray(X), lengths, fortran, numpy.asfortranarray(d_states)
    for mine, theirs in zip(
        run_layer(*again), run_layer(X, lengths, weights, d_states), strict=True
    ):
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize("n_labels", [1, 2, 4, 9, 18])
def test_viterbi_equals_numpy(n_labels, instruction_set):
    rng = numpy.random.default_rng(n_labels)
    start, transitions, end = constraints(n_labels)
    lengths = numpy.asarray(LENGTHS)
    # With few distinct scores many sequences tie, and the same one has to be found.
    for draw in (rng.normal, lambda size: rng.integers(0, 3, size=size)):
        emissions = numpy.asarray(draw(size=(sum(LENGTHS), len(start))), dtype="float32")
        emissions[rng.random(emissions.shape) < 0.1] = -numpy.inf
        moved = transitions + numpy.asarray(draw(size=transitions.shape), dtype="float32")
        chain = LinearChain(emissions, lengths, moved, start, end)
        assert_array_equal(chain.argmax(), with_numpy(chain.argmax))


def spans_of_a_sentence(n_labels, number=6):
    """All spans of a sentence, as entities of each label."""
    tags = BiluoTags(tuple(f"LABEL{number}" for number in range(n_labels)))
    first, last = sum(LENGTHS[:number]), sum(LENGTHS[: number + 1])
    pairs = combinations(range(first, last + 1), 2)
    return tags.segments([(i, j, label) for i, j in pairs for label in tags.labels])


def probabilities(chain, spans):
    return chain.marginals(), chain.span_marginal(*spans)


@pytest.mark.parametrize("n_labels", [1, 2, 4, 9, 18])
def test_probabilities_equal_numpy(n_labels, instruction_set):
    rng = numpy.random.default_rng(n_labels)
    start, transitions, end = constraints(n_labels)
    for scale in (0.3, 3.0, 30.0):
        emissions = (scale * rng.normal(size=(sum(LENGTHS), len(start)))).astype("float32")
        emissions[:, 1:][rng.random(emissions[:, 1:].shape) < 0.1] = -numpy.inf
        moved = transitions + rng.normal(size=transitions.shape).astype("float32")
        parts = emissions, numpy.asarray(LENGTHS), moved, start + emissions[0], end
        chain, other = LinearChain(*parts), LinearChain(*parts)
        assert isinstance(chain._token_probabilities, RaggedTrellis)
        spans = spans_of_a_sentence(n_labels)
        expected = with_numpy(partial(probabilities, other, spans))
        assert isinstance(other._token_probabilities, PackedTrellis)
        for mine, theirs in zip(probabilities(chain, spans), expected, strict=True):
            assert_allclose(mine, theirs, atol=1e-6)
        assert expected[1].max() > 0.01


def test_extreme_scores_use_logarithms(instruction_set):
    start, transitions, end = constraints(1)
    emissions = numpy.zeros((4, len(start)), dtype="float32")
    impossible = emissions.copy()
    impossible[1] = -numpy.inf
    # By far the best tags of one token cannot be followed by those of the next.
    apart = emissions.copy()
    apart[::2, 0] = apart[1::2, 2] = 2000
    for scores in (impossible, apart):
        chain = LinearChain(scores, numpy.asarray([4]), transitions, start, end)
        other = LinearChain(scores, numpy.asarray([4]), transitions, start, end)
        assert isinstance(chain._token_probabilities, PackedTrellis)
        expected = with_numpy(other.marginals)
        assert_allclose(chain.marginals(), expected, atol=1e-6)
        assert numpy.isfinite(chain.marginals()).all()


def test_half_precision_is_rounded_as_by_numpy(rng):
    every = numpy.arange(2**16, dtype="uint16").view("float16").astype("float32")
    every = every[~numpy.isnan(every)]
    numbers = numpy.concatenate([every, (every[1:] + every[:-1]) / 2, every * 1.001])
    with numpy.errstate(over="ignore", invalid="ignore"):
        numbers = numbers[: len(numbers) // 7 * 7].reshape(-1, 7)
        expected = numbers.astype("float16")
    found = numpy.empty_like(expected)
    kernels.forms.to_halves(numbers, found)
    numbers_only = ~numpy.isnan(expected)
    assert_array_equal(numpy.isnan(found), numpy.isnan(expected))
    assert_array_equal(found.view("uint16")[numbers_only], expected.view("uint16")[numbers_only])


def test_forms_that_do_not_fit_are_rejected():
    module = kernels.forms
    index = module.FormIndex(2)
    index.add(numpy.asarray([5], dtype="uint64"), numpy.zeros(1))
    E, filters, b = (numpy.zeros(s, dtype="float32") for s in ((9, 4), (3, 4, 2), (2,)))
    wrong = [
        lambda: index.add(numpy.asarray([5], dtype="uint64"), numpy.zeros(1)),
        lambda: index.add(numpy.asarray([6], dtype="uint64"), numpy.zeros(2)),
        lambda: index.add(numpy.asarray([6, 7], dtype="uint64"), numpy.zeros(2)),
        lambda: module.to_halves(E, numpy.zeros((9, 3), dtype="float16")),
        lambda: module.to_halves(E, numpy.zeros((9, 4), dtype="uint16")),
        lambda: module.convolve_characters(["a"], 20, E, filters[:2], b),
        lambda: module.convolve_characters(["a"], 20, E[:, :3].copy(), filters, b),
        lambda: module.convolve_characters(["a"], 20, E, filters, b[:1]),
        lambda: module.convolve_characters(["a"], 20, E[:1], filters, b),
    ]
    for call in wrong:
        with pytest.raises(ValueError, match="D650"):
            call()


def test_other_dtypes_use_numpy():
    start, transitions, end = (part.astype("float64") for part in constraints(2))
    emissions = numpy.random.default_rng(0).normal(size=(3, len(start)))
    assert kernels.kernels(emissions) is None
    chain = LinearChain(emissions, numpy.asarray([3]), transitions, start, end)
    assert chain.argmax().shape == (3,)


@pytest.mark.parametrize("integers", [False, True])
def test_shapes_that_do_not_fit_are_rejected(integers):
    inputs, U = lstm_arrays(numpy.random.default_rng(0), 4, [3])
    table = inputs.astype("float16" if integers else "float32")
    rows, inputs = numpy.arange(3), inputs.reshape(3, 2, 16)
    W, b = numpy.zeros((8, 32), dtype="float32"), numpy.zeros(32, dtype="float32")
    X, _, layer, d_states = lstm_layer(4, [3])
    stack = compiled.Stack([(U, None, None), (U, W, b)], integers)
    wider = numpy.zeros((2, 5, 20), dtype="float32")
    three, four = compiled.Sequences([3]), compiled.Sequences([4])

    def forward(X, sequences, layer):
        return compiled.lstm_forward(X, sequences, layer.W, layer.U, layer.b, 1)

    kept = dict(zip(("states", "gates", "cells"), forward(X, three, layer), strict=True))

    def backward(d_states, **changed):
        arrays = {**kept, **changed}.values()
        return compiled.lstm_backward(d_states, X, *arrays, three, layer.W, layer.U, 1)

    assert backward(d_states)[0].shape == X.shape
    wrong = [
        lambda: stack.predict(table, rows, four, 1),
        lambda: stack.predict(table, numpy.asarray([0, 1, 3]), three, 1),
        lambda: stack.predict(table, numpy.asarray([0, -1, 1]), three, 1),
        lambda: stack.predict(table, rows[:2], three, 1),
        lambda: stack.predict(table, rows, three, 0),
        lambda: compiled.lstm_forward(X, three, layer.W, layer.U, layer.b, 0),
        lambda: compiled.lstm_backward(d_states, X, *kept.values(), three, layer.W, layer.U, -1),
        lambda: stack.predict(table[:, :24].copy(), rows, three, 1),
        lambda: stack.predict(table.astype("float32" if integers else "float16"), rows, three, 1),
        lambda: compiled.Stack([], integers),
        lambda: compiled.Stack([(U[:1], None, None)], integers),
        lambda: compiled.Stack([(U, None, None), (U, None, None)], integers),
        lambda: compiled.Stack([(U, None, None), (U, W[:7], b)], integers),
        lambda: compiled.Stack([(U, None, None), (U, W[:, :31].copy(), b)], integers),
        lambda: compiled.Stack([(U, None, None), (U, W, b[:31])], integers),
        lambda: compiled.Stack([(U, None, None), (wider, W, b)], integers),
        lambda: forward(X[:, :12].copy(), three, layer),
        lambda: forward(X[:, :0].copy(), three, layer._replace(W=layer.W[:, :0].copy())),
        lambda: forward(X, three, layer._replace(U=layer.U[:1])),
        lambda: forward(X, three, layer._replace(W=layer.W[:31])),
        lambda: forward(X, three, layer._replace(b=layer.b[:31])),
        lambda: forward(X, four, layer),
        lambda: backward(d_states[:2]),
        lambda: backward(d_states[:, :4].copy()),
        lambda: backward(d_states, states=d_states[:2]),
        lambda: backward(d_states, gates=inputs[:, :1].copy()),
        lambda: backward(d_states, cells=inputs),
        lambda: compiled.viterbi(U[0], four, U[0], U[0, 0], U[0, 0]),
        lambda: compiled.viterbi(U[0], compiled.Sequences([3]), U[0], U[0, 0], U[0, 0]),
        lambda: compiled.forward_backward(U[0], four, U[0], U[0, 0], U[0, 0], 1e290),
        lambda: compiled.forward_backward(
            U[0][:0].copy(), compiled.Sequences([]), U[0], U[0, 0], U[0, 0], 1e290
        ),
        lambda: compiled.Sequences([3, -1]),
    ]
    for call in wrong:
        with pytest.raises(ValueError, match="do not fit together"):
            call()


def test_weights_are_packed_at_creation():
    with pytest.raises(TypeError):
        compiled.Stack.__new__(compiled.Stack)
