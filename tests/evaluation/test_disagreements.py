"""Where two readings differ."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_distill.evaluation.disagreements import (
    KINDS,
    Entity,
    Place,
    compare_places,
    confidence,
    pairs,
    places,
    unknown_stretches,
    verdict,
)
from spacy_distill.evaluation.excerpts import AROUND, LONGEST, excerpt, in_excerpt
from tests.told_systems import gold_doc

A, B = Entity(0, 4, "A"), Entity(0, 4, "B")
A_LONG, B_LONG = Entity(0, 9, "A"), Entity(0, 9, "B")
A_NEXT = Entity(5, 9, "A")


@st.composite
def entities(draw):
    edges = sorted(draw(st.sets(st.integers(0, 40), max_size=12)))
    stretches = zip(edges[::2], edges[1::2], strict=False)
    return [Entity(start, end, draw(st.sampled_from("AB"))) for start, end in stretches]


@given(entities(), entities())
def test_each_entity_is_in_one_place_and_places_do_not_overlap(first, second):
    found = list(places(first, second))
    assert [e for place in found for e in place.first] == first
    assert [e for place in found for e in place.second] == second
    assert all(a.end <= b.start for a, b in pairwise(found))
    compared = compare_places(found, ("A", "B"))
    assert compared["agreed"] == len(set(first) & set(second))
    assert compared["agreed"] + sum(compared["kinds"].values()) == len(found)
    rows, columns = compared["matrix"], list(zip(*compared["matrix"], strict=True))
    for number, label in enumerate("AB"):
        assert sum(rows[number]) == sum(e.label == label for e in first)
        assert sum(columns[number]) == sum(e.label == label for e in second)
    assert rows[2][2] == 0


@pytest.mark.parametrize(
    "first, second, kind, labels",
    [
        ((A,), (A,), None, [("A", "A")]),
        ((A,), (B,), "type", [("A", "B")]),
        ((A,), (A_LONG,), "boundary", [("A", "A")]),
        ((A, A_NEXT), (A_LONG,), "boundary", [("A", "A"), ("A", None)]),
        ((A,), (B_LONG,), "type and boundary", [("A", "B")]),
        ((A, Entity(5, 9, "B")), (A_LONG,), "type and boundary", [("A", "A"), ("B", None)]),
        ((A,), (), "only first", [("A", None)]),
        ((), (A,), "only second", [(None, "A")]),
    ],
)
def test_kinds(first, second, kind, labels):
    place = Place(first, second)
    assert place.kind == kind and (kind is None or kind in KINDS)
    assert list(pairs(place)) == labels


def test_an_entity_is_paired_with_the_one_that_it_shares_most_with():
    place = Place((Entity(0, 3, "A"), Entity(4, 20, "B")), (Entity(2, 18, "C"),))
    assert list(pairs(place)) == [("A", None), ("B", "C")]


@pytest.mark.parametrize(
    "gold, unknown, right",
    [
        ([A], [], "first"),
        ([B], [], "second"),
        ([A_LONG], [], "neither"),
        ([], [], "neither"),
        ([A_NEXT], [], "neither"),
        ([], [(3, 6)], "unknown"),
        ([A], [(4, 6)], "first"),
    ],
)
def test_the_annotation_says_who_is_right(gold, unknown, right):
    assert verdict(Place((A,), (B,)), gold, unknown)[0] == right


def test_no_entity_may_be_right():
    assert verdict(Place((A,), ()), [], []) == ("second", ())
    assert verdict(Place((), (A,)), [], []) == ("first", ())


def test_the_reading_that_has_an_entity_there_is_sure_of_it():
    first, second = {A: 0.6, A_NEXT: 0.9}, {A_LONG: 0.7}
    assert confidence(Place((A, A_NEXT), (A_LONG,)), first, second) == 0.9
    assert confidence(Place((), (A_LONG,)), first, second) == 0.7
    assert confidence(Place((A,), ()), {A: None}, second) is None


def test_tokens_without_annotation():
    doc = gold_doc("Anna sails to Oslo", [("Anna", "PER")], missing=["Oslo"])
    assert unknown_stretches(doc) == [(14, 18)]


def test_an_excerpt_is_cut_between_words():
    text = "word " * 300 + "Oslo" + " next" * 300
    place = Place((Entity(1500, 1504, "LOC"),), ())
    part, start = excerpt(text, place)
    assert len("Oslo") + AROUND <= len(part) <= len("Oslo") + 2 * AROUND
    assert part.startswith("word ") and part.endswith(" next") and "Oslo" in part
    (span,) = in_excerpt(place.first, {place.first[0]: 0.5}, start, len(part))
    assert part[span["start"] : span["end"]] == "Oslo" and span["confidence"] == 0.5


def test_a_short_text_is_an_excerpt_of_itself():
    assert excerpt("Oslo", Place((Entity(0, 4, "LOC"),), ())) == ("Oslo", 0)


@pytest.mark.parametrize("text", ["x" * 5000, "word " * 1000])
def test_an_entity_as_long_as_its_document_is_cut(text):
    entity = Entity(40, 4900, "A")
    part, start = excerpt(text, Place((entity,), ()))
    assert start <= 40 and len(part) <= LONGEST
    (span,) = in_excerpt((entity,), {}, start, len(part))
    assert (span["start"], span["end"]) == (40 - start, len(part))


@given(st.text(alphabet="ab \n", min_size=1, max_size=400), st.data())
def test_a_place_is_in_its_excerpt(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, min(start + 50, len(text))))
    part, offset = excerpt(text, Place((Entity(start, end, "A"),), ()))
    assert text[offset : offset + len(part)] == part
    assert offset <= start and end <= offset + len(part)
