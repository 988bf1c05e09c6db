"""Transformers with fewer layers."""

import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spacy_distill.encoders.encoder import Encoder
from spacy_distill.encoders.feature_cache import FEATURES
from spacy_distill.encoders.transformer_layers import TransformerLayers
from spacy_distill.encoders.truncation import layer_stack, truncated, with_layers
from tests.encoders.test_encoder import make_docs, read
from tests.tiny_bert import save_tiny_bert

torch = pytest.importorskip("torch", reason="the train extra is not installed")


@pytest.mark.parametrize("kind", ["Bert", "MPNet"])
def test_lower_states_stay_as_they_are(encoder, vocab, kind):
    whole = encoder(kind)
    smaller = Encoder(truncated(whole.model, 1), whole.tokenizer, name=kind)
    assert (whole.depth, smaller.depth) == (2, 1)
    assert len(layer_stack(whole.model)) == 2
    expected, _ = read(whole, make_docs(vocab), [0, 1])
    found, _ = read(smaller, make_docs(vocab), [0, 1])
    assert_allclose(found, expected, atol=1e-6)


def test_one_layer_is_left_at_least(encoder):
    model = encoder().model
    assert truncated(model, 0).config.num_hidden_layers == 1
    assert truncated(model, 2) is model


def test_a_transformer_that_changes_its_last_state_stays_whole(encoder):
    """Such as one that normalizes it."""
    model = encoder().model
    forward = type(model).forward

    class Normalized(type(model)):
        def forward(self, **inputs):
            output = forward(self, **inputs)
            states = output.hidden_states
            output.hidden_states = (*states[:-1], states[-1] * 2)
            return output

    model.__class__ = Normalized
    assert truncated(model, 1) is model


def test_layers_between_are_deleted(tmp_path, vocab):
    """Then each layer reads another state than before."""
    from spacy_distill.encoders.loading import load_transformer

    model, tokenizer = load_transformer(save_tiny_bert(tmp_path / "bert", ["oslo"], depth=4))
    layers = list(layer_stack(model))
    with_layers(model, [1, 3])
    assert list(layer_stack(model)) == [layers[1], layers[3]]
    assert Encoder(model, tokenizer, name="small").depth == 2


def test_a_layer_returns_the_chosen_states(layers, folder, vocab):
    docs = make_docs(vocab)
    expected = layers().predict(docs).dataXd
    for chosen, numbers in (([1], [1]), ([0, 2], [0, 2]), (0.6, [1]), (1.0, [2])):
        model = layers(layers=chosen)
        assert_array_equal(model.predict(docs).dataXd, expected[:, numbers])
    FEATURES.clear()
    tuned = layers(frozen=False, layers=[0, 2])
    states, backprop = tuned.begin_update(docs)
    assert states.dataXd.shape == (16, 2, 16) and backprop(states) is docs


@pytest.mark.parametrize(
    "chosen", [[], [3], [-1], [1, 0], [1, 1], 1, 0, -0.1, 2.0, float("nan"), "0.6"]
)
def test_states_that_are_not_there(folder, chosen):
    with pytest.raises(ValueError, match=r"\[D641\].*from 0 to 2"):
        TransformerLayers(folder(), layers=chosen).initialize()
