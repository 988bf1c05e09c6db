"""The average of layers with gates, and its gradients."""

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.types import Ragged

from spacy_distill.models.gated_layer_mix import gated_layer_mix
from spacy_distill.models.layer_gates import all_gates, penalty, set_gates
from spacy_distill.models.layer_mix import layer_mix
from tests.models.gradients import check_slope
from tests.models.test_layer_mix import make_features

GATES = numpy.asarray([1.0, 0.3, 0.8])


def make_mix(rng, gates=GATES):
    X = make_features(rng)
    model = gated_layer_mix()
    model.initialize(X=X)
    set_gates(model, gates)
    model.set_param("scores", rng.normal(size=3).astype("float32"))
    model.set_param("factor", numpy.asarray([1.5], dtype="float32"))
    return model, X


def test_with_open_gates_it_is_the_average_without_gates(rng):
    X = make_features(rng)
    model, plain = gated_layer_mix(), layer_mix()
    for mix in (model, plain):
        mix.initialize(X=X)
        mix.set_param("scores", numpy.asarray([0.3, -1.0, 2.0], dtype="float32"))
    assert_allclose(model.predict(X).dataXd, plain.predict(X).dataXd, rtol=1e-5)
    assert model.get_dim("nO") == 5


@pytest.mark.parametrize("gates, layer", [([0, 0, 0.7], 2), ([1, 0, 0], 0)])
def test_closed_layers_have_no_weight(rng, gates, layer):
    model, X = make_mix(rng, numpy.asarray(gates))
    model.get_param("scores")[1] = 1000
    expected = 1.5 * X.dataXd[:, layer]
    for is_train in (True, False):
        assert_allclose(model(X, is_train)[0].dataXd, expected, rtol=1e-5)


def test_gradients(rng):
    model, X = make_mix(rng)
    model.attrs.update(keep=2, penalty=0.3, rate=1.0)
    weights = rng.normal(size=(7, 5)).astype("float32")

    def loss():
        Y = model.begin_update(X)[0].dataXd
        value = float((Y.astype("float64") * weights).sum())
        return value + 0.3 * penalty(all_gates(model, 3), 2)

    _, backprop = model.begin_update(X)
    d_X = backprop(Ragged(weights, X.lengths)).dataXd
    gradient = model.shims[0].gradient.copy()
    check_slope(loss, X.dataXd, d_X, "input", rng)
    for number, slope in enumerate(gradient):
        values = []
        for step in (3e-3, -3e-3):
            set_gates(model, GATES + step * numpy.eye(3)[number])
            values.append(loss())
        set_gates(model, GATES)
        assert_allclose((values[0] - values[1]) / 6e-3, slope, atol=2e-2)
    with_gradients = [name for name in model.param_names if model.has_grad(name)]
    assert with_gradients == ["scores", "factor"]
    for name in with_gradients:
        check_slope(loss, model.get_param(name), model.get_grad(name), name, rng)


def test_one_layer_cannot_be_selected():
    states = Ragged(numpy.zeros((3, 1, 4), dtype="float32"), numpy.asarray([3]))
    with pytest.raises(ValueError, match=r"\[D647\].*`layers = null`"):
        gated_layer_mix().initialize(states)
