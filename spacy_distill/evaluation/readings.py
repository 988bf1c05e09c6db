"""What a report shows of disagreements: how many of which kind, who is right, and the surest."""

from collections import Counter
from typing import Any, Dict, List, Mapping, Sequence

from spacy.tokens import Doc

from .disagreements import (
    Entity,
    Place,
    Reading,
    compare_places,
    confidence,
    places,
    reading,
    unknown_stretches,
    verdict,
)
from .excerpts import excerpt, in_excerpt

SIDES = {"first": "student", "second": "teacher", "neither": "neither", "unknown": "unknown"}


def errors(
    readings: Sequence[Reading], gold: Sequence[Doc], labels: Sequence[str]
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Where a system ("first") and the gold annotation ("second") differ,
    as far as there is annotation: what `compare_places` gives."""
    found: List[Place] = []
    for mine, doc in zip(readings, gold, strict=True):
        unknown = unknown_stretches(doc)
        of_doc = places(mine, reading(doc))
        found += [place for place in of_doc if verdict(place, (), unknown)[0] != "unknown"]
    return compare_places(found, labels)


def disagreements(
    student: Sequence[Reading],
    teacher: Sequence[Reading],
    gold: Sequence[Doc],
    labels: Sequence[str],
    shown: int,
) -> Dict[str, Any]:
    """Compare a student's readings with its teacher's.

    student, teacher (Sequence[Reading]): Their entities in each document.
    gold (Sequence[Doc]): The annotated documents.
    labels (Sequence[str]): The labels of the matrix.
    shown (int): How many disagreements are written out, the surest first.
    RETURNS (Dict[str, Any]): What `compare_places` gives; "right": how often who is, by the gold
        annotation; "ranked": whether there are confidences to rank by; "shown".
    """
    found: List[Place] = []
    differing: List[Dict[str, Any]] = []
    for number, (mine, other, doc) in enumerate(zip(student, teacher, gold, strict=True)):
        truth, unknown = reading(doc), unknown_stretches(doc)
        of_doc = list(places(mine, other))
        found += of_doc
        for place in of_doc:
            if place.kind is not None:
                who, there = verdict(place, truth, unknown)
                differing.append(
                    {
                        "document": number,
                        "kind": place.kind,
                        "right": SIDES[who],
                        "confidence": confidence(place, mine, other),
                        **_written(doc.text, place, mine, other, there),
                    }
                )
    right = Counter(one["right"] for one in differing)
    # A stable sort: equally sure ones, and those of which nothing is known, in the text's order.
    ranked = sorted(differing, key=_sureness, reverse=True)
    return {
        **compare_places(found, labels),
        "right": {name: right[name] for name in SIDES.values()},
        "ranked": any(one["confidence"] is not None for one in differing),
        "shown": ranked[:shown],
    }


def _sureness(one: Mapping[str, Any]) -> float:
    return -1.0 if one["confidence"] is None else one["confidence"]


def _written(
    text: str, place: Place, mine: Reading, other: Reading, there: Sequence[Entity]
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): A place in its excerpt, as each side and the annotation read it."""
    part, start = excerpt(text, place)
    return {
        "text": part,
        "start": start,
        "cut_before": start > 0,
        "cut_after": start + len(part) < len(text),
        "student": in_excerpt(place.first, mine, start, len(part)),
        "teacher": in_excerpt(place.second, other, start, len(part)),
        "gold": in_excerpt(there, {}, start, len(part)),
    }
