"""The alignment of wordpieces and tokens. The tests of token classifiers use real tokenizers."""

import pytest
import spacy
from spacy.tokens import Doc

from spacy_distill.encoders.alignment import token_pieces

VOCAB = spacy.blank("en").vocab


@pytest.mark.parametrize(
    "words, offsets, first, number",
    [
        # a word's later pieces, and a piece over several words
        ("ab c", [(0, 1), (1, 2), (3, 4)], [0, 2], [2, 1]),
        ("a b c", [(0, 3), (4, 5)], [0, 0, 1], [1, 1, 1]),
        # a piece that begins in a word and ends in the next
        ("ab cd", [(0, 1), (1, 5)], [0, 1], [2, 1]),
        # spaces that are part of a wordpiece, and spaces as separate wordpieces
        ("a b", [(0, 1), (1, 3)], [0, 1], [1, 1]),
        ("a b", [(0, 1), (1, 2), (2, 3)], [0, 1], [1, 2]),
        ("a b", [(0, 1), (2, 2), (2, 3)], [0, 1], [1, 2]),
        ("a b", [(0, 1), (2, 3), (4, 4)], [0, 1], [1, 1]),
        # parts of one character
        ("a b", [(0, 1), (0, 1), (2, 3), (2, 3)], [0, 2], [2, 2]),
        # characters in another order
        ("ab cd", [(0, 1), (4, 5), (1, 2), (3, 4)], [0, 1], [3, 3]),
        # no wordpiece for a word at the start, in the middle, at the end
        ("a b c", [(2, 3)], [-1, 0, -1], [0, 1, 0]),
        ("a b c", [(0, 1), (4, 5)], [0, -1, 1], [1, 0, 1]),
        ("a b", [], [-1, -1], [0, 0]),
        ("", [], [], []),
    ],
)
def test_wordpieces_of_tokens(words, offsets, first, number):
    words = words.split()
    doc = Doc(VOCAB, words=words, spaces=[True] * len(words))
    assert [found.tolist() for found in token_pieces(doc, offsets)] == [first, number]


@pytest.mark.parametrize("mark", ["\n", "\t", "\u00a0"])
def test_other_white_space_is_not_part_of_a_word(mark):
    doc = Doc(VOCAB, words=["a", mark, "b"], spaces=[False] * 3)
    assert token_pieces(doc, [(0, 1), (1, 2), (2, 3)])[0].tolist() == [0, 1, 2]
    assert token_pieces(doc, [(0, 1), (1, 3)])[0].tolist() == [0, -1, 1]
