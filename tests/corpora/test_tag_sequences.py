"""Entities of tag sequences in every scheme, and of invalid sequences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_distill.corpora.tag_names import BILUO_LETTERS, read_entities


def spans(letters):
    tags = [(BILUO_LETTERS.get(letter, letter), "PER") for letter in letters.split()]
    return [(start, end) for start, end, _ in read_entities(tags)]


@pytest.mark.parametrize(
    "letters, expected",
    [
        # L and U end an entity.
        ("B E I E", [(0, 2), (2, 4)]),
        ("S I", [(0, 1), (1, 2)]),
        ("U I", [(0, 1), (1, 2)]),
        ("W M", [(0, 1), (1, 2)]),
        ("B L L", [(0, 2), (2, 3)]),
        ("U L", [(0, 1), (1, 2)]),
        ("S S B E", [(0, 1), (1, 2), (2, 4)]),
        # IOE2, IOE1 and IOB1
        ("I E I E", [(0, 2), (2, 4)]),
        ("E I I E E", [(0, 1), (1, 4), (4, 5)]),
        ("I I E I I O", [(0, 3), (3, 5)]),
        ("I I B I O I", [(0, 2), (2, 4), (5, 6)]),
        # Invalid in every scheme.
        ("B O L O E", [(0, 1), (2, 3), (4, 5)]),
        ("B B U B", [(0, 1), (1, 2), (2, 3), (3, 4)]),
    ],
)
def test_an_entity_ends_where_its_scheme_says(letters, expected):
    assert spans(letters) == expected


def test_an_entity_has_one_label():
    tags = [("B", "PER"), ("I", "LOC"), ("L", "PER"), ("I", "PER")]
    assert read_entities(tags) == [(0, 1, "PER"), (1, 2, "LOC"), (2, 3, "PER"), (3, 4, "PER")]


@given(st.lists(st.tuples(st.sampled_from("OBILU"), st.sampled_from(["PER", "LOC"]))))
def test_every_token_with_a_label_is_in_one_entity_of_it(tags):
    inside = [(token, tag[1]) for token, tag in enumerate(tags) if tag[0] != "O"]
    found = [(token, e[2]) for e in read_entities(tags) for token in range(e[0], e[1])]
    assert found == inside
