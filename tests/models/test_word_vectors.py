"""Word vectors of vocabularies with all types of tables."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vectors import Vectors

from spacy_distill.models.word_forms import distinct_word_forms, with_word_forms
from spacy_distill.models.word_vectors import WordVectors
from tests.models.batches import add_floret, add_vectors, make_docs


@pytest.mark.parametrize(
    "attr, words, expected",
    [
        ("ORTH", ("Anna", "anna", "in"), {"Anna": "Anna", "anna": "anna", "in": "in", "In": "in"}),
        ("LOWER", ("anna", "in"), {"Anna": "anna", "ANNA": "anna", "anna": "anna", "In": "in"}),
    ],
)
def test_static_vectors_of_cased_and_lower_cased_tables(attr, words, expected, vocab):
    """The form as written is looked up first, then its lower case."""
    table = add_vectors(vocab, words=words, attr=attr)
    forms, _ = distinct_word_forms(make_docs(vocab))
    model = WordVectors()
    model.initialize(X=forms)
    output, backprop = model.begin_update(forms)
    found = dict(zip(forms.texts, output, strict=True))
    for word, key in expected.items():
        assert_array_equal(found[word], table[key], err_msg=word)
    assert not found["Łódź"].any()
    assert not found[","].any()
    assert output.dtype == "float32"
    backprop(output)


def test_static_vectors_do_not_change_the_table(vocab):
    add_vectors(vocab)
    before = vocab.vectors.data.copy()
    model = with_word_forms(WordVectors())
    docs = make_docs(vocab)
    model.initialize(X=docs)
    Y = model.predict(docs)
    Y.dataXd[:] = 0
    assert_array_equal(vocab.vectors.data, before)


def test_vectors_of_another_width_need_another_model(vocab):
    docs = make_docs(vocab)
    model = with_word_forms(WordVectors())
    model.initialize(X=docs)
    add_vectors(vocab)
    with pytest.raises(ValueError, match=r"\[D632\].*of \d+ dimensions.*made for 0"):
        model.initialize(X=docs)


@pytest.mark.parametrize("attr", ["ORTH", "LOWER", "NORM", "SHAPE", "PREFIX", "SUFFIX"])
def test_static_vectors_of_subwords(attr, vocab):
    """floret vectors have a vector for each form, which spaCy computes."""
    add_floret(vocab, attr)
    vocab["met"].norm_ = "meet"
    docs = make_docs(vocab)
    model = with_word_forms(WordVectors())
    model.initialize(X=docs)
    keys = numpy.concatenate([doc.to_array(attr) for doc in docs])
    expected = vocab.vectors.get_batch(keys)
    assert_allclose(model.predict(docs).dataXd, expected, rtol=1e-6)
    assert numpy.abs(expected).max() > 0.1


def test_floret_vectors_use_the_norm_of_the_form(vocab):
    """All tokens of a form have the same vector, even if the tokenizer sets other norms."""
    add_floret(vocab, "NORM")
    doc = Doc(vocab, words=["met", "met"])
    doc[1].norm_ = "meet"
    model = with_word_forms(WordVectors())
    model.initialize(X=[doc])
    first, second = model.predict([doc]).dataXd
    assert_array_equal(first, second)
    assert_allclose(first, vocab.vectors.get_batch([vocab.strings["met"]])[0], rtol=1e-6)


@pytest.mark.parametrize("attr", ["LEMMA", "TAG", "IS_ALPHA"])
def test_static_vectors_with_other_attributes_are_rejected(attr, vocab):
    docs = make_docs(vocab)
    add_floret(vocab, attr)
    model = with_word_forms(WordVectors())
    message = rf"D631.*have the attribute {attr}.*one of ORTH, LOWER, .*NORM\."
    with pytest.raises(ValueError, match=message):
        model.initialize(X=docs)
    add_floret(vocab, "ORTH")
    model.initialize(X=docs)
    add_floret(vocab, attr)
    with pytest.raises(ValueError, match=message):
        model.predict(docs)


@pytest.mark.parametrize("vectors", [{}, {"shape": (0, 3)}, {"shape": (4, 3)}])
def test_static_vectors_of_tables_without_entries(vectors, vocab):
    if vectors:
        vocab.vectors = Vectors(strings=vocab.strings, **vectors)
    forms, _ = distinct_word_forms(make_docs(vocab))
    model = WordVectors()
    model.initialize(X=forms)
    output = model.predict(forms)
    assert output.shape == (len(forms), 3 if vectors else 0)
    assert not output.any()


@pytest.mark.parametrize("width, found", [(5, "vectors of 5"), (0, "none")])
def test_static_vectors_of_another_width_are_rejected(width, found, vocab):
    add_vectors(vocab, width=3)
    model = WordVectors()
    model.initialize(X=distinct_word_forms(make_docs(vocab))[0])
    other = spacy.blank("xx").vocab
    if width:
        add_vectors(other, width=width)
    message = rf"trained with word vectors of 3 dimensions.*vocabulary has {found}\. Load"
    with pytest.raises(ValueError, match=message):
        model.predict(distinct_word_forms(make_docs(other))[0])
