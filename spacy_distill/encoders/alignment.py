"""Which wordpieces belong to a token."""

from typing import Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.types import Ints1d


def token_pieces(doc: Doc, offsets: Sequence[Tuple[int, int]]) -> Tuple[Ints1d, Ints1d]:
    """Find the wordpieces that overlap each token.

    doc (Doc): The document.
    offsets (Sequence[Tuple[int, int]]): For each wordpiece of its text, the first character and the
        one after the last. The space before a word may be part of the wordpiece, be left out, or be
        a wordpiece of its own. In the last case it counts as the word's first, as in training.
    RETURNS (Tuple[Ints1d, Ints1d]): The index of each token's first wordpiece and the number of
        its wordpieces, (tokens,) int64 both; -1 and 0 where none overlaps the token. A wordpiece
        may overlap several tokens.
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
    # Unicode normalization may change the order of characters. The maximum up to a wordpiece and
    # the minimum from it on are in order still.
    reached = numpy.maximum.accumulate(numpy.asarray(ends[::-1], dtype="int64"))
    ahead = numpy.minimum.accumulate(numpy.asarray(starts, dtype="int64"))[::-1]
    first = numpy.searchsorted(reached, begins, side="right")
    after = numpy.searchsorted(ahead, begins + lengths, side="left")
    overlaps = numpy.asarray(starts[::-1], dtype="int64")[first] < begins + lengths
    return numpy.where(overlaps, first, -1), numpy.where(overlaps, after - first, 0)
