"""A BiLSTM layer, compared with a plain LSTM that runs token by token."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged

from spacy_distill.models.bilstm import BiLSTM, bilstm_layer
from tests.models.batches import random_ragged
from tests.models.gradients import check_parameters, check_slope

pytestmark = pytest.mark.usefixtures("each_kernel")


def logistic(x):
    return 1 / (1 + numpy.exp(-x))


def lstm_by_the_book(inputs, W, U, b):
    """Run one direction of one sentence, token by token."""
    hidden = len(U)
    state, cell, states = numpy.zeros(hidden), numpy.zeros(hidden), []
    for x in inputs:
        gates = W @ x + state @ U + b
        i, f, o = (logistic(gates[k * hidden : (k + 1) * hidden]) for k in range(3))
        cell = f * cell + i * numpy.tanh(gates[3 * hidden :])
        state = o * numpy.tanh(cell)
        states.append(state)
    return numpy.asarray(states).reshape(-1, hidden)


@pytest.mark.parametrize("lengths", [[3, 0, 5, 1, 5], [2], [0, 0], []])
def test_bilstm_is_two_plain_lstms(lengths, rng):
    X = random_ragged(rng, lengths, 3)
    model = bilstm_layer(8, 3)
    model.initialize()
    for name in model.param_names:
        model.set_param(name, rng.normal(size=model.get_param(name).shape).astype("float32"))
    W, U, b = (model.get_param(name).astype("float64") for name in ("W", "U", "b"))
    W, b = W.reshape(2, 16, 3), b.reshape(2, 16)
    expected = [numpy.zeros((0, 8))]
    for sentence in numpy.split(X.dataXd, numpy.cumsum(lengths)[:-1]):
        ahead = lstm_by_the_book(sentence, W[0], U[0], b[0])
        back = lstm_by_the_book(sentence[::-1], W[1], U[1], b[1])[::-1]
        expected.append(numpy.concatenate([ahead, back], axis=1))
    Y, backprop = model.begin_update(X)
    assert Y.dataXd.dtype == "float32"
    assert_array_equal(Y.lengths, lengths)
    assert_allclose(Y.dataXd, numpy.concatenate(expected), rtol=1e-4, atol=1e-5)
    assert backprop(Y).dataXd.shape == X.dataXd.shape


def test_bilstm_gradients(rng):
    X = random_ragged(rng, [4, 0, 1, 6], 5)
    model = bilstm_layer(6, 5)
    model.initialize(X=X)
    weights = rng.normal(size=(11, 6)).astype("float32")

    def loss():
        return float((model.predict(X).dataXd.astype("float64") * weights).sum())

    _, backprop = model.begin_update(X)
    dX = backprop(Ragged(weights.copy(), X.lengths))
    assert_array_equal(dX.lengths, X.lengths)
    assert check_parameters(model, loss, rng) == 3
    check_slope(loss, X.dataXd, dX.dataXd, "inputs", rng)


def test_bilstm_backprop_does_not_change_its_input(rng):
    """Below a concatenation, layers share views of the same gradient."""
    X = random_ragged(rng, [3, 2], 4)
    model = bilstm_layer(4)
    model.initialize(X=X)
    Y, backprop = model.begin_update(X)
    gradient = rng.normal(size=Y.dataXd.shape).astype("float32")
    given = gradient.copy()
    backprop(Ragged(given, Y.lengths))
    assert_array_equal(given, gradient)


def test_bilstm_starts_orthogonal_with_open_forget_gates():
    model = bilstm_layer(8, 3)
    model.initialize()
    for direction in model.get_param("U"):
        for gate in numpy.split(direction, 4, axis=1):
            assert_allclose(gate.T @ gate, numpy.eye(4), atol=1e-5)
    biases = model.get_param("b").reshape(2, 4, 4)
    assert (biases[:, 1] == 1).all()
    assert not biases[:, [0, 2, 3]].any()


def test_bilstm_rejects_an_odd_width():
    with pytest.raises(ValueError, match=r"has to be even.* found 7"):
        bilstm_layer(7, 3).initialize()


def test_a_form_has_the_same_row_in_every_batch(rng):
    """A matrix product alone does not: its sums depend on the number of rows."""
    model = BiLSTM(100, 1, "int8")
    features = rng.normal(size=(300, 60)).astype("float32")
    model.initialize(X=Ragged(features, numpy.asarray([300])))
    inference = model.attrs["inference"](model)
    rows = inference.per_form(features)
    assert rows.dtype == "float16" and rows.shape == (300, 400)
    for size in (1, 7, 60):
        parts = [features[start : start + size] for start in range(0, 300, size)]
        assert_array_equal(numpy.concatenate([inference.per_form(part) for part in parts]), rows)
    W, b = model.get_param("W"), model.get_param("b")
    assert_allclose(rows, features @ W.T + b, rtol=1e-3, atol=1e-3)
