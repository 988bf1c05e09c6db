"""Disagreements of two systems."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_distill.reports.disagreements import (
    CONTEXT,
    KINDS,
    MOST_CHARACTERS,
    Entity,
    Place,
    confidence,
    count_places,
    disagreements,
    excerpt,
    label_pairs,
    places,
    unannotated,
    who_is_right,
)
from tests.scripted_systems import gold_doc

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
    compared = count_places(found, ("A", "B"))
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
    assert list(label_pairs(place)) == labels


def test_an_entity_is_paired_with_the_one_that_overlaps_most():
    place = Place((Entity(0, 3, "A"), Entity(4, 20, "B")), (Entity(2, 18, "C"),))
    assert list(label_pairs(place)) == [("A", None), ("B", "C")]


@pytest.mark.parametrize(
    "gold, right",
    [
        ((A,), "student"),
        ((B,), "teacher"),
        ((A_LONG,), "neither"),
        ((), "neither"),
        ((A, A_NEXT), "neither"),
    ],
)
def test_the_system_that_agrees_with_the_annotation_is_right(gold, right):
    assert who_is_right(Place((A,), (B,)), gold) == right


def test_no_entity_may_be_right():
    assert who_is_right(Place((A,), ()), ()) == "teacher"
    assert who_is_right(Place((), (A,)), ()) == "student"


def test_entities_that_are_not_annotated_or_elsewhere_do_not_count():
    entities = [("Anna", "PER"), ("Kiel", "LOC")]
    known = gold_doc("Anna sails to Oslo from Kiel", entities)
    unknown = gold_doc("Anna sails to Oslo from Kiel", entities, missing=["Oslo"])
    oslo = {Entity(14, 18, "LOC"): 0.5}
    for doc, right in ((known, "teacher"), (unknown, "unknown")):
        found = disagreements([oslo], [{}], [doc], ["LOC"], 9)
        assert found["right"][right] == 1 and sum(found["right"].values()) == 1
        assert found["ranked"] and found["shown"][0]["gold"] == []


def test_confidence_is_that_of_the_system_with_an_entity():
    first, second = {A: 0.6, A_NEXT: 0.9}, {A_LONG: 0.7}
    assert confidence(Place((A, A_NEXT), (A_LONG,)), first, second) == 0.9
    assert confidence(Place((), (A_LONG,)), first, second) == 0.7
    assert confidence(Place((A,), ()), {A: None}, second) is None


def test_tokens_without_annotation():
    doc = gold_doc("Anna sails to Oslo", [("Anna", "PER")], missing=["Oslo"])
    assert unannotated(doc) == [(14, 18)]


def test_an_excerpt_is_cut_between_words():
    text = "word " * 300 + "Oslo" + " next" * 300
    place = Place((Entity(1500, 1504, "LOC"),), ())
    found = excerpt(text, place, {"student": (place.first, {place.first[0]: 0.5})})
    part = found["text"]
    assert len("Oslo") + CONTEXT <= len(part) <= len("Oslo") + 2 * CONTEXT
    assert part.startswith("word ") and part.endswith(" next") and "Oslo" in part
    assert found["cut_before"] and found["cut_after"]
    (span,) = found["student"]
    assert part[span["start"] : span["end"]] == "Oslo" and span["confidence"] == 0.5


def test_a_short_text_is_an_excerpt_of_itself():
    found = excerpt("Oslo", Place((Entity(0, 4, "LOC"),), ()), {})
    assert found == {"text": "Oslo", "start": 0, "cut_before": False, "cut_after": False}


@pytest.mark.parametrize("text", ["x" * 5000, "word " * 1000])
def test_an_entity_as_long_as_its_document_is_cut(text):
    entity = Entity(40, 4900, "A")
    found = excerpt(text, Place((entity,), ()), {"student": ([entity], {})})
    assert found["start"] <= 40 and len(found["text"]) <= MOST_CHARACTERS
    (span,) = found["student"]
    assert (span["start"], span["end"]) == (40 - found["start"], len(found["text"]))


@given(st.text(alphabet="ab \n", min_size=1, max_size=400), st.data())
def test_a_place_is_in_its_excerpt(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, min(start + 50, len(text))))
    found = excerpt(text, Place((Entity(start, end, "A"),), ()), {})
    part, offset = found["text"], found["start"]
    assert text[offset : offset + len(part)] == part
    assert offset <= start and end <= offset + len(part)
