"""Entities that begin inside a token make it unknown. Other words inside it have no effect."""

import numpy
import pytest
from spacy.tokens import Doc

from spacy_distill.chain import BiluoTags
from spacy_distill.teachers.inner_words import inner_words
from spacy_distill.teachers.token_classification import TokenClassificationTeacher
from tests.teachers.token_classifiers import (
    IO,
    IOB2,
    IOBES,
    TOKENIZERS,
    VOCAB,
    make_doc,
    make_sure,
)

pytest.importorskip("torch", reason="the train extra is not installed")
pytestmark = pytest.mark.usefixtures("quiet")

# The class depends on the word: "York" continues a place, "Berg" a person.
SAID = {"A": "B-PER", "B": "I-PER", "O": "B-LOC", "N": "B-LOC", "Y": "I-LOC"}


@pytest.fixture
def teacher(save):
    return make_sure(TokenClassificationTeacher(save(IOB2)), SAID)


def known_tokens(chain):
    return [True] * len(chain.emissions) if chain.known is None else chain.known.tolist()


@pytest.mark.parametrize(
    "words, known, n_misfits",
    [
        # Two entities; two entities of one type with a separator between them.
        (["Anna-Oslo", "sails"], [False, True], 2),
        (["Oslo/New", "sails"], [False, True], 2),
        (["to", "(Oslo)", "."], [True, False, True], 1),
        # An entity that begins inside a token and continues at the next token.
        (["to", "go-Oslo", "."], [True, False, True], 1),
        (["go-O.N.", "."], [False, True], 1),
        (["go-New", "York", "yet"], [False, False, True], 1),
        # An entity that continues into a token before another one begins.
        (["Anna", "Berg-Oslo", "."], [False, False, True], 2),
        # Names with punctuation.
        (["O.N.", "Oslo-New", "A'Anna"], [True, True, True], 0),
        # Other predictions for later words of a token have no effect.
        (["Oslo-to", "Anna-Berg", "Anna/Berg", "go-York"], [True] * 4, 0),
        # Words after white space always count.
        (["Anna Berg", "sails"], [True, True], 0),
        (["Anna to", "Oslo"], [False, True], 1),
        (["sails Oslo", "."], [False, True], 1),
        (["to go", "Oslo"], [True, True], 0),
    ],
)
def test_entities_that_do_not_fit_tokens_are_unknown(teacher, words, known, n_misfits):
    chain = teacher.predict_chain([make_doc(words)])
    assert known_tokens(chain) == known
    assert teacher.n_misfits == n_misfits


def test_nothing_else_changes(teacher):
    """The chain follows the first words of tokens, and other documents do not change."""
    docs = [make_doc(words) for words in (["Anna", "Berg"], ["go-Oslo", "yet"], ["Oslo"])]
    docs.insert(1, Doc(VOCAB))
    chain = teacher.predict_chain(docs)
    assert known_tokens(chain) == [True, True, False, True, True]
    first_words = [make_doc(words) for words in (["Anna", "Berg"], ["go", "yet"], ["Oslo"])]
    expected = teacher.predict_chain(first_words)
    numpy.testing.assert_array_equal(chain.emissions, expected.emissions)
    assert [BiluoTags(teacher.labels).names[tag] for tag in chain.argmax()] == [
        "B-PER",
        "L-PER",
        "O",
        "O",
        "U-LOC",
    ]
    teacher.predict_chain(docs)
    assert teacher.n_misfits == 2
    assert [len(doc) for doc in docs] == [2, 0, 2, 1]


@pytest.mark.parametrize("sure, known", [(1.0, True), (3.0, False)])
def test_a_model_that_is_not_sure_is_not_listened_to(save, sure, known):
    """The first of five classes has a probability of 0.4 or 0.8."""
    teacher = make_sure(TokenClassificationTeacher(save(IOB2)), SAID, sure)
    chain = teacher.predict_chain([make_doc(["to-Oslo", "to"])])
    assert known_tokens(chain)[0] == known


@pytest.mark.parametrize("classes", [IO, IOBES], ids=["io", "iobes"])
def test_other_schemes(save, classes):
    said = {"A": "PER", "O": "LOC"} if classes == IO else {"A": "S-PER", "O": "S-LOC"}
    teacher = make_sure(TokenClassificationTeacher(save(classes)), said)
    words = ["go-Oslo", "go", "Anna/Oslo", "go", "Oslo-go", "Oslo-Oslo"]
    chain = teacher.predict_chain([make_doc(words)])
    assert known_tokens(chain) == [False, True, False, True, True, True]
    assert teacher.n_misfits == 3


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_other_tokenizers(save, tokenizer):
    said = {"o": "B-LOC"} if tokenizer == "lowercase" else {"O": "B-LOC"}
    teacher = make_sure(TokenClassificationTeacher(save(IOB2, TOKENIZERS[tokenizer]())), said)
    chain = teacher.predict_chain([make_doc(["back", "-Oslo", "go-Oslo", "to"])])
    assert known_tokens(chain) == [True, False, False, True]


def test_words_without_known_spaces(teacher):
    """The text then has a space after each word, including the last one."""
    doc = Doc(VOCAB, words=["go-Oslo", "yet"])
    assert known_tokens(teacher.predict_chain([doc])) == [False, True]


def test_a_text_that_the_model_sees_nothing_of(teacher):
    chain = teacher.predict_chain([make_doc(["\u200b", "\u200b"])])
    assert chain.known is None


@pytest.mark.parametrize(
    "text, places",
    [
        ("Oslo", []),
        ("U.S.", [2]),
        ("(Oslo)/New", [1, 7]),
        ("a  b", [3]),
        ("--", []),
        ("don't_3$5", [4, 6, 8]),
        # Combining marks belong to the letter before them.
        ("नमस्ते", []),
        ("e\u0301a", []),
        ("", []),
    ],
)
def test_inner_words(text, places):
    assert inner_words(text) == places
