"""The gradients of a teacher with word forms and a transformer."""

import pytest
from spacy.tokens import Doc

from spacy_distill.encoders.transformer_layers import TransformerLayers
from spacy_distill.models.bilstm import BiLSTM
from spacy_distill.models.chain_head import CRF
from spacy_distill.models.chain_tagger import ChainTagger
from spacy_distill.models.layer_mix import LayerMix
from spacy_distill.models.side_by_side import SideBySide
from tests.models.batches import add_vectors, random_chain
from tests.models.gradients import check_parameters, check_slope
from tests.models.students import word_embedding
from tests.tiny_bert import save_tiny_bert

WORDS = ["Anna", "Berg", "sails", "to", "Oslo", "with", "a", "company", "from", "Kiel", "."]


@pytest.fixture
def teacher(tmp_path, vocab):
    """Create a small teacher without dropout in the transformer, and documents."""
    add_vectors(vocab)
    docs = [Doc(vocab, words=words) for words in (WORDS, [], WORDS[4:7])]
    folder = save_tiny_bert(tmp_path / "bert", WORDS, depth=2)

    def make(frozen, **settings):
        transformer = TransformerLayers(folder, frozen)
        transformer.initialize()
        for module in transformer.shims[0].transformer.modules():
            for name in {"p", "dropout_prob"} & vars(module).keys():
                setattr(module, name, 0.0)
        words = word_embedding(filters=3, char_width=2, feature_width=2, rows={"SHAPE": 10})
        embed = SideBySide(words, LayerMix(transformer))
        model = ChainTagger(embed, CRF(nL=1), BiLSTM(width=4, depth=1), **settings)
        model.initialize(X=docs)
        return model, docs

    return make


@pytest.mark.parametrize("frozen", [True, False])
def test_gradients_of_both_sides(teacher, rng, frozen):
    model, docs = teacher(frozen)
    target = random_chain(rng, [len(doc) for doc in docs], 1, constrained=True)

    def loss():
        return float(target.cross_entropy(model(docs, is_train=True)[0]).sum())

    chain, backprop = model.begin_update(docs)
    backprop(chain.expected_counts() - target.expected_counts())
    # The feature, 3 of the character CNN, 2 of the mix, 3 of the BiLSTM and the head's
    assert check_parameters(model, loss, rng) == 1 + 3 + 2 + 3 + 5
    (layer,) = (node for node in model.walk() if "learn_rate_factor" in node.attrs)
    for name, parameter in layer.shims[0].transformer.named_parameters():
        if frozen:
            assert parameter.grad is None, name
        elif name == "encoder.layer.0.output.dense.weight":
            check_slope(loss, parameter.data.numpy(), parameter.grad.numpy(), name, rng)


@pytest.mark.parametrize("variational", [True, False])
def test_all_dropout_layers_follow_the_setting(teacher, variational):
    model, _ = teacher(frozen=True, variational_dropout=variational)
    kinds = [node.attrs["variational"] for node in model.walk() if node.name == "dropout"]
    assert kinds == [variational] * 2
