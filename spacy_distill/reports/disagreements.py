"""Where two systems find other entities in the same text, and who is right."""

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
# Of an excerpt: characters on either side of the entities, and at most.
AROUND = 110
LONGEST = 420


class Entity(NamedTuple):
    """Characters and a label: systems have tokens of their own, the text is the same."""

    start: int
    end: int
    label: str


# A system's entities in a document, with their confidences.
Reading = Mapping[Entity, Optional[float]]


@dataclass(frozen=True)
class Place:
    """Entities of two readings that overlap each other, and nothing else.

    first, second (Tuple[Entity, ...]): Those of either reading, in the order of the text.
    """

    first: Tuple[Entity, ...]
    second: Tuple[Entity, ...]

    @property
    def start(self) -> int:
        """The first character."""
        return min(entity.start for entity in self.first + self.second)

    @property
    def end(self) -> int:
        """The character after the last."""
        return max(entity.end for entity in self.first + self.second)

    @property
    def kind(self) -> Optional[str]:
        """One of KINDS; None if both readings are the same."""
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

    def is_in(self, stretches: Iterable[Tuple[int, int]]) -> bool:
        """RETURNS (bool): Whether the place overlaps any of some stretches of characters."""
        return any(start < self.end and self.start < end for start, end in stretches)


def read_entities(doc: Doc) -> Dict[Entity, Optional[float]]:
    """RETURNS (Dict[Entity, Optional[float]]): A document's entities and measured confidences."""
    return {
        Entity(span.start_char, span.end_char, span.label_): confidence_of(span, EVALUATION_ATTR)
        for span in doc.ents
    }


def unannotated(gold: Doc) -> List[Tuple[int, int]]:
    """RETURNS (List[Tuple[int, int]]): The characters of tokens without annotation."""
    return [(token.idx, token.idx + len(token)) for token in gold if token.ent_iob == 0]


def places(first: Iterable[Entity], second: Iterable[Entity]) -> Iterator[Place]:
    """YIELDS (Place): Where either reading has an entity, in the order of the text."""
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
    """YIELDS (Tuple[Optional[str], Optional[str]]): The labels of entities of both readings that
    overlap most, each entity once; None next to those that are left."""
    overlaps = [
        (min(one.end, other.end) - max(one.start, other.start), i, k)
        for i, one in enumerate(place.first)
        for k, other in enumerate(place.second)
    ]
    partners: Dict[int, int] = {}
    # A stable sort: of equal overlaps, the first in the text.
    for length, i, k in sorted(overlaps, key=lambda one: -one[0]):
        if length > 0 and i not in partners and k not in partners.values():
            partners[i] = k
    for i, one in enumerate(place.first):
        yield one.label, place.second[partners[i]].label if i in partners else None
    for k, other in enumerate(place.second):
        if k not in partners.values():
            yield None, other.label


def count_places(found: Sequence[Place], labels: Sequence[str]) -> Dict[str, Any]:
    """Count the kinds of disagreements, and which labels meet which.

    found (Sequence[Place]): The places.
    labels (Sequence[str]): The labels of the matrix.
    RETURNS (Dict[str, Any]): "agreed" (int), "kinds" (by name) and "matrix": rows for the labels of
        the first reading, columns for those of the second. The last row and column are for none.
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
    readings: Sequence[Reading], gold: Sequence[Doc], labels: Sequence[str]
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What `count_places` returns for a system ("first") and the gold
    annotation ("second"), without the places that are not annotated."""
    found: List[Place] = []
    for mine, doc in zip(readings, gold, strict=True):
        unknown = unannotated(doc)
        found += [place for place in places(mine, read_entities(doc)) if not place.is_in(unknown)]
    return count_places(found, labels)


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
    RETURNS (Dict[str, Any]): What `count_places` returns; "right": how often who is, by the gold
        annotation; "ranked": whether there are confidences to rank by; "shown".
    """
    found: List[Place] = []
    differing: List[Dict[str, Any]] = []
    for number, (mine, other, doc) in enumerate(zip(student, teacher, gold, strict=True)):
        annotation, unknown = read_entities(doc), unannotated(doc)
        for place in places(mine, other):
            found.append(place)
            if place.kind is None:
                continue
            truth = tuple(e for e in annotation if place.is_in([e[:2]]))
            right = "unknown" if place.is_in(unknown) else who_is_right(place, truth)
            sides = {
                "student": (place.first, mine),
                "teacher": (place.second, other),
                "gold": (truth, {}),
            }
            differing.append(
                {
                    "document": number,
                    "kind": place.kind,
                    "right": right,
                    "confidence": confidence(place, mine, other),
                    **excerpt(doc.text, place, sides),
                }
            )
    right_ones = Counter(one["right"] for one in differing)
    # A stable sort: equally sure ones, and those without a confidence, in the text's order.
    ranked = sorted(differing, key=lambda one: -(one["confidence"] or 0.0))
    return {
        **count_places(found, labels),
        "right": {name: right_ones[name] for name in ("student", "teacher", "neither", "unknown")},
        "ranked": any(one["confidence"] is not None for one in differing),
        "shown": ranked[:shown],
    }


def who_is_right(place: Place, truth: Tuple[Entity, ...]) -> str:
    """RETURNS (str): "student" (the first reading), "teacher" or "neither", by the gold entities of
    the place."""
    if truth == place.first:
        return "student"
    return "teacher" if truth == place.second else "neither"


def confidence(place: Place, first: Reading, second: Reading) -> Optional[float]:
    """RETURNS (Optional[float]): The highest confidence of the first reading's entities there; if
    it has none there, that of the second reading's."""
    side, known = (place.first, first) if place.first else (place.second, second)
    return max((value for entity in side if (value := known[entity]) is not None), default=None)


def excerpt(
    text: str, place: Place, sides: Mapping[str, Tuple[Sequence[Entity], Reading]]
) -> Dict[str, Any]:
    """Cut out the text around a place, between words where there are any.

    text (str): The document.
    place (Place): Where something is.
    sides (Mapping[str, Tuple[Sequence[Entity], Reading]]): Entities and their confidences by name.
    RETURNS (Dict[str, Any]): "text"; "start", its first character in the document; "cut_before" and
        "cut_after"; and for each side its entities as displaCy takes them, "start", "end" and
        "label" in the characters of the excerpt, with their "confidence".
    """
    start = max(place.start - AROUND, 0)
    if start:
        word = re.search(r"\s\S", text[start - 1 : place.start + 1])
        start += word.start() if word else 0
    end = min(place.end + AROUND, start + LONGEST, len(text))
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
                # An entity may be as long as its document.
                "start": max(entity.start, start) - start,
                "end": min(entity.end, end) - start,
                "label": entity.label,
                "confidence": known.get(entity),
            }
            for entity in entities
            if entity.start < end and entity.end > start
        ]
    return found
