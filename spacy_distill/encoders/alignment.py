"""Align wordpieces with tokens."""

from typing import Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.types import Ints1d


def token_pieces(doc: Doc, offsets: Sequence[Tuple[int, int]]) -> Tuple[Ints1d, Ints1d]:
    """Find the wordpieces that overlap each token.

    doc (Doc): The document.
    offsets (Sequence[Tuple[int, int]]): For each wordpiece of its text, the first character and the
        one after the last. The space before a word can be part of a wordpiece or not. If it is a
        wordpiece of its own, it counts as the first one of the word, as in training.
    RETURNS (Tuple[Ints1d, Ints1d]): The index of each token's first wordpiece, and the number of
        its wordpieces, both (tokens,) int64; -1 and 0 for tokens without wordpieces. A wordpiece
        can overlap several tokens.
    """
    text = doc.text
    starts, ends = [len(text)], [len(text) + 1]
    word_start = -1
    for start, end in reversed(offsets):
        piece = text[start:end]
        if piece.strip():
            start, end = end - len(piece.lstrip()), start + len(piece.rstrip())
            word_start = start
        elif piece in ("", " ") and end == word_start:
            end += 1
        starts.append(start)
        ends.append(end)
    begins, lengths = (doc.to_array(name).astype("int64") for name in ("IDX", "LENGTH"))
    # Unicode normalization can change the order of characters, so offsets may not be sorted.
    # Running maxima of the ends and minima of the starts are sorted.
    max_ends = numpy.maximum.accumulate(numpy.asarray(ends[::-1], dtype="int64"))
    min_starts = numpy.minimum.accumulate(numpy.asarray(starts, dtype="int64"))[::-1]
    first = numpy.searchsorted(max_ends, begins, side="right")
    after = numpy.searchsorted(min_starts, begins + lengths, side="left")
    overlaps = numpy.asarray(starts[::-1], dtype="int64")[first] < begins + lengths
    return numpy.where(overlaps, first, -1), numpy.where(overlaps, after - first, 0)
