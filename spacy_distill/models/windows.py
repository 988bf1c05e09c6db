"""Cut long sequences into overlapping windows, which are encoded as sequences of one batch."""

from dataclasses import dataclass

import numpy
from thinc.types import Ints1d

# In a BiLSTM distant tokens have little effect. docs/performance.md shows how many entities of long
# documents do not change with this context.
CORE, CONTEXT = 256, 32
# The length from which on sequences are cut.
LONGEST_WHOLE = CORE + 2 * CONTEXT


@dataclass(frozen=True)
class Windows:
    """The windows of a batch, concatenated. A short sequence is a single window.

    lengths (Ints1d): (windows,) int64, the number of rows of each window.
    rows (Ints1d): (rows,) int64, the token of each row.
    kept (Ints1d): (tokens,) int64, for each token its row in the window that has context around it.
    """

    lengths: Ints1d
    rows: Ints1d
    kept: Ints1d


def cut_windows(lengths: Ints1d, core: int = CORE, context: int = CONTEXT) -> Windows:
    """Cut long sequences into windows of similar lengths. Sequences of up to `core + 2 * context`
    tokens are not cut.

    lengths (Ints1d): (sequences,) tokens per sequence, a numpy array.
    core (int): The maximum number of tokens of a window whose output is used.
    context (int): The number of context tokens on each side, if the sequence has so many.
    RETURNS (Windows): The windows.
    """
    lengths = numpy.asarray(lengths, dtype="int64")
    whole = lengths <= core + 2 * context
    n_windows = numpy.where(whole, 1, -(-lengths // core))
    sequence = numpy.repeat(numpy.arange(len(lengths)), n_windows)
    index = numpy.arange(len(sequence)) - (numpy.cumsum(n_windows) - n_windows)[sequence]
    # The core of a window goes from `first` to `last`, the window from `start` to `end`.
    length, parts = lengths[sequence], n_windows[sequence]
    first, last = length * index // parts, length * (index + 1) // parts
    start = numpy.maximum(first - context, 0)
    end = numpy.minimum(last + context, length)
    offset = (numpy.cumsum(lengths) - lengths)[sequence]
    sizes = end - start
    row = numpy.cumsum(sizes) - sizes
    return Windows(
        sizes, _ranges(offset + start, sizes), _ranges(row + first - start, last - first)
    )


def _ranges(starts: Ints1d, sizes: Ints1d) -> Ints1d:
    """RETURNS (Ints1d): The concatenated ranges from each start, of each size."""
    ends = numpy.cumsum(sizes)
    return numpy.arange(ends[-1] if len(ends) else 0) + numpy.repeat(starts - ends + sizes, sizes)
