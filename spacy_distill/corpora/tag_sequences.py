"""Entities out of a sequence of tags, whatever the scheme of their letters."""

from typing import Iterable, List, Tuple

# What each letter says, written as in BILUO: IOBES and BMEWO have other letters for the same.
BILUO_LETTERS = {
    "B": "B",
    "I": "I",
    "M": "I",
    "E": "L",
    "L": "L",
    "S": "U",
    "U": "U",
    "W": "U",
}
OUTSIDE = "O"


def read_entities(tags: Iterable[Tuple[str, str]]) -> List[Tuple[int, int, str]]:
    """Read the entities of a sentence.

    An entity goes on with I and L of its own label only, and never after L or U. So sequences of
    IOB1, IOB2, IOE1, IOE2, BILUO and IOBES are all read by the same rules, and none has to be
    named. Sequences that none of these schemes has are read too: no two entities are merged.

    tags (Iterable[Tuple[str, str]]): Letter and label of each token. The letter is O, B, I, L or U.
    RETURNS (List[Tuple[int, int, str]]): First token, token after the last, label.
    """
    entities: List[Tuple[int, int, str]] = []
    open_label = None
    for token, (letter, label) in enumerate(tags):
        if letter == OUTSIDE:
            open_label = None
            continue
        if letter in "IL" and label == open_label:
            entities[-1] = (entities[-1][0], token + 1, label)
        else:
            entities.append((token, token + 1, label))
        open_label = label if letter in "BI" else None
    return entities
