"""The distance of hidden states."""

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_distill.losses.states import standardized, states_distance


def test_distances_are_those_of_unit_vectors(rng):
    predicted, target = rng.normal(size=(2, 5, 4)).astype("float32")
    units = [states / numpy.linalg.norm(states, axis=1)[:, None] for states in (predicted, target)]
    value, _ = states_distance(predicted, target)
    assert value == pytest.approx(((units[0] - units[1]) ** 2).sum(), rel=1e-5)
    assert states_distance(3 * target, target)[0] == pytest.approx(0, abs=1e-6)
    assert states_distance(-target, target)[0] == pytest.approx(4 * len(target))


def test_gradients(rng):
    predicted, target = rng.normal(size=(2, 3, 4))
    _, gradient = states_distance(predicted, target)
    for place in numpy.ndindex(predicted.shape):
        values = []
        for step in (1e-5, -1e-5):
            changed = predicted.copy()
            changed[place] += step
            values.append(states_distance(changed, target)[0])
        assert_allclose((values[0] - values[1]) / 2e-5, gradient[place], rtol=1e-4, atol=1e-6)


def test_states_without_a_direction_teach_nothing(rng):
    predicted, target = rng.normal(size=(2, 3, 4)).astype("float32")
    target[1] = 0
    predicted[2] = 0
    value, gradient = states_distance(predicted, target)
    assert value == pytest.approx(states_distance(predicted[:1], target[:1])[0])
    assert gradient[0].any() and not gradient[1:].any()
    assert gradient.dtype == numpy.float32


def test_standardized_states_have_no_dimension_that_hides_the_others(rng):
    states = rng.normal(size=(50, 4)).astype("float32")
    states[:, 1] = 100 + 5 * states[:, 1]
    states[:, 2] = 3
    states[7] = 0
    found = standardized(states)
    others = numpy.delete(found, 7, axis=0)
    assert_allclose(others.mean(axis=0), 0, atol=1e-5)
    assert_allclose(others.std(axis=0), [1, 1, 0, 1], atol=1e-5)
    assert not found[7].any()
    # What is the same for all tokens teaches nothing.
    alike = standardized(numpy.full((3, 4), 2.0))
    assert not alike.any() and states_distance(states[:3], alike)[0] == 0
    assert standardized(numpy.zeros((0, 4))).shape == (0, 4)
