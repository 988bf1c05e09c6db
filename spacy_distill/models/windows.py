"""Cut long sequences into overlapping windows, which are read in one batch."""

from dataclasses import dataclass

import numpy
from thinc.types import Ints1d

# A BiLSTM forgets what is far away: docs/performance.md has how many entities of long documents are
# the same with so much context.
CORE, CONTEXT = 256, 32


@dataclass(frozen=True)
class Windows:
    """Sequences, or windows of the long ones, one after another.

    lengths (Ints1d): (windows,) int64 rows of each.
    rows (Ints1d): (rows,) int64 the token that stands in each row.
    kept (Ints1d): (tokens,) int64 each token's row in the window that has context around it.
    """

    lengths: Ints1d
    rows: Ints1d
    kept: Ints1d


def whole_sequences(lengths: Ints1d) -> Windows:
    """RETURNS (Windows): One for each sequence of these lengths."""
    tokens = numpy.arange(lengths.sum())
    return Windows(lengths, tokens, tokens)


def cut_windows(lengths: Ints1d, core: int = CORE, context: int = CONTEXT) -> Windows:
    """Cut the sequences that are long into windows of about the same length.

    lengths (Ints1d): (sequences,) tokens of each, a numpy array.
    core (int): Most tokens of a window that count.
    context (int): Tokens that it has on either side of these, where there are any.
    RETURNS (Windows): The windows. Sequences of up to `core + 2 * context` tokens stay whole.
    """
    lengths = numpy.asarray(lengths, dtype="int64")
    whole = lengths <= core + 2 * context
    if whole.all():
        return whole_sequences(lengths)
    n_windows = numpy.where(whole, 1, -(-lengths // core))
    sequence = numpy.repeat(numpy.arange(len(lengths)), n_windows)
    number = numpy.arange(len(sequence)) - (numpy.cumsum(n_windows) - n_windows)[sequence]
    # Where the part that counts begins and ends, and the window with its context.
    length, parts = lengths[sequence], n_windows[sequence]
    first, last = length * number // parts, length * (number + 1) // parts
    start = numpy.maximum(first - context, 0)
    end = numpy.minimum(last + context, length)
    offset = (numpy.cumsum(lengths) - lengths)[sequence]
    sizes = end - start
    row = numpy.cumsum(sizes) - sizes
    return Windows(
        sizes, _ranges(offset + start, sizes), _ranges(row + first - start, last - first)
    )


def _ranges(starts: Ints1d, sizes: Ints1d) -> Ints1d:
    """RETURNS (Ints1d): From each start on, so many numbers."""
    ends = numpy.cumsum(sizes)
    return numpy.arange(ends[-1] if len(ends) else 0) + numpy.repeat(starts - ends + sizes, sizes)
