"""SRU and minGRU layers, compared with plain ones that run token by token."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged

from spacy_distill.models.chain_head import CRF
from spacy_distill.models.chain_tagger import ChainTagger
from spacy_distill.models.elementwise import SRU, MinGRU, min_gru_layer, sru_layer
from tests.models.batches import add_vectors, make_docs, random_ragged
from tests.models.gradients import check_parameters, check_slope
from tests.models.students import check_any_batch, word_embedding

pytestmark = pytest.mark.usefixtures("each_kernel")

LAYERS = {
    "sru": lambda: sru_layer(6, 5),
    "sru-highway": lambda: sru_layer(6, passes_inputs=True),
    "min-gru": lambda: min_gru_layer(6, 5),
}
each_layer = pytest.mark.parametrize("make_layer", LAYERS.values(), ids=LAYERS)


def logistic(x):
    return 1 / (1 + numpy.exp(-x))


def by_the_book(inputs, passed, W, b, v):
    """Run one direction of one sentence, token by token.

    passed: The highway of an SRU if no map is; else None.
    """
    hidden = 3
    cell, states = numpy.zeros(hidden), []
    for number, x in enumerate(inputs):
        candidate, forget, *others = (W @ x + b).reshape(-1, hidden)
        before = cell
        f = logistic(forget if v is None else forget + v[0] * before)
        cell = f * before + (1 - f) * candidate
        if v is None:
            states.append(cell)
        else:
            r = logistic(others[0] + v[1] * before)
            highway = others[1] if passed is None else passed[number]
            states.append(r * cell + (1 - r) * 3**0.5 * highway)
    return numpy.asarray(states).reshape(-1, hidden)


def with_random_parameters(model, X, rng):
    model.initialize(X=X)
    for name in model.param_names:
        model.set_param(name, rng.normal(size=model.get_param(name).shape).astype("float32"))
    return model


@each_layer
@pytest.mark.parametrize("lengths", [[3, 0, 5, 1, 5], [2], [0, 0], []])
def test_layers_are_two_plain_recurrences(make_layer, lengths, rng):
    model = make_layer()
    X = random_ragged(rng, lengths, model.maybe_get_dim("nI"))
    with_random_parameters(model, X, rng)
    parameters = {name: model.get_param(name).astype("float64") for name in model.param_names}
    W, b = parameters["W"].reshape(2, -1, X.dataXd.shape[1]), parameters["b"].reshape(2, -1)
    v = parameters.get("v", (None, None))
    expected = [numpy.zeros((0, 6))]
    for sentence in numpy.split(X.dataXd.astype("float64"), numpy.cumsum(lengths)[:-1]):
        both = []
        for direction, order in enumerate((slice(None), slice(None, None, -1))):
            inputs = sentence[order]
            passed = inputs[:, 3 * direction :] if model.attrs["n_maps"] == 3 else None
            passed = None if passed is None else passed[:, :3]
            found = by_the_book(inputs, passed, W[direction], b[direction], v[direction])
            both.append(found[order])
        expected.append(numpy.concatenate(both, axis=1))
    Y, backprop = model.begin_update(X)
    assert Y.dataXd.dtype == "float32"
    assert_array_equal(Y.lengths, lengths)
    assert_allclose(Y.dataXd, numpy.concatenate(expected), rtol=1e-4, atol=1e-5)
    assert backprop(Y).dataXd.shape == X.dataXd.shape


@each_layer
def test_gradients(make_layer, rng):
    model = make_layer()
    X = random_ragged(rng, [4, 0, 1, 6], model.maybe_get_dim("nI"))
    with_random_parameters(model, X, rng)
    weights = rng.normal(size=(11, 6)).astype("float32")

    def loss():
        return float((model.predict(X).dataXd.astype("float64") * weights).sum())

    _, backprop = model.begin_update(X)
    given = weights.copy()
    dX = backprop(Ragged(given, X.lengths))
    assert_array_equal(given, weights)  # below a concatenation, layers share views of a gradient
    assert_array_equal(dX.lengths, X.lengths)
    assert check_parameters(model, loss, rng) == len(model.param_names)
    check_slope(loss, X.dataXd, dX.dataXd, "inputs", rng)


def test_an_sru_keeps_the_variance_of_its_inputs():
    rng = numpy.random.default_rng(0)
    X = random_ragged(rng, [1] * 400, 100)
    for model in (sru_layer(200), sru_layer(100, passes_inputs=True)):
        model.initialize(X=X)
        assert 0.7 < model.predict(X).dataXd.var() < 1.3


@pytest.mark.parametrize("build", [SRU, MinGRU])
def test_odd_widths_are_rejected(build, rng):
    with pytest.raises(ValueError, match=r"D820.*has to be even.* found 7"):
        build(7).initialize(X=random_ragged(rng, [2], 3))


@pytest.mark.parametrize("build", [SRU, MinGRU])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_inference_is_close_to_the_layers(build, depth, precision, rng):
    model = build(40, depth, precision)
    X = random_ragged(rng, [3, 0, 12, 1, 5], 30)
    model.initialize(X=X)
    inference = model.attrs["inference"](model)
    rows = inference.per_form(X.dataXd)
    assert rows.dtype == ("float16" if precision == "int8" else "float32")
    found = inference.per_sequence(rows, numpy.arange(21), X.lengths.astype("int64"))
    expected = model.predict(X).dataXd
    difference = abs(found - expected)
    if precision == "float32":
        assert difference.max() < 1e-5
    else:
        assert 0 < difference.mean() < 0.01 * abs(expected).mean()


@pytest.mark.parametrize("build", [SRU, MinGRU])
def test_numbers_that_are_not_finite_are_not_hidden(build, rng):
    model = build(4, 2, "int8")
    X = random_ragged(rng, [3], 3)
    model.initialize(X=X)
    model.layers[-1].get_param("b")[:] = numpy.nan
    inference = model.attrs["inference"](model)
    found = inference.per_sequence(
        inference.per_form(X.dataXd), numpy.arange(3), numpy.asarray([3])
    )
    assert numpy.isnan(found).all()


@pytest.mark.parametrize("build", [SRU, MinGRU])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_tagger_of_any_batch(build, precision, vocab, rng):
    add_vectors(vocab)
    docs = make_docs(vocab)
    model = ChainTagger(word_embedding(), CRF(2), build(8, 3, precision))
    model.initialize(X=docs)
    check_any_batch(model, docs, limit=1e-5 if precision == "float32" else 0.1)
