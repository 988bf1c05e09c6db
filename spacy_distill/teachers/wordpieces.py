"""Wordpieces and tokens: which wordpiece speaks for a token, and for how many others."""

from typing import Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.types import Floats2d, Ints1d

from ..chain.biluo import PREFIXES


def first_pieces(doc: Doc, offsets: Sequence[Tuple[int, int]]) -> Ints1d:
    """Find each token's first wordpiece.

    doc (Doc): The document.
    offsets (Sequence[Tuple[int, int]]): For each wordpiece of its text, the first character and the
        one after the last. The space before a word may be counted in, be left out, or be a
        wordpiece of its own, which then is the first of that word, as it is in training.
    RETURNS (Ints1d): (tokens,) numbers of wordpieces, int64, -1 where none overlaps the token.
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
    # Unicode normalization may change the order of characters; the maximum is in order still, and
    # passes a token's start where the first wordpiece does.
    reached = numpy.maximum.accumulate(numpy.asarray(ends[::-1], dtype="int64"))
    first = numpy.searchsorted(reached, begins, side="right")
    overlaps = numpy.asarray(starts[::-1], dtype="int64")[first] < begins + lengths
    return numpy.where(overlaps, first, -1)


def share_pieces(emissions: Floats2d, pieces: Ints1d) -> None:
    """Let tokens that have the same first wordpiece stand for it together.

    The first of them says whether the wordpiece begins an entity, the last one whether it ends one,
    and those between follow. The probability of each label remains; that of each tag does where B
    is to U as I is to L, as in the schemes "iob2", "ioe2" and "io".

    emissions (Floats2d): (tokens, tags) each wordpiece's scores at all of its tokens; changed.
    pieces (Ints1d): (tokens,) each token's first wordpiece, or -1.
    """
    same = (pieces[1:] == pieces[:-1]) & (pieces[1:] >= 0)
    if not same.any():
        return
    goes_on, follows = numpy.append(same, False), numpy.append(False, same)
    shared = numpy.flatnonzero(goes_on | follows)
    is_first, is_last = ~follows[shared, None], ~goes_on[shared, None]
    begin, inside, last, unit = (emissions[shared, 1 + n :: len(PREFIXES)] for n in range(4))
    begins, continues = numpy.logaddexp(begin, unit), numpy.logaddexp(inside, last)
    stays, stops = numpy.logaddexp(begin, inside), numpy.logaddexp(last, unit)
    either = numpy.logaddexp(stays, stops)
    never = numpy.float32(-numpy.inf)
    scores = {
        "B": numpy.where(is_first, begins, never),
        "I": numpy.where(is_first, continues, numpy.where(is_last, stays - either, 0)),
        "L": numpy.where(is_last, stops - either, never),
        "U": never,
    }
    for number, prefix in enumerate(PREFIXES):
        emissions[shared, 1 + number :: len(PREFIXES)] = scores[prefix]
    emissions[follows, 0] = 0
