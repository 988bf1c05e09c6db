"""Where two readings of the same text differ: as to the type, the boundaries, or whether there is
an entity at all."""

from collections import Counter
from dataclasses import dataclass
from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc

from ..pipeline.confidences import MEASURED, confidence_of

KINDS = ("type", "boundary", "type and boundary", "only first", "only second")
# Of the matrix of labels: no entity on the other side.
NONE = None


class Entity(NamedTuple):
    """Characters and a label: systems have tokens of their own, the text is the same."""

    start: int
    end: int
    label: str


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
        """One of KINDS; None if both readings say the same."""
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


def reading(doc: Doc) -> Dict[Entity, Optional[float]]:
    """RETURNS (Dict[Entity, Optional[float]]): The entities of a document, and their confidences
    where a component of this package has written these."""
    return {
        Entity(span.start_char, span.end_char, span.label_): confidence_of(span, MEASURED)
        for span in doc.ents
    }


def unknown_stretches(gold: Doc) -> List[Tuple[int, int]]:
    """RETURNS (List[Tuple[int, int]]): Characters of the tokens without annotation, from and to."""
    known = gold.to_array("ENT_IOB") != 0
    return [
        (t.idx, t.idx + len(t)) for t, is_known in zip(gold, known, strict=True) if not is_known
    ]


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


def pairs(place: Place) -> Iterator[Tuple[Optional[str], Optional[str]]]:
    """YIELDS (Tuple[Optional[str], Optional[str]]): The labels of entities of both readings that
    overlap most, each with one other; None beside those that are left."""
    shared = [
        (min(one.end, other.end) - max(one.start, other.start), i, k)
        for i, one in enumerate(place.first)
        for k, other in enumerate(place.second)
    ]
    partners: Dict[int, int] = {}
    # A stable sort: of those that share as much, the first in the text.
    for length, i, k in sorted(shared, key=lambda one: one[0], reverse=True):
        if length > 0 and i not in partners and k not in partners.values():
            partners[i] = k
    for i, one in enumerate(place.first):
        yield one.label, place.second[partners[i]].label if i in partners else NONE
    for k, other in enumerate(place.second):
        if k not in partners.values():
            yield NONE, other.label


def compare_places(found: Sequence[Place], labels: Sequence[str]) -> Dict[str, object]:
    """Count what kinds of disagreement there are, and which labels meet which.

    found (Sequence[Place]): The places.
    labels (Sequence[str]): The labels of the matrix.
    RETURNS (Dict[str, object]): "agreed" (int), "kinds" (by name) and "matrix": rows for the labels
        of the first reading, columns for those of the second, and one of each, the last, for none.
    """
    kinds = Counter(place.kind for place in found)
    numbers: Dict[Optional[str], int] = {label: number for number, label in enumerate(labels)}
    numbers[NONE] = len(labels)
    matrix = numpy.zeros((len(labels) + 1, len(labels) + 1), dtype="int64")
    for place in found:
        for one, other in pairs(place):
            matrix[numbers[one], numbers[other]] += 1
    return {
        "agreed": kinds[None],
        "kinds": {kind: kinds[kind] for kind in KINDS},
        "matrix": matrix.tolist(),
    }


def verdict(
    place: Place, gold: Iterable[Entity], unknown: Iterable[Tuple[int, int]]
) -> Tuple[str, Tuple[Entity, ...]]:
    """Ask the gold annotation who is right.

    place (Place): A disagreement.
    gold (Iterable[Entity]): The gold entities of its document.
    unknown (Iterable[Tuple[int, int]]): Its characters without annotation.
    RETURNS (Tuple[str, Tuple[Entity, ...]]): "first", "second", "neither" or, where the annotation
        says nothing, "unknown"; and the gold entities of the place.
    """
    there = tuple(sorted(e for e in gold if e.start < place.end and place.start < e.end))
    if any(start < place.end and place.start < end for start, end in unknown):
        return "unknown", there
    if there == place.first:
        return "first", there
    return ("second" if there == place.second else "neither"), there


def confidence(place: Place, first: Reading, second: Reading) -> Optional[float]:
    """RETURNS (Optional[float]): How sure the first reading is of the entity that it has there, its
    surest one of several; of a place where it has none, how sure the second is of its own."""
    side, known = (place.first, first) if place.first else (place.second, second)
    found = [value for entity in side if (value := known[entity]) is not None]
    return max(found, default=None)
