"""Densely connected BiLSTM layers, compared with the layers one by one."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged, set_dropout_rate

from spacy_distill.models.bilstm import bilstm_layers
from spacy_distill.models.chain_head import CRF
from spacy_distill.models.chain_tagger import ChainTagger
from spacy_distill.models.dense_bilstm import DenseBiLSTM
from spacy_distill.models.layer_gates import all_gates, penalty, set_gates
from spacy_distill.models.taps import find_directions, tapped
from tests.models.batches import add_vectors, make_docs, random_ragged
from tests.models.gradients import check_parameters, check_slope
from tests.models.students import check_any_batch, word_embedding

pytestmark = pytest.mark.usefixtures("each_kernel")

GATES = numpy.asarray([0.7, 0.0, 1.0, 0.4])


def make_dense(rng, gates=GATES, **settings):
    """Four layers of width 6 over five inputs."""
    X = random_ragged(rng, [4, 0, 1, 6], 5)
    model = DenseBiLSTM(6, 4, **settings)
    model.initialize(X=X)
    set_gates(model, gates)
    return model, X


def test_layers_read_the_embedding_and_all_layers_below(rng):
    model, X = make_dense(rng)
    read, outputs = [X.dataXd], []
    for layer, gate in zip(bilstm_layers(model), GATES, strict=True):
        states = layer.predict(Ragged(numpy.concatenate(read, axis=1), X.lengths)).dataXd
        outputs.append((gate * states).astype("float32"))
        read.append(outputs[-1])
    Y = model.predict(X)
    assert_array_equal(Y.lengths, X.lengths)
    assert_allclose(Y.dataXd, numpy.concatenate(outputs, axis=1), atol=1e-6)
    assert model.get_dim("nO") == 24 and Y.dataXd.any(axis=0)[[0, 12, 18]].all()
    assert not Y.dataXd[:, 6:12].any()


def test_gradients(rng):
    model, X = make_dense(rng)
    model.attrs.update(keep=2, penalty=0.3, rate=1.0)
    weights = rng.normal(size=(11, 24)).astype("float32")

    def loss():
        Y = model.begin_update(X)[0].dataXd
        value = float((Y.astype("float64") * weights).sum())
        return value + 0.3 * penalty(all_gates(model, 4), 2)

    _, backprop = model.begin_update(X)
    given = weights.copy()
    dX = backprop(Ragged(given, X.lengths))
    assert_array_equal(given, weights)
    assert_array_equal(dX.lengths, X.lengths)
    check_slope(loss, X.dataXd, dX.dataXd, "inputs", rng)
    for number, layer in enumerate(bilstm_layers(model)):
        if GATES[number]:
            assert check_parameters(layer, loss, rng) == 3
    # Where R_3 has a slope: a gate that is 0 counts as open as soon as it moves.
    gradient = model.shims[0].gradient.copy()
    for number in (0, 2, 3):
        values = []
        for step in (3e-3, -3e-3):
            set_gates(model, GATES + step * numpy.eye(4)[number])
            values.append(loss())
        set_gates(model, GATES)
        assert_allclose((values[0] - values[1]) / 6e-3, gradient[number], atol=2e-2)


def test_deeper_layers_read_no_dropped_layer(rng):
    """Layer-wise dropout is drawn for each document, and the output keeps every layer."""
    model, X = make_dense(rng, numpy.ones(4), layer_dropout=0.5)
    expected = model.predict(X).dataXd
    assert_array_equal(model.begin_update(X)[0].dataXd, expected)
    # So small a rate changes nothing else, and yet it tells that this pass has dropout.
    set_dropout_rate(model, 1e-6)
    numpy.random.seed(0)
    changed = []
    for _ in range(20):
        Y = model.begin_update(X)[0].dataXd
        assert_array_equal(Y[:, :6], expected[:, :6])
        pairs = zip(_parts(Y), _parts(expected), strict=True)
        changed += [(abs(part - whole) > 1e-3).any() for part, whole in pairs]
    assert 0.3 < numpy.mean(changed) < 0.7
    _, backprop = model.begin_update(X)
    assert backprop(Ragged(expected, X.lengths)).dataXd.any()


def _parts(Y):
    """The second layer's output in each document with tokens: it reads the first one or zeros."""
    return Y[:4, 6:12], Y[4:5, 6:12], Y[5:, 6:12]


@pytest.mark.parametrize("gates", [GATES, numpy.ones(4), [0, 0, 0, 1]])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_inference_is_close_to_the_layers(gates, precision, rng):
    model = DenseBiLSTM(16, 4, precision=precision)
    X = random_ragged(rng, [3, 0, 12, 1, 5], 10)
    model.initialize(X=X)
    set_gates(model, numpy.asarray(gates))
    inference = model.attrs["inference"](model)
    rows = inference.per_form(X.dataXd)
    assert rows.dtype == ("float16" if precision == "int8" else "float32")
    assert rows.shape == (21, 4 * 16 * numpy.count_nonzero(gates))
    found = inference.per_sequence(rows, numpy.arange(21), X.lengths.astype("int64"))
    expected = model.predict(X).dataXd
    difference = abs(found - expected)
    assert found.shape == expected.shape == (21, 64)
    if precision == "float32":
        assert difference.max() < 1e-5
    else:
        assert 0 < difference.mean() < 0.01 * abs(expected).mean()


def test_states_of_integers_do_not_depend_on_the_batch(rng):
    model = DenseBiLSTM(16, 4, precision="int8")
    X = random_ragged(rng, [3, 9, 1, 5], 10)
    model.initialize(X=X)
    inference = model.attrs["inference"](model)
    table, start = inference.per_form(X.dataXd), 0
    lengths = X.lengths.astype("int64")
    together = inference.per_sequence(table, numpy.arange(18), lengths)
    for length in lengths:
        rows = numpy.arange(start, start + length)
        alone = inference.per_sequence(table, rows, numpy.asarray([length]))
        assert_array_equal(alone, together[rows])
        start += length


def test_numbers_that_are_not_finite_are_not_hidden(rng):
    model, X = make_dense(rng, numpy.ones(4), precision="int8")
    bilstm_layers(model)[2].get_param("b")[:] = numpy.nan
    inference = model.attrs["inference"](model)
    table = inference.per_form(X.dataXd)
    found = inference.per_sequence(table, numpy.arange(11), X.lengths.astype("int64"))
    assert numpy.isnan(found[:, 12:18]).all()


def test_a_tagger_of_any_batch(vocab, rng):
    add_vectors(vocab)
    docs = make_docs(vocab)
    model = ChainTagger(word_embedding(), CRF(2), DenseBiLSTM(8, 3))
    model.initialize(X=docs)
    check_any_batch(model, docs, limit=1e-5)


def test_cross_view_heads_find_its_layers(rng):
    model, X = make_dense(rng)
    layers = find_directions(model)
    assert layers == bilstm_layers(model) and len(layers) == 4
    # Also where a gate is closed.
    with tapped(layers[1:2]) as (tap,):
        _, backprop = model.begin_update(X)
    assert tap.states.dataXd.shape == (11, 6)
    tap.gradient = tap.states.dataXd
    backprop(Ragged(numpy.zeros((11, 24), dtype="float32"), X.lengths))
    assert layers[1].get_grad("W").any()


@pytest.mark.parametrize("settings", [{"depth": 0}, {"layer_dropout": 1.0}])
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError, match=r"\[D640\].*Correct the config"):
        DenseBiLSTM(**settings)
