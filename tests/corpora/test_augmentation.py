"""Variants of text have other names in the same sentences."""

import re

import pytest

from spacy_distill.corpora.augmentation import with_variants
from spacy_distill.corpora.input_documents import InputDocument

TEXTS = [
    "Anna Berg sails to Oslo in 1998, said NATO.",
    "It rains in Kiel; Carl Lund pays 12.50 euros.",
    "Maria Holm-Dahl met the IMF on 3 May.",
] * 10
DOCUMENTS = [InputDocument(f"{number}", text) for number, text in enumerate(TEXTS)]
WORDS = ("harbour", "lisbon", "kowalski", "of", "x1")


def shape(text):
    return re.sub(r"[^\W\d_]+", lambda match: case(match.group()), re.sub(r"\d", "0", text))


def case(word):
    return "T" if word.istitle() else "U" if word.isupper() else "w"


@pytest.mark.parametrize("words", [(), WORDS])
def test_each_document_is_followed_by_its_variants_of_the_same_shape(words):
    found = list(with_variants(DOCUMENTS, 2, words))
    assert found[::3] == DOCUMENTS
    for number, document in enumerate(DOCUMENTS):
        for variant in (1, 2):
            made = found[3 * number + variant]
            assert made.id == f"{document.id}#{variant}"
            assert shape(made.text) == shape(document.text)
    assert sum(made.text != DOCUMENTS[i // 3].text for i, made in enumerate(found)) > 40


def test_names_come_from_the_text_so_far_and_from_the_list():
    known = {word for text in TEXTS for word in re.findall(r"\w+", text)}
    listed = {word.title() for word in WORDS} | {word.upper() for word in WORDS}
    names = {
        word
        for document in with_variants(DOCUMENTS, 2, WORDS)
        for word in re.findall(r"[^\W\d_]+", document.text)
        if not word.islower()
    }
    assert {"Lisbon", "Kowalski", "Harbour"} <= names
    upper = {word.upper() for word in known}
    assert names <= known | listed | upper


def test_variants_are_always_the_same_and_none_means_none():
    first, second = (list(with_variants(DOCUMENTS, 1, WORDS)) for _ in range(2))
    assert first == second
    assert list(with_variants(DOCUMENTS, 0, WORDS)) == DOCUMENTS


def test_tokens_and_their_spaces_stay():
    words, spaces = ["Anna", "Berg", "'s", "boat", "."], [True, False, True, False, False]
    known = InputDocument("a", "Anna Berg's boat.", words, spaces)
    unknown = InputDocument("b", "Anna Berg 's boat .", words, None)
    variants = list(with_variants([known, unknown], 1))[1::2]
    for document, made in zip([known, unknown], variants, strict=True):
        assert len(made.words) == len(words) and made.spaces == document.spaces
        parts = zip(made.words, made.spaces or [True] * 4 + [False], strict=True)
        assert "".join(word + " " * space for word, space in parts) == made.text
