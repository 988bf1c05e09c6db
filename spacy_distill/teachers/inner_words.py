"""Words inside of tokens, and the entities that a token classifier lets begin there."""

from typing import List, Optional, Sequence, Tuple
from unicodedata import category

import numpy
from spacy.tokens import Doc
from thinc.types import Floats2d

from ..chain.biluo import PREFIXES
from .label_schemes import LabelScheme
from .wordpieces import first_pieces

# A model that is less sure of what begins inside of a token is not listened to.
LEAST_CERTAINTY = 0.5
# Behind other punctuation than this, such as in "U.S." and "Jean-Luc", models let a name begin
# once more of which they were taught the beginning alone.
SEPARATORS = frozenset("/\\|,;:()[]{}<>")


def with_inner_entities(
    doc: Doc, offsets: Sequence[Tuple[int, int]], log_probabilities: Floats2d, scheme: LabelScheme
) -> Optional[Doc]:
    """Cut tokens where entities begin inside of them: at a word behind punctuation at which the
    model is sure that an entity begins, of another type than what the token begins with, or of the
    same behind a separator; and at all words behind white space.

    doc (Doc): The document.
    offsets (Sequence[Tuple[int, int]]): Each wordpiece's place, as `first_pieces` takes it.
    log_probabilities (Floats2d): (wordpieces, classes)
    scheme (LabelScheme): What the classes mean.
    RETURNS (Optional[Doc]): The same text with more tokens; None where nothing is to be cut.
    """
    starts = [inner_words(token.text) for token in doc]
    if not any(starts) or not len(offsets):
        return None
    pieces = first_pieces(_cut(doc, starts), offsets)
    emissions = scheme.emissions(log_probabilities[pieces])
    # Under a scheme that does not tell tags of a type apart, the first of them, B, stands for all.
    tags = numpy.where(pieces < 0, 0, emissions.argmax(axis=1))
    types, prefixes = numpy.divmod(tags - 1, len(PREFIXES))
    begins = (tags > 0) & numpy.isin(prefixes, [PREFIXES.index("B"), PREFIXES.index("U")])
    begins &= emissions.max(axis=1) >= numpy.log(LEAST_CERTAINTY)
    chosen: List[List[int]] = []
    words = zip(types, begins, strict=True)
    for token, places in zip(doc, starts, strict=True):
        chosen.append([])
        last_type, _ = next(words)
        for place in places:
            here, begins_here = next(words)
            mark = token.text[place - 1]
            differs = here != last_type or mark in SEPARATORS
            if mark.isspace() or (begins_here and differs):
                chosen[-1].append(place)
                last_type = here
    return _cut(doc, chosen) if any(chosen) else None


def inner_words(text: str) -> List[int]:
    """RETURNS (List[int]): Where words begin inside of a token: letters or digits behind
    punctuation, symbols or white space."""
    if text.isalnum():
        return []
    return [
        place
        for place in range(1, len(text))
        if text[place].isalnum()
        and (text[place - 1].isspace() or category(text[place - 1])[0] in "PS")
    ]


def _cut(doc: Doc, places: Sequence[Sequence[int]]) -> Doc:
    words: List[str] = []
    spaces: List[bool] = []
    for token, inner in zip(doc, places, strict=True):
        edges = [0, *inner, len(token)]
        words.extend(token.text[edges[n] : edges[n + 1]] for n in range(len(edges) - 1))
        spaces.extend([False] * len(inner))
        spaces.append(bool(token.whitespace_))
    return Doc(doc.vocab, words=words, spaces=spaces)
