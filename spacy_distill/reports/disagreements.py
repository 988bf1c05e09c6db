"""Disagreements: places where two systems predict different entities, and which one is right."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy
from spacy.tokens import Doc

from ..pipeline.confidences import EVALUATION_ATTR, confidence_of

KINDS = ("type", "boundary", "type and boundary", "only first", "only second")
# Characters of an excerpt on each side of the entities, and in all.
CONTEXT = 110
MOST_CHARACTERS = 420


class Entity(NamedTuple):
    """An entity by its characters, since systems may have different tokens for the same text."""

    start: int
    end: int
    label: str


# The entities of a document, with their confidences: those of a system, or the gold entities.
Entities = Mapping[Entity, Optional[float]]


@dataclass(frozen=True)
class Place:
    """A group of entities of two systems that overlap each other and no other entity.

    first, second (Tuple[Entity, ...]): The entities of each system, in the order of the text.
    """

    first: Tuple[Entity, ...]
    second: Tuple[Entity, ...]

    @property
    def start(self) -> int:
        """The position of the first character."""
        return min(entity.start for entity in self.first + self.second)

    @property
    def end(self) -> int:
        """The position after the last character."""
        return max(entity.end for entity in self.first + self.second)

    @property
    def kind(self) -> Optional[str]:
        """The kind of the disagreement, one of KINDS; None if the systems agree."""
        if self.first == self.second:
            return None
        if not self.second:
            return "only first"
        if not self.first:
            return "only second"
        if [entity[:2] for entity in self.first] == [entity[:2] for entity in self.second]:
            return "type"
        one_label = len({entity.label for entity in self.first + self.second}) == 1
        return "boundary" if one_label else "type and boundary"

    def overlaps(self, spans: Iterable[Tuple[int, int]]) -> bool:
        """Check whether the place overlaps one of the spans, which are (start, end) characters."""
        return any(start < self.end and self.start < end for start, end in spans)


def entities_of(doc: Doc) -> Dict[Entity, Optional[float]]:
    """Collect the entities of a document with their measured confidences."""
    return {
        Entity(span.start_char, span.end_char, span.label_): confidence_of(span, EVALUATION_ATTR)
        for span in doc.ents
    }


def unannotated(gold: Doc) -> List[Tuple[int, int]]:
    """List the (start, end) characters of tokens without annotation."""
    return [(token.idx, token.idx + len(token)) for token in gold if token.ent_iob == 0]


def places(first: Iterable[Entity], second: Iterable[Entity]) -> Iterator[Place]:
    """Group the entities of two systems by their overlaps, and yield the groups in the order of the
    text."""
    entities = sorted([(e, 0) for e in first] + [(e, 1) for e in second])
    sides: Tuple[List[Entity], List[Entity]] = ([], [])
    end = 0
    for entity, side in entities:
        if entity.start >= end and any(sides):
            yield Place(tuple(sides[0]), tuple(sides[1]))
            sides = ([], [])
        sides[side].append(entity)
        end = max(end, entity.end)
    if any(sides):
        yield Place(tuple(sides[0]), tuple(sides[1]))


def label_pairs(place: Place) -> Iterator[Tuple[Optional[str], Optional[str]]]:
    """Pair the entities of both systems that overlap most, and yield the labels of each pair. An
    entity has at most one partner; None stands for a missing one."""
    overlaps = [
        (min(one.end, other.end) - max(one.start, other.start), i, k)
        for i, one in enumerate(place.first)
        for k, other in enumerate(place.second)
    ]
    partners: Dict[int, int] = {}
    # The sort is stable: of equal overlaps, the first in the text comes first.
    for length, i, k in sorted(overlaps, key=lambda overlap: -overlap[0]):
        if length > 0 and i not in partners and k not in partners.values():
            partners[i] = k
    for i, one in enumerate(place.first):
        yield one.label, place.second[partners[i]].label if i in partners else None
    for k, other in enumerate(place.second):
        if k not in partners.values():
            yield None, other.label


def count_places(found: Sequence[Place], labels: Sequence[str]) -> Dict[str, Any]:
    """Count the kinds of disagreements, and the pairs of labels.

    found (Sequence[Place]): The places.
    labels (Sequence[str]): The labels of the matrix.
    RETURNS (Dict[str, Any]): "agreed" (the number of places without disagreement), "kinds" (numbers
        by kind) and "matrix". The matrix has a row for each label of the first system and a column
        for each label of the second. The last row and column stand for no entity.
    """
    kinds = Counter(place.kind for place in found)
    rows: Dict[Optional[str], int] = {label: row for row, label in enumerate([*labels, None])}
    matrix = numpy.zeros((len(rows), len(rows)), dtype="int64")
    for place in found:
        for one, other in label_pairs(place):
            matrix[rows[one], rows[other]] += 1
    return {
        "agreed": kinds[None],
        "kinds": {kind: kinds[kind] for kind in KINDS},
        "matrix": matrix.tolist(),
    }


def errors(
    predicted: Sequence[Entities], gold: Sequence[Doc], labels: Sequence[str]
) -> Dict[str, Any]:
    """Compare a system ("first") with the gold annotation ("second"), without the places that are
    not annotated. Return the numbers of `count_places`."""
    found: List[Place] = []
    for entities, doc in zip(predicted, gold, strict=True):
        unknown = unannotated(doc)
        found += [p for p in places(entities, entities_of(doc)) if not p.overlaps(unknown)]
    return count_places(found, labels)


def disagreements(
    student: Sequence[Entities],
    teacher: Sequence[Entities],
    gold: Sequence[Doc],
    labels: Sequence[str],
    shown: int,
) -> Dict[str, Any]:
    """Compare a student's entities with its teacher's.

    student, teacher (Sequence[Entities]): The predicted entities of each document.
    gold (Sequence[Doc]): The annotated documents.
    labels (Sequence[str]): The labels of the matrix.
    shown (int): Maximum number of disagreements to write out, by descending confidence.
    RETURNS (Dict[str, Any]): The numbers of `count_places`, "right" (how often the student, the
        teacher or neither agrees with the gold annotation), "ranked" (whether there are confidences
        to rank by) and "shown" (the disagreements).
    """
    found: List[Place] = []
    differing: List[Dict[str, Any]] = []
    for number, (first, second, doc) in enumerate(zip(student, teacher, gold, strict=True)):
        annotation, unknown = entities_of(doc), unannotated(doc)
        for place in places(first, second):
            found.append(place)
            if place.kind is None:
                continue
            truth = tuple(e for e in annotation if place.overlaps([e[:2]]))
            right = "unknown" if place.overlaps(unknown) else who_is_right(place, truth)
            sides = {
                "student": (place.first, first),
                "teacher": (place.second, second),
                "gold": (truth, {}),
            }
            differing.append(
                {
                    "document": number,
                    "kind": place.kind,
                    "right": right,
                    "confidence": confidence(place, first, second),
                    **excerpt(doc.text, place, sides),
                }
            )
    right_ones = Counter(one["right"] for one in differing)
    # The sort is stable: equal confidences, and missing ones, stay in the order of the text.
    ranked = sorted(differing, key=lambda one: -(one["confidence"] or 0.0))
    return {
        **count_places(found, labels),
        "right": {name: right_ones[name] for name in ("student", "teacher", "neither", "unknown")},
        "ranked": any(one["confidence"] is not None for one in differing),
        "shown": ranked[:shown],
    }


def who_is_right(place: Place, truth: Tuple[Entity, ...]) -> str:
    """Find the system that agrees with the gold entities of the place: "student" (the first
    system), "teacher" or "neither"."""
    if truth == place.first:
        return "student"
    return "teacher" if truth == place.second else "neither"


def confidence(place: Place, first: Entities, second: Entities) -> Optional[float]:
    """Find the highest confidence of the first system's entities at a place, or of the second
    system's if the first has no entity there."""
    side, known = (place.first, first) if place.first else (place.second, second)
    return max((value for entity in side if (value := known[entity]) is not None), default=None)


def excerpt(
    text: str, place: Place, sides: Mapping[str, Tuple[Sequence[Entity], Entities]]
) -> Dict[str, Any]:
    """Cut out the text around a place, between words if possible.

    text (str): The text of the document.
    place (Place): The place.
    sides (Mapping[str, Tuple[Sequence[Entity], Entities]]): By the name of each side, its entities
        at the place, and the confidences of its entities.
    RETURNS (Dict[str, Any]): "text"; "start", its first character in the document; "cut_before" and
        "cut_after", whether text was cut off; and the entities of each side, as displaCy takes
        them: "start", "end" (characters of the excerpt), "label" and "confidence".
    """
    start = max(place.start - CONTEXT, 0)
    if start:
        word = re.search(r"\s\S", text[start - 1 : place.start + 1])
        start += word.start() if word else 0
    end = min(place.end + CONTEXT, start + MOST_CHARACTERS, len(text))
    blanks = list(re.finditer(r"\s", text[place.end : end]))
    if end < len(text) and blanks:
        end = place.end + blanks[-1].start()
    found: Dict[str, Any] = {
        "text": text[start:end],
        "start": start,
        "cut_before": start > 0,
        "cut_after": end < len(text),
    }
    for name, (entities, known) in sides.items():
        found[name] = [
            {
                # A long entity may reach beyond the excerpt.
                "start": max(entity.start, start) - start,
                "end": min(entity.end, end) - start,
                "label": entity.label,
                "confidence": known.get(entity),
            }
            for entity in entities
            if entity.start < end and entity.end > start
        ]
    return found
