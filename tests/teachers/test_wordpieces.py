"""Which wordpiece speaks for a token; with real tokenizers, it is tested beside the models."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc

from spacy_distill.teachers.wordpieces import first_pieces, share_pieces

VOCAB = spacy.blank("en").vocab


@pytest.mark.parametrize(
    "words, offsets, expected",
    [
        # a word's later pieces, and a piece over several words
        ("ab c", [(0, 1), (1, 2), (3, 4)], [0, 2]),
        ("a b c", [(0, 3), (4, 5)], [0, 0, 1]),
        # a piece that begins in a word and ends in the next
        ("ab cd", [(0, 1), (1, 5)], [0, 1]),
        # spaces counted in, and as wordpieces of their own
        ("a b", [(0, 1), (1, 3)], [0, 1]),
        ("a b", [(0, 1), (1, 2), (2, 3)], [0, 1]),
        ("a b", [(0, 1), (2, 2), (2, 3)], [0, 1]),
        ("a b", [(0, 1), (2, 3), (4, 4)], [0, 1]),
        # parts of one character
        ("a b", [(0, 1), (0, 1), (2, 3), (2, 3)], [0, 2]),
        # characters in another order
        ("ab cd", [(0, 1), (4, 5), (1, 2), (3, 4)], [0, 1]),
        # nothing for a word at the start, between others, at the end
        ("a b c", [(2, 3)], [-1, 0, -1]),
        ("a b c", [(0, 1), (4, 5)], [0, -1, 1]),
        ("a b", [], [-1, -1]),
        ("", [], []),
    ],
)
def test_first_pieces(words, offsets, expected):
    words = words.split()
    doc = Doc(VOCAB, words=words, spaces=[True] * len(words))
    assert first_pieces(doc, offsets).tolist() == expected


@pytest.mark.parametrize("mark", ["\n", "\t", "\u00a0"])
def test_other_white_space_is_no_part_of_a_word(mark):
    doc = Doc(VOCAB, words=["a", mark, "b"], spaces=[False] * 3)
    assert first_pieces(doc, [(0, 1), (1, 2), (2, 3)]).tolist() == [0, 1, 2]
    assert first_pieces(doc, [(0, 1), (1, 3)]).tolist() == [0, -1, 1]


@pytest.mark.parametrize("size", [2, 3, 4])
def test_shared_wordpieces_keep_what_they_say_of_labels_and_edges(size):
    """Each sum is over all ways in which the tokens may be tagged."""
    rng = numpy.random.default_rng(size)
    scores = rng.normal(size=(1, 9), scale=3).astype("float32")
    alone = rng.normal(size=(2, 9)).astype("float32")
    emissions = numpy.concatenate([alone[:1], numpy.repeat(scores, size, axis=0), alone[1:]])
    share_pieces(emissions, numpy.asarray([4, *[5] * size, 6]))
    assert_allclose(emissions[[0, -1]], alone)
    group = numpy.exp(emissions[1:-1].astype("float64"))
    expected = numpy.exp(scores[0].astype("float64"))
    assert_allclose(group[:, 0].prod(), expected[0])
    for first in (1, 5):
        begin, inside, last, unit = expected[first : first + 4]
        between = group[1:-1, first + 1].prod()
        begins, goes_on = group[0, first] * between, group[0, first + 1] * between
        stays, stops = group[-1, first + 1], group[-1, first + 2]
        assert_allclose(begins * (stays + stops), begin + unit, rtol=1e-5)
        assert_allclose(goes_on * (stays + stops), inside + last, rtol=1e-5)
        assert_allclose((begins + goes_on) * stays, begin + inside, rtol=1e-5)
        assert_allclose((begins + goes_on) * stops, last + unit, rtol=1e-5)
        # nothing else is possible: no second entity, and no end before the last token
        assert not group[:, first + 3].any()
        assert not group[1:, first].any() and not group[:-1, first + 2].any()


def test_tokens_without_a_wordpiece_share_none():
    emissions = numpy.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    before = emissions.copy()
    share_pieces(emissions, numpy.asarray([-1, -1, 0]))
    numpy.testing.assert_array_equal(emissions, before)
    share_pieces(emissions[:0], numpy.zeros(0, dtype="int64"))
