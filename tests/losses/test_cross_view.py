"""Heads of cross-view training: what they see, their loss, and gradients."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged

from spacy_distill.losses.cross_view import VIEWS, heads_loss, softmax_divergence
from spacy_distill.models.bilstm import BiLSTM
from spacy_distill.models.elementwise import SRU
from spacy_distill.models.taps import TAP_ATTR, find_directions, tapped
from spacy_distill.pipeline.cross_view import view_head
from tests.models.batches import random_ragged
from tests.models.gradients import check_parameters, check_slope

LENGTHS = [3, 0, 1, 4]


@pytest.fixture
def states(rng):
    return random_ragged(rng, LENGTHS, 6), random_ragged(rng, LENGTHS, 8)


@pytest.fixture
def targets(rng):
    found = rng.dirichlet(numpy.ones(5), size=sum(LENGTHS)).astype("float32")
    found[5] = 0  # nothing is known of this token
    return found


def softmax(scores):
    powers = numpy.exp(scores.astype("float64"))
    return powers / powers.sum(axis=1, keepdims=True)


def kl(target, scores):
    return float((target * (numpy.log(target) - numpy.log(softmax(scores)))).sum())


@pytest.mark.parametrize(
    "view,columns,read,learnt",
    [
        # Tokens 0-2, 3 and 4-7 are sentences, and token 5 is unknown.
        ("forward", slice(0, 3), [0, 1, 2, 3, 4, 6, 7], [0, 1, 2, 3, 4, 6, 7]),
        ("backward", slice(3, 6), [0, 1, 2, 3, 4, 6, 7], [0, 1, 2, 3, 4, 6, 7]),
        ("future", slice(0, 3), [0, 1, 5, 6], [1, 2, 6, 7]),
        ("past", slice(3, 6), [1, 2, 5, 7], [0, 1, 4, 6]),
        ("full", None, [0, 1, 2, 3, 4, 6, 7], [0, 1, 2, 3, 4, 6, 7]),
    ],
)
def test_a_head_reads_its_view_alone(states, targets, view, columns, read, learnt):
    first, last = states
    heads = {view: view_head(3 if columns else last.dataXd.shape[1], 4, targets.shape[1])}
    loss = heads_loss(heads, first, last, targets, weight=2.0)
    inputs = last.dataXd if columns is None else first.dataXd[:, columns]
    expected = 2 * kl(targets[learnt], heads[view].predict(inputs[read]))
    assert_allclose(loss.value, expected, rtol=1e-5)
    touched = numpy.zeros(first.dataXd.shape, dtype=bool)
    if columns is not None:
        touched[read, columns] = True
    assert not loss.d_first[~touched].any()
    assert loss.d_last.any() == (columns is None)


def test_gradients(states, targets, rng):
    first, last = states
    heads = {
        name: view_head(last.dataXd.shape[1] if view.direction is None else 3, 5, targets.shape[1])
        for name, view in VIEWS.items()
    }
    heads_loss(heads, first, last, targets)
    for head in heads.values():
        for node in head.walk():
            for name in node.param_names:
                node.set_param(name, rng.normal(size=node.get_param(name).shape).astype("float32"))
                if node.has_grad(name):
                    node.set_grad(name, numpy.zeros_like(node.get_param(name)))
    found = heads_loss(heads, first, last, targets, 0.5)

    def loss():
        return heads_loss(heads, first, last, targets, 0.5).value

    gradients = {
        name: [(node, p, node.get_grad(p).copy()) for node in head.walk() for p in node.param_names]
        for name, head in heads.items()
    }
    for name, parameters in gradients.items():
        for node, parameter, gradient in parameters:
            array = node.get_param(parameter)
            check_slope(loss, array, gradient, f"{name} {parameter}", rng, 1e-3)
    check_slope(loss, first.dataXd, found.d_first, "first layer", rng, 1e-3)
    check_slope(loss, last.dataXd, found.d_last, "last layer", rng, 1e-3)


def test_divergence_of_equal_probabilities_is_0(rng):
    scores = rng.normal(size=(4, 3)).astype("float32")
    value, gradient = softmax_divergence(softmax(scores), scores)
    assert abs(value) < 1e-6 and abs(gradient).max() < 1e-6
    value, gradient = softmax_divergence(numpy.eye(3), 100 * numpy.eye(3)[[1, 1, 2]])
    assert 0 < value < 100 and numpy.isfinite(gradient).all()


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.usefixtures("each_kernel")
def test_a_tap_adds_its_gradient(depth, rng):
    X = random_ragged(rng, LENGTHS, 5)
    model = BiLSTM(6, depth)
    model.initialize(X=X)
    weights, extra = (rng.normal(size=(sum(LENGTHS), 6)).astype("float32") for _ in range(2))
    first = find_directions(model)[0]

    def loss():
        seen = (first.predict(X).dataXd.astype("float64") * extra).sum()
        return float((model.predict(X).dataXd.astype("float64") * weights).sum() + seen)

    with tapped([first]) as (tap,):
        _, backprop = model.begin_update(X)
    assert_array_equal(tap.states.dataXd, first.predict(X).dataXd)
    tap.gradient = extra.copy()
    dX = backprop(Ragged(weights.copy(), X.lengths))
    assert TAP_ATTR not in first.attrs
    assert_array_equal(tap.gradient, extra)
    assert check_parameters(model, loss, rng) == 3 * depth
    check_slope(loss, X.dataXd, dX.dataXd, "inputs", rng)


def test_one_layer_has_one_tap():
    layers = find_directions(BiLSTM(6, 1))
    with tapped([layers[0], layers[-1]]) as (first, last):
        assert first is last
    assert not layers[0].attrs.get(TAP_ATTR)


def test_encoders_say_whether_they_have_directions():
    assert len(find_directions(BiLSTM(6, 3))) == 3
    assert find_directions(SRU(6, 2)) == []
