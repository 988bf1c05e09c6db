"""Each word form of a batch is computed once."""

import numpy
import pytest
from numpy.testing import assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Ragged

from spacy_distill.models.character_cnn import CharacterCNN
from spacy_distill.models.form_features import FormFeatures
from spacy_distill.models.word_forms import distinct_word_forms, with_word_forms
from tests.models.batches import make_docs
from tests.models.gradients import check_parameters


def test_each_word_form_is_computed_once(vocab):
    docs = make_docs(vocab)
    forms, form_of_token = distinct_word_forms(docs)
    words = [token.text for doc in docs for token in doc]
    assert sorted(forms.texts) == sorted(set(words))
    assert [forms.texts[form] for form in form_of_token] == words
    tokens = [token for doc in docs for token in doc]
    expected = [(t.orth, t.lower, t.prefix, t.suffix, t.shape) for t in tokens]
    assert_array_equal(forms.attributes[form_of_token], numpy.asarray(expected, dtype="uint64"))


def test_all_docs_of_a_batch_use_one_vocabulary():
    """The texts of the forms come from it. Missing strings would be errors."""
    forms, _ = distinct_word_forms([Doc(Vocab(), words=["only", "here"])])
    assert sorted(forms.texts) == ["here", "only"]


@pytest.mark.parametrize(
    "layer, n_parameters",
    [
        (lambda: CharacterCNN(6, width=4, rows=50), 3),
        (lambda: FormFeatures(4, {"LOWER": 50, "SUFFIX": 20, "ORTH": 50}), 3),
        (lambda: FormFeatures(4, {"SHAPE": 20}), 1),
    ],
    ids=["character_cnn", "form_features", "one feature"],
)
def test_word_form_gradients(layer, n_parameters, vocab, rng):
    """Several tokens have the same form, so their gradients have to be added."""
    docs = make_docs(vocab)
    model = with_word_forms(layer())
    model.initialize(X=docs)
    Y, backprop = model.begin_update(docs)
    weights = rng.normal(size=Y.dataXd.shape).astype("float32")
    backprop(Ragged(weights.copy(), Y.lengths))

    def loss():
        return float((model.predict(docs).dataXd.astype("float64") * weights).sum())

    assert check_parameters(model, loss, rng) == n_parameters
