"""Find entities of a token classifier that begin inside a token."""

from typing import List, Optional, Sequence, Tuple
from unicodedata import category

import numpy
from spacy.tokens import Doc
from thinc.types import Floats2d

from ..chain.biluo import PREFIXES
from ..encoders.alignment import token_pieces
from .label_schemes import LabelScheme

# Entities that begin inside a token with a lower probability are ignored.
MIN_PROBABILITY = 0.5
# Only after these characters can an entity of the same type begin. After other punctuation, as in
# "U.S." and "Jean-Luc", models often predict another beginning of the same name, since they were
# trained only on the first wordpiece of a token.
SEPARATORS = frozenset("/\\|,;:()[]{}<>")


def with_inner_entities(
    doc: Doc, offsets: Sequence[Tuple[int, int]], log_probabilities: Floats2d, scheme: LabelScheme
) -> Optional[Doc]:
    """Split tokens at words inside them where entities begin.

    A token is split at each word after white space. It is split at a word after punctuation if the
    model predicts with certainty that an entity begins there. The entity must have another type
    than the word before, or follow a separator.

    doc (Doc): The document.
    offsets (Sequence[Tuple[int, int]]): The character offsets of each wordpiece, as in
        `token_pieces`.
    log_probabilities (Floats2d): (wordpieces, classes), the model's output.
    scheme (LabelScheme): The BILUO tags of the classes.
    RETURNS (Optional[Doc]): The same text with more tokens; None if no token is split.
    """
    starts = [inner_words(token.text) for token in doc]
    if not any(starts) or not len(offsets):
        return None
    pieces, _ = token_pieces(_cut(doc, starts), offsets)
    emissions = scheme.emissions(log_probabilities[pieces])
    # With the scheme "io", all tags of a type have the same score; argmax takes the first, B.
    tags = numpy.where(pieces < 0, 0, emissions.argmax(axis=1))
    types, prefixes = numpy.divmod(tags - 1, len(PREFIXES))
    begins = (tags > 0) & numpy.isin(prefixes, [PREFIXES.index("B"), PREFIXES.index("U")])
    begins &= emissions.max(axis=1) >= numpy.log(MIN_PROBABILITY)
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
    """RETURNS (List[int]): The offsets at which words begin inside a token: letters or digits after
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
