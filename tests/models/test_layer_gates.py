"""Gates of layers: the penalty, its gradient, and how gates are updated."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Adam

from spacy_distill.models.gated_layer_mix import gated_layer_mix
from spacy_distill.models.layer_gates import (
    all_gates,
    close_gates,
    find_gated,
    largest,
    learn_gates,
    open_gates,
    penalty,
    penalty_gradient,
    set_gates,
)


def gated(gates, **attrs):
    """A layer with gates."""
    model = gated_layer_mix()
    set_gates(model, numpy.asarray(gates))
    model.attrs.update(attrs)
    return model


@pytest.mark.parametrize(
    "gates, most, expected",
    [
        ([1, 1, 1], 2, 3.0),
        ([1, 1, 1], 3, 0.0),
        ([1, 0, 1], 2, 0.0),
        ([0.5, 0, 1], 2, 0.25),
        ([0.5, 0.2, 1], 2, 0.25 + 0.16 + 1.7),
    ],
)
def test_the_penalty_is_that_of_the_paper(gates, most, expected):
    assert penalty(numpy.asarray(gates), most) == pytest.approx(expected)


@pytest.mark.parametrize("most", [2, 3])
def test_the_gradient_of_the_penalty(most):
    gates = numpy.asarray([0.3, 0.9, 0.6])
    for number, slope in enumerate(penalty_gradient(gates, most)):
        step = numpy.eye(3)[number] * 1e-4
        difference = penalty(gates + step, most) - penalty(gates - step, most)
        assert slope == pytest.approx(difference / 2e-4)


def test_gates_go_down_the_gradient_and_stay_within_bounds():
    model = gated([1.0, 0.6, 0.2], keep=1, penalty=0.1, rate=0.5)
    learn_gates(model, [-3.0, 0.2, 0.5])
    model.finish_update(Adam(0.01))
    # Of the middle one: 0.6 - 0.5 * (0.2 + 0.1 * (1 - 1.2 + 1))
    assert_allclose(all_gates(model, 3), [1.0, 0.46, 0.0], atol=1e-6)
    # Without another backward pass, nothing is left to do.
    model.finish_update(Adam(0.01))
    assert_allclose(all_gates(model, 3), [1.0, 0.46, 0.0], atol=1e-6)


def test_as_many_layers_stay_as_are_to_be_kept():
    """From one half on, the penalty leads back to 1 when enough others are closed."""
    model = gated([0.55, 0.56, 0.3], keep=2, penalty=0.1, rate=0.5)
    learn_gates(model, [0.2, 0.2, 1.0])
    model.finish_update(Adam(0.01))
    assert_allclose(all_gates(model, 3), [0.5, 0.5, 0.0])


def test_gates_are_constant_without_a_selection():
    model = gated([1.0, 0.5, 0.0])
    learn_gates(model, [1.0, 1.0, 1.0])
    assert model.shims[0].gradient is None
    model.finish_update(Adam(0.01))
    assert_allclose(all_gates(model, 3), [1.0, 0.5, 0.0])


def test_inference_uses_the_largest_gates():
    assert_array_equal(open_gates(gated([0.2, 0.75, 0.5], keep=2), 3), [0, 0.75, 0.5])
    assert_array_equal(open_gates(gated([0.25, 0, 0.5], keep=3), 3), [0.25, 0, 0.5])
    assert_array_equal(open_gates(gated([0.25, 0, 0.5]), 3), [0.25, 0, 0.5])
    # Before a selection has moved a gate, lower layers are used.
    assert largest(numpy.ones(4), 2) == [0, 1]


def test_a_layer_without_an_open_gate_has_none():
    assert_array_equal(open_gates(gated([0, 0]), 2), [1, 1])


def test_closed_gates_stay_closed():
    model = gated([0.9, 0.5, 0.6], keep=2, penalty=0.1, rate=0.5)
    close_gates(model)
    assert_array_equal(all_gates(model, 3), [1, 0, 1])
    learn_gates(model, [1.0, -1.0, 1.0])
    model.finish_update(Adam(0.01))
    assert_array_equal(open_gates(model, 3), [1, 0, 1])


def test_a_copy_has_gates_of_its_own():
    model = gated([1.0, 0.5], keep=1, penalty=0.1, rate=0.5)
    learn_gates(model, [0.0, 0.0])
    copied = model.copy()
    copied.finish_update(Adam(0.01))
    assert_allclose(all_gates(copied, 2), [1.0, 0.5])
    model.finish_update(Adam(0.01))
    assert all_gates(model, 2)[1] < 0.5
    assert_allclose(all_gates(copied, 2), [1.0, 0.5])
    assert find_gated(model) == [model] and not find_gated(gated_layer_mix())
