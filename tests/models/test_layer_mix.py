"""The average of layers, and its gradients."""

import numpy
from numpy.testing import assert_allclose
from thinc.types import Ragged

from spacy_distill.models.layer_mix import layer_mix
from tests.models.gradients import check_parameters, check_slope


def make_features(rng):
    data = rng.normal(size=(7, 3, 5)).astype("float32")
    return Ragged(data, numpy.asarray([4, 0, 3], dtype="int32"))


def test_before_training_all_layers_have_equal_weights(rng):
    X = make_features(rng)
    model = layer_mix()
    model.initialize(X=X)
    Y = model.predict(X)
    assert_allclose(Y.dataXd, X.dataXd.mean(axis=1), rtol=1e-5)
    assert Y.lengths.tolist() == [4, 0, 3] and model.get_dim("nO") == 5


def test_gradients(rng):
    X = make_features(rng)
    model = layer_mix()
    model.initialize(X=X)
    model.set_param("scores", rng.normal(size=3).astype("float32"))
    model.set_param("factor", numpy.asarray([1.5], dtype="float32"))
    weights = rng.normal(size=(7, 5)).astype("float32")

    def loss():
        return float((model.predict(X).dataXd.astype("float64") * weights).sum())

    _, backprop = model.begin_update(X)
    d_X = backprop(Ragged(weights, X.lengths)).dataXd
    check_slope(loss, X.dataXd, d_X, "input", rng)
    assert check_parameters(model, loss, rng) == 2
