"""The text around a place, cut so that it can be read at a glance."""

import re
from typing import Any, Dict, List, Sequence, Tuple

from .disagreements import Entity, Place, Reading

# Characters on either side, and the most of an excerpt: an entity may be as long as a document.
AROUND = 110
LONGEST = 420


def excerpt(text: str, place: Place) -> Tuple[str, int]:
    """Cut out the text around a place, between words where there are any.

    text (str): The document.
    place (Place): Where something is.
    RETURNS (Tuple[str, int]): The excerpt, with line breaks and runs of blanks as they are, and the
        character that it starts with.
    """
    start = _between_words(text, max(place.start - AROUND, 0), place.start)
    end = min(place.end + AROUND, start + LONGEST, len(text))
    cut = [match.start() for match in re.finditer(r"\s", text[place.end : end])]
    if end < len(text) and cut:
        end = place.end + cut[-1]
    return text[start:end], start


def in_excerpt(
    entities: Sequence[Entity], known: Reading, start: int, length: int
) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): Entities as displaCy takes them, "start", "end" and "label",
    in the characters of an excerpt, with their "confidence" in a reading; those that reach beyond
    the excerpt are cut."""
    moved = [(max(e.start - start, 0), min(e.end - start, length), e) for e in entities]
    return [
        {"start": first, "end": end, "label": entity.label, "confidence": known.get(entity)}
        for first, end, entity in moved
        if first < end
    ]


def _between_words(text: str, start: int, before: int) -> int:
    """RETURNS (int): The first character of a word, from a character on and at most before another
    one; the character itself if there is no word's start."""
    if start == 0:
        return 0
    found = re.search(r"\s\S", text[start - 1 : before + 1])
    return start + found.start() if found else start
