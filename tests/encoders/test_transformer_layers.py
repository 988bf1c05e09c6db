"""The transformer as a Thinc layer: features, gradients, learning rates, saving."""

import numpy
import pytest
import srsly
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from thinc.api import SGD, Adam, RAdam, chain, xp2torch
from thinc.types import Ragged

from spacy_distill.encoders.feature_cache import FEATURES
from spacy_distill.encoders.transformer_layers import TransformerLayers
from spacy_distill.models.layer_mix import layer_mix
from spacy_distill.models.learn_rates import with_learn_rate_factors
from tests.encoders.test_encoder import make_docs, read
from tests.models.gradients import check_slope


def forbid_reading(model):
    """Make the transformer raise an error if it is called."""
    model.shims[0].transformer.forward = None


@pytest.mark.parametrize("frozen", [True, False])
def test_features_are_the_states_of_all_layers(layers, vocab, frozen):
    model = layers(frozen)
    docs = make_docs(vocab)
    Y = model.predict(docs)
    assert Y.lengths.tolist() == [0, 11, 3, 2, 0] and Y.dataXd.dtype == "float32"
    expected, _ = read(model.shims[0].encoder, docs)
    # The features of a frozen transformer are cached in half precision.
    assert_allclose(Y.dataXd, expected, atol=2e-3 if frozen else 1e-5)
    assert model.get_dim("nO") == 16


def test_the_window_is_a_setting(layers, vocab):
    docs = make_docs(vocab)
    small, large = layers(window=8), layers()
    assert (small.shims[0].encoder.window, large.shims[0].encoder.window) == (8, 32)
    expected, _ = read(small.shims[0].encoder, docs)
    assert_allclose(small.predict(docs).dataXd, expected, atol=2e-3)
    assert numpy.abs(large.predict(docs).dataXd - expected).max() > 0.01


@pytest.mark.parametrize("frozen", [True, False])
def test_documents_without_tokens(layers, vocab, frozen):
    Y, backprop = layers(frozen).begin_update([Doc(vocab), Doc(vocab)])
    assert Y.dataXd.shape == (0, 3, 16) and Y.lengths.tolist() == [0, 0]
    assert backprop(Y)


def test_fine_tuning_gradients_reach_every_layer(layers, vocab, rng):
    model = layers(frozen=False, window=8)
    docs = make_docs(vocab)
    weights = rng.normal(size=(16, 3, 16)).astype("float32")
    transformer = model.shims[0].transformer
    # Without dropout, as in inference.
    for module in transformer.modules():
        for name in {"p", "dropout_prob"} & vars(module).keys():
            setattr(module, name, 0.0)

    def loss():
        return float((model.predict(docs).dataXd.astype("float64") * weights).sum())

    _, backprop = model.begin_update(docs)
    assert not transformer.training
    assert backprop(Ragged(weights, model.ops.asarray1i([0, 11, 3, 2, 0]))) is docs
    checked = ("embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.weight")
    parameters = dict(transformer.named_parameters())
    for name in checked:
        array = parameters[name].data.numpy()
        check_slope(loss, array, parameters[name].grad.numpy(), name, rng)


def test_fine_tuning_has_dropout(layers, vocab):
    model = layers(frozen=False)
    docs = make_docs(vocab)
    trained, _ = model(docs, is_train=True)
    assert numpy.abs(trained.dataXd - model.predict(docs).dataXd).max() > 0.01


def test_a_frozen_transformer_reads_a_document_once_and_gets_no_gradient(layers, vocab):
    model = layers()
    docs = make_docs(vocab)
    expected, backprop = model.begin_update(docs)
    assert backprop(expected) is docs
    assert all(tensor.grad is None for tensor in model.shims[0].transformer.parameters())
    forbid_reading(model)
    assert_array_equal(model.predict(docs[::-1][1:3]).dataXd[2:], expected.dataXd[11:14])
    with pytest.raises(TypeError):
        model.predict([Doc(vocab, words=["Oslo", "sails"])])


@pytest.mark.parametrize("frozen", [True, False])
def test_a_loaded_layer_does_not_need_the_files_of_the_transformer(layers, vocab, frozen):
    model = layers(frozen, window=8)
    next(model.shims[0].transformer.parameters()).data[:, 0] += 3
    docs = make_docs(vocab)
    expected = model.predict(docs).dataXd
    loaded = TransformerLayers("nowhere", frozen, window=8).from_bytes(model.to_bytes())
    # Another initialization does not change it.
    loaded.initialize(X=docs)
    assert loaded.shims[0].encoder.fingerprint == model.shims[0].encoder.fingerprint
    if frozen:
        forbid_reading(loaded)
    assert_allclose(loaded.predict(docs).dataXd, expected, atol=1e-5)
    assert loaded.get_dim("nO") == 16 and loaded.to_bytes() == model.to_bytes()


def test_a_layer_can_be_saved_before_initialization(layers, vocab):
    bare = TransformerLayers("nowhere")
    assert TransformerLayers("nowhere").from_bytes(bare.to_bytes()).shims[0].encoder is None
    with pytest.raises(ValueError, match=r"D292.*'nowhere'"):
        bare.initialize()


def test_training_a_copy_does_not_change_the_original(layers, vocab):
    model = layers(frozen=False)
    docs = make_docs(vocab)
    before = model.predict(docs).dataXd
    copied = model.copy()
    next(copied.shims[0].transformer.parameters()).data[:, 0] += 3
    assert numpy.abs(copied.predict(docs).dataXd - before).max() > 0.1
    assert_array_equal(model.predict(docs).dataXd, before)


def test_teachers_over_one_transformer_share_their_features(layers, vocab):
    docs = make_docs(vocab)
    expected = layers().predict(docs)
    other = layers()
    forbid_reading(other)
    assert_array_equal(other.predict(docs).dataXd, expected.dataXd)
    assert len(FEATURES) == 3  # two of the documents have no tokens


def test_hidden_states_too_large_for_half_precision_are_rejected(layers, vocab):
    model = layers()
    norm = model.shims[0].transformer.encoder.layer[1].output.LayerNorm
    norm.bias.data[:] = 1e5
    with pytest.raises(ValueError, match=r"D604.*Bert.*frozen = false"):
        model.predict(make_docs(vocab))


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_a_fine_tuned_transformer_has_its_own_learning_rate(layers, vocab, factor):
    """With plain gradient descent, a step is proportional to the learning rate."""
    model = chain(layers(frozen=False, learn_rate_factor=factor), layer_mix())
    model.initialize(X=make_docs(vocab))
    transformer, mix = model.layers[0].shims[0].transformer, model.layers[1]
    weight = transformer.pooler.dense.weight
    before = weight.detach().numpy().copy(), mix.get_param("scores").copy()
    weight.grad = xp2torch(numpy.ones(weight.shape, dtype="float32"))
    mix.set_grad("scores", numpy.ones(3, dtype="float32"))
    optimizer = SGD(0.1, grad_clip=0.0, use_averages=False)
    model.finish_update(with_learn_rate_factors(model, optimizer))
    assert_allclose(transformer.pooler.dense.weight.detach(), before[0] - 0.1 * factor, atol=1e-6)
    assert_allclose(mix.get_param("scores"), before[1] - 0.1, atol=1e-6)


def test_optimizers_that_cannot_fine_tune_a_transformer(layers):
    tuned = layers(frozen=False, learn_rate_factor=0.1)
    with pytest.raises(ValueError, match="D606"):
        with_learn_rate_factors(tuned, RAdam(0.1, use_averages=False))
    with pytest.warns(UserWarning, match="D931"):
        with_learn_rate_factors(tuned, Adam(0.1, use_averages=True))
    optimizer = RAdam(0.1, use_averages=True)
    for model in (layers(), layers(frozen=True, learn_rate_factor=0.1)):
        assert with_learn_rate_factors(model, optimizer) is optimizer


@pytest.mark.parametrize(
    "name",
    ["../outside.json", "/tmp/outside.json", "a/b.json", "pytorch_model.bin", "code.py", ".json"],
)
def test_files_of_a_saved_transformer_stay_in_its_folder(name, tmp_path):
    """Loading a teacher writes them to a temporary folder."""
    shim = TransformerLayers("nowhere").shims[0]
    for files in ({name: b"{}"}, {"config.json": b"{}", name: b"{}"}):
        with pytest.raises(ValueError, match=r"^\[D786\]"):
            shim.from_bytes(srsly.msgpack_dumps(files))
    for files in ([], "x", {"config.json": "text"}, {1: b""}):
        if files:
            with pytest.raises(ValueError, match=r"^\[D786\]"):
                shim.from_bytes(srsly.msgpack_dumps(files))
