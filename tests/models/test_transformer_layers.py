"""Hidden states of all layers, pooled by tokens, against what the transformer itself says."""

from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from thinc.api import SGD, Adam, RAdam, chain, xp2torch
from thinc.types import Ragged

from spacy_distill.models.feature_cache import FEATURES, FOLDER, document_key, model_key
from spacy_distill.models.layer_mix import layer_mix
from spacy_distill.models.learn_rates import with_learn_rate_factors
from tests.models.conftest import WORDS
from tests.models.gradients import check_slope


def make_docs(vocab):
    words = [[], WORDS, ["Oslo", "company", "sails"], ["unseen", "Kiel"], []]
    return [Doc(vocab, words=item) for item in words]


def states_of(model, doc):
    """What the transformer itself says, (layers, wordpieces, width)."""
    import torch

    transformer = model.layers[0]
    read = transformer.tokenizer(doc.text, return_tensors="pt")
    transformer.transformer.eval()
    with torch.no_grad():
        return torch.stack(transformer.transformer(**read).hidden_states)[:, 0].numpy()


@pytest.mark.parametrize("frozen", [True, False])
def test_features_are_means_over_wordpieces_of_every_layer(layers, vocab, frozen):
    model = layers(frozen)
    docs = make_docs(vocab)
    Y = model.predict(docs)
    assert Y.lengths.tolist() == [0, 11, 3, 2, 0]
    assert Y.dataXd.shape == (16, 3, 16) and Y.dataXd.dtype == "float32"
    states = states_of(model, docs[2])
    # [CLS] oslo com ##pany sails [SEP]
    expected = [states[:, 1], states[:, 2:4].mean(axis=1), states[:, 4]]
    # Kept in half precision.
    assert_allclose(Y.dataXd[11:14], expected, atol=2e-3 if frozen else 1e-5)


@pytest.mark.parametrize("kind", ["Bert", "ConvBert"])
@pytest.mark.parametrize("frozen", [True, False])
def test_features_do_not_depend_on_what_is_read_together(layers, vocab, frozen, kind):
    """A ConvBERT does not keep padding out: it reads each document by itself."""
    model = layers(frozen, kind=kind)
    docs = [doc for doc in make_docs(vocab) if len(doc)]
    together = model.predict(docs).dataXd
    FEATURES.clear()
    alone = []
    for doc in docs:
        alone.append(model.predict([doc]).dataXd)
        FEATURES.clear()
    assert_allclose(numpy.concatenate(alone), together, atol=2e-3 if frozen else 1e-5)
    assert numpy.abs(together).max() > 0.1


def test_tokens_of_overlapping_windows_get_the_mean_of_both(layers, vocab):
    model = layers(frozen=False, window=8)
    doc = Doc(vocab, words=WORDS)
    whole = [Doc(vocab, words=words) for words in (WORDS[:8], WORDS[6:])]
    first, second = (states_of(model, part)[:, 1:-1] for part in whole)
    Y = model.predict([doc]).dataXd
    assert_allclose(Y[:6], first[:, :6].transpose(1, 0, 2), atol=1e-5)
    # "company" is in the second window's second and third piece; "a" is in both windows.
    assert_allclose(Y[6], (first[:, 6] + second[:, 0]) / 2, atol=1e-5)


def test_fine_tuning_gradients_reach_every_layer(layers, vocab, rng):
    model = layers(frozen=False)
    model.layers[0].transformer.eval()
    docs = make_docs(vocab)
    weights = rng.normal(size=(16, 3, 16)).astype("float32")
    transformer = model.layers[0].transformer
    # Without dropout, as in prediction.
    for module in transformer.modules():
        if hasattr(module, "p"):
            module.p = 0.0

    def loss():
        return float((model.predict(docs).dataXd.astype("float64") * weights).sum())

    _, backprop = model.begin_update(docs)
    assert backprop(Ragged(weights, model.ops.asarray1i([0, 11, 3, 2, 0]))) is docs
    checked = ("embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.weight")
    parameters = dict(transformer.named_parameters())
    for name in checked:
        array = parameters[name].data.numpy()
        check_slope(loss, array, parameters[name].grad.numpy(), name, rng)


def test_a_frozen_transformer_reads_a_document_once_and_gets_no_gradient(layers, vocab):
    model = layers()
    docs = make_docs(vocab)
    expected, backprop = model.begin_update(docs)
    assert backprop(expected) is docs
    assert all(tensor.grad is None for tensor in model.layers[0].transformer.parameters())
    model.layers[0]._func = None  # not called again
    assert_array_equal(model.predict(docs[::-1][1:3]).dataXd[2:], expected.dataXd[11:14])
    with pytest.raises(TypeError):
        model.predict([Doc(vocab, words=["Oslo", "sails"])])


def test_features_stay_on_disk_for_other_models_of_the_same_weights(
    layers, vocab, tmp_path, monkeypatch
):
    monkeypatch.setenv(FOLDER, str(tmp_path / "features"))
    docs = make_docs(vocab)
    expected = layers().predict(docs)
    FEATURES.clear()
    (file,) = (tmp_path / "features").glob("*.sqlite")
    again = layers()
    again.layers[0]._func = None
    assert_array_equal(again.predict(docs).dataXd, expected.dataXd)
    # Not for other weights.
    other = layers()
    next(other.layers[0].transformer.parameters()).data[0] += 1
    other.predict(docs)
    assert len(list(file.parent.glob("*.sqlite"))) == 2


def test_other_weights_loaded_into_a_model_give_other_features(layers, vocab):
    docs = make_docs(vocab)
    model, other = layers(), layers()
    before = model.predict(docs).dataXd
    next(other.layers[0].transformer.parameters()).data[:, 0] += 3
    model.from_bytes(other.to_bytes())
    assert numpy.abs(model.predict(docs).dataXd - before).max() > 0.1
    assert_allclose(model.predict(docs).dataXd, other.predict(docs).dataXd, atol=1e-3)


def test_teachers_over_one_transformer_share_what_it_says(layers, vocab):
    docs = make_docs(vocab)
    expected = layers().predict(docs)
    other = layers()
    other.layers[0]._func = None
    assert_array_equal(other.predict(docs).dataXd, expected.dataXd)
    assert len(FEATURES) == 3  # two of the documents have no tokens


def test_when_memory_is_full_what_is_there_stays(layers, vocab, monkeypatch):
    monkeypatch.setattr(FEATURES, "max_bytes", 5 * 3 * 16 * 2)
    model = layers()
    docs = [doc for doc in make_docs(vocab) if len(doc)]
    name, keys = model_key(model.layers[0]), [document_key(model.layers[0], doc) for doc in docs]
    for doc in docs[::-1]:
        model.predict([doc])
    # Two and three tokens; eleven find no room.
    assert list(FEATURES.get_all(name, keys)) == keys[1:]
    FEATURES.set_all(name, {keys[1]: numpy.zeros((3, 3, 16), dtype="float16")})
    assert FEATURES.get_all(name, keys)[keys[1]].any()


def test_threads_share_a_cache_on_disk(layers, vocab, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "features"))
    model = layers()
    docs = [Doc(vocab, words=["Oslo"] * n) for n in range(1, 20)]
    name, keys = model_key(model.layers[0]), [document_key(model.layers[0], doc) for doc in docs]
    arrays = {key: numpy.full((1, 3, 16), n, dtype="float16") for n, key in enumerate(keys)}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: FEATURES.set_all(name, {key: arrays[key]}), keys))
        FEATURES.clear()
        found = list(pool.map(lambda key: FEATURES.get_all(name, [key])[key][0, 0, 0], keys))
    assert found == list(range(19))


def test_a_transformers_config_and_a_documents_windows_are_told_apart(layers, vocab):
    model = layers()
    transformer = model.layers[0]
    key = model_key(transformer)
    doc = Doc(vocab, words=WORDS)
    windows = document_key(transformer, doc)
    transformer.attrs["get_spans"] = lambda docs: [[doc[:5], doc[5:]] for doc in docs]
    assert document_key(transformer, doc) != windows
    other = layers().layers[0]
    assert model_key(other) == key
    changed = layers().layers[0]
    changed.transformer.config.num_attention_heads = 4
    assert model_key(changed) != key
    cased, more_words = layers().layers[0], layers().layers[0]
    cased.tokenizer.init_kwargs["do_lower_case"] = not cased.tokenizer.init_kwargs["do_lower_case"]
    more_words.tokenizer.add_tokens(["Reykjavik"])
    assert len({key, model_key(cased), model_key(more_words)}) == 3


def test_hidden_states_too_large_for_half_precision_are_refused(layers, vocab):
    model = layers()
    norm = model.layers[0].transformer.encoder.layer[1].output.LayerNorm
    norm.bias.data[:] = 1e5
    with pytest.raises(ValueError, match="frozen = false"):
        model.predict(make_docs(vocab))


def test_a_transformer_without_hidden_states_is_refused(layers, vocab):
    model = layers(output_attentions=False)
    with pytest.raises(ValueError, match='"output_hidden_states": true'):
        model.predict(make_docs(vocab))


def test_nothing_to_read(layers, vocab):
    for frozen in (True, False):
        Y = layers(frozen).predict([Doc(vocab), Doc(vocab)])
        assert Y.dataXd.shape == (0, 3, 16) and Y.lengths.tolist() == [0, 0]


def test_a_token_without_wordpieces_gets_zeros(layers, vocab):
    Y = layers(frozen=False).predict([Doc(vocab, words=["Oslo", "\n", "Kiel"])])
    assert not Y.dataXd[1].any() and numpy.abs(Y.dataXd[2]).sum() > 0


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_a_fine_tuned_transformer_learns_at_its_own_rate(layers, vocab, factor):
    """With plain gradient descent a step is as long as the rate."""
    model = chain(layers(frozen=False, learn_rate_factor=factor), layer_mix())
    model.initialize(X=make_docs(vocab))
    transformer, mix = model.layers[0].layers[0].transformer, model.layers[1]
    weight = transformer.pooler.dense.weight
    before = weight.detach().numpy().copy(), mix.get_param("scores").copy()
    weight.grad = xp2torch(numpy.ones(weight.shape, dtype="float32"))
    mix.set_grad("scores", numpy.ones(3, dtype="float32"))
    optimizer = SGD(0.1, grad_clip=0.0, use_averages=False)
    model.finish_update(with_learn_rate_factors(model, optimizer))
    assert_allclose(transformer.pooler.dense.weight.detach(), before[0] - 0.1 * factor, atol=1e-6)
    assert_allclose(mix.get_param("scores"), before[1] - 0.1, atol=1e-6)


def test_what_cannot_be_done_with_a_fine_tuned_transformer_is_told(layers):
    tuned = layers(frozen=False, learn_rate_factor=0.1)
    with pytest.raises(ValueError, match="D606"):
        with_learn_rate_factors(tuned, RAdam(0.1, use_averages=False))
    with pytest.warns(UserWarning, match="D931"):
        with_learn_rate_factors(tuned, Adam(0.1, use_averages=True))
    optimizer = RAdam(0.1, use_averages=True)
    for model in (layers(), layers(frozen=True, learn_rate_factor=0.1)):
        assert with_learn_rate_factors(model, optimizer) is optimizer
