"""Documents are compared by their tokens."""

import pytest
import spacy
from spacy.attrs import LENGTH
from spacy.tokens import Doc

from spacy_distill.documents import document_key, same_text, same_tokens, token_values

VOCAB, OTHER_VOCAB = spacy.blank("en").vocab, spacy.blank("de").vocab


@pytest.fixture
def doc():
    return Doc(VOCAB, words=["Anna", "sails"], spaces=[True, False])


def test_attributes_of_all_tokens(doc):
    for docs in ([doc], [doc, Doc(VOCAB), doc]):
        lengths = [len(token) for doc in docs for token in doc]
        assert token_values(docs, LENGTH).tolist() == lengths


def test_tokens_are_the_same_in_any_vocabulary(doc):
    copy = Doc(OTHER_VOCAB, words=["Anna", "sails"], spaces=[True, False])
    assert same_tokens(doc, copy)
    assert document_key(doc) == document_key(copy)


@pytest.mark.parametrize("words", [["Anna", "sail", "s"], ["Anna", "waits"], ["Anna"]])
def test_other_words_are_other_tokens(doc, words):
    other = Doc(VOCAB, words=words)
    assert not same_tokens(doc, other)
    assert document_key(doc) != document_key(other)


def test_spaces_are_in_the_key_and_the_text(doc):
    """A space behind the last token is in the key alone."""
    joined = Doc(VOCAB, words=["Anna", "sails"], spaces=[False, False])
    ended = Doc(VOCAB, words=["Anna", "sails"], spaces=[True, True])
    assert same_tokens(doc, joined) and not same_text(doc, joined)
    assert same_text(doc, ended)
    assert len({document_key(each) for each in (doc, joined, ended)}) == 3
