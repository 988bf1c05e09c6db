"""Optimizers keep their state when a head grows or shrinks."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import SGD, Adam, RAdam

from spacy_distill.models.chain_head import CRF, resize
from spacy_distill.models.optimizer_state import keep_moments
from tests.models.batches import random_ragged


def trained_head(rng, optimizer, steps=3):
    model = CRF(2)
    X = random_ragged(rng, [4, 3], 5)
    model.initialize(X=X)
    for _ in range(steps):
        step(model, X, optimizer)
    return model, X


def step(model, X, optimizer):
    chain, backprop = model.begin_update(X)
    backprop(chain.expected_counts())
    keep_moments(model, optimizer)
    model.finish_update(optimizer)


@pytest.mark.parametrize("make", [Adam, RAdam])
@pytest.mark.parametrize("sizes", [(3,), (3, 6)])
def test_moments_of_old_labels_are_kept(make, sizes, rng):
    optimizer = make(0.01)
    model, X = trained_head(rng, optimizer)
    shapes = {name: model.get_param(name).shape for name in model.param_names}
    kept = {
        name: [
            moments[(model.id, name)].reshape(shape).copy()
            for moments in (optimizer.mom1, optimizer.mom2)
        ]
        for name, shape in shapes.items()
    }
    for size in sizes:
        resize(model, size)
    keep_moments(model, optimizer)
    for name, shape in shapes.items():
        corner = tuple(slice(size) for size in shape)
        for old, moments in zip(kept[name], (optimizer.mom1, optimizer.mom2), strict=True):
            grown = moments[(model.id, name)].reshape(model.get_param(name).shape)
            assert_array_equal(grown[corner], old)
            assert_allclose(numpy.abs(grown).sum(), numpy.abs(old).sum(), rtol=1e-5)
    keys = {key[0] for state in (optimizer.mom1, optimizer.averages) for key in state}
    assert keys == {model.id}
    step(model, X, optimizer)


@pytest.mark.parametrize("make", [Adam, RAdam, SGD])
def test_averages_follow_a_grown_head(make, rng):
    optimizer = make(0.01)
    model, X = trained_head(rng, optimizer, steps=200)
    resize(model, 3)
    with model.use_params(optimizer.averages):
        assert model.predict(X).emissions.shape == (7, 13)
    for _ in range(20):
        step(model, X, optimizer)
    for name in ("W", "b"):
        averages = optimizer.averages[(model.id, name)]
        assert_allclose(averages, model.get_param(name), atol=0.1)


@pytest.mark.parametrize("make", [Adam, RAdam])
@pytest.mark.parametrize("sizes", [(3,), (3, 6), (1,)])
def test_moments_are_kept_if_the_optimizer_is_called_first(make, sizes, rng):
    """`nlp.rehearse` updates the new id before the moments are moved to it."""
    results = []
    for call_first in (False, True):
        optimizer = make(0.0, L2=0.0)  # so that gradients do not depend on the parameters
        model = CRF(2)
        X = random_ragged(numpy.random.default_rng(0), [4, 3], 5)
        model.initialize(X=X)
        for name in model.param_names:
            model.set_param(name, numpy.full_like(model.get_param(name), 0.1))
        for _ in range(10):
            step(model, X, optimizer)
        for size in sizes:
            resize(model, size)
            for _ in range(2):
                for name in model.param_names:
                    model.set_grad(name, numpy.ones_like(model.get_param(name)))
                if not call_first:
                    keep_moments(model, optimizer)
                model.finish_update(optimizer)
        keep_moments(model, optimizer)
        assert {key[0] for key in optimizer.nr_update} == {model.id}
        assert {key[0] for key in (*optimizer.mom1, *optimizer.mom2)} == {model.id}
        results.append(
            {
                (number, name): moments[(model.id, name)]
                for number, moments in enumerate((optimizer.mom1, optimizer.mom2))
                for name in model.param_names
            }
        )
    for key, expected in results[0].items():
        assert_allclose(results[1][key], expected, rtol=1e-4, atol=1e-7)


def test_a_new_optimizer_has_no_former_state(rng):
    model, X = trained_head(rng, Adam(0.01))
    resize(model, 3)
    optimizer = Adam(0.01)
    step(model, X, optimizer)
    assert optimizer.nr_update[(model.id, "W")] == 1
