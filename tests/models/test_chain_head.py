"""The chain head: its gradients, impossible sequences and new labels."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spacy_distill.chain import constraints, n_tags
from spacy_distill.models.chain_head import CRF, Softmax, resize
from tests.models.batches import CHAIN_PARTS, random_chain, random_ragged
from tests.models.gradients import check_parameters, check_slope


@pytest.mark.parametrize("crf", [True, False])
def test_chain_head_gradients(crf, rng):
    """The loss is the cross-entropy with another chain over the same tags."""
    X = random_ragged(rng, [4, 0, 1, 6], 5)
    model = (CRF if crf else Softmax)(2)
    model.initialize(X=X)
    for name in model.param_names:
        values = model.get_param(name)
        values += rng.normal(size=values.shape).astype("float32")
    teacher = random_chain(rng, [4, 0, 1, 6], 2, crf)

    def loss():
        return float(teacher.cross_entropy(model(X, is_train=True)[0]).sum())

    chain, backprop = model.begin_update(X)
    dX = backprop(chain.expected_counts() - teacher.expected_counts())
    assert check_parameters(model, loss, rng) == (5 if crf else 2)
    check_slope(loss, X.dataXd, dX.dataXd, "inputs", rng)


def test_chain_head_excludes_invalid_biluo_sequences(rng):
    """In inference, with and without trained transitions. In training, a softmax has none."""
    X = random_ragged(rng, [3], 4)
    for crf in (True, False):
        model = (CRF if crf else Softmax)(2)
        model.initialize(X=X)
        masks = dict(zip(("start", "transitions", "end"), constraints(2), strict=True))
        chain = model.predict(X)
        trained = model(X, is_train=True)[0]
        for name, mask in masks.items():
            assert_array_equal(numpy.isneginf(getattr(chain, name)), numpy.isneginf(mask))
            expected = mask if crf else numpy.zeros_like(mask)
            assert_array_equal(getattr(trained, name), expected)


def test_softmax_head_trains_each_token_on_its_own(rng):
    X = random_ragged(rng, [3, 2], 4)
    model = Softmax(1)
    model.initialize(X=X)
    chain = model(X, is_train=True)[0]
    shares = numpy.exp(chain.emissions)
    assert_allclose(chain.marginals(), shares / shares.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("before, after", [(2, 5), (0, 1), (2, 2)])
def test_resize_keeps_parameters_of_other_labels(before, after, crf, rng):
    X = random_ragged(rng, [3, 2], 4)
    model = (CRF if crf else Softmax)(before)
    model.initialize(X=X)
    for name in model.param_names:
        model.set_param(name, rng.normal(size=model.get_param(name).shape).astype("float32"))
    old = model.predict(X)
    resize(model, after)
    new = model.predict(X)
    assert new.emissions.shape == (5, n_tags(after))
    for name in CHAIN_PARTS:
        values = getattr(old, name)
        corner = tuple(slice(size) for size in values.shape)
        if name == "emissions":
            corner = (slice(None), corner[1])
        assert_allclose(getattr(new, name)[corner], values, rtol=1e-5, atol=1e-6, err_msg=name)
    assert_array_equal(numpy.isneginf(new.transitions), numpy.isneginf(constraints(after)[1]))
    # The grown head can be trained.
    chain, backprop = model.begin_update(X)
    dX = backprop(chain.expected_counts())
    assert dX.dataXd.shape == X.dataXd.shape
    for name in model.param_names:
        assert model.get_grad(name).shape == model.get_param(name).shape


def test_resize_between_passes_keeps_the_gradients(rng):
    """A label can be added while gradients are accumulated."""
    X = random_ragged(rng, [3], 4)
    model = CRF(1)
    model.initialize(X=X)
    chain, backprop = model.begin_update(X)
    backprop(chain.expected_counts())
    before = {name: model.get_grad(name).copy() for name in model.param_names}
    resize(model, 2)
    for name, gradient in before.items():
        grown = model.get_grad(name)
        assert grown.shape == model.get_param(name).shape
        assert_array_equal(grown[tuple(slice(size) for size in gradient.shape)], gradient)
        assert_allclose(numpy.abs(grown).sum(), numpy.abs(gradient).sum(), rtol=1e-5)
    chain, backprop = model.begin_update(X)
    backprop(chain.expected_counts())


def test_resize_before_initialization_sets_the_labels():
    model = CRF()
    resize(model, 3)
    model.initialize(X=random_ragged(numpy.random.default_rng(0), [2], 4))
    assert model.get_param("W").shape == (13, 4)
