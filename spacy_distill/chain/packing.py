"""Time-major order of a ragged batch, so that one step serves all sequences at once."""

from dataclasses import dataclass
from typing import Iterator, Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import ArrayXd, Floats1d, Ints1d


@dataclass(frozen=True)
class Packing:
    """The rows of a ragged batch, sorted by position in the sequence and then by falling length.

    Step t holds the t-th token of each sequence that is long enough; since the longest sequences
    come first, its sequences are always the first ones of step t - 1.

    rows (Ints1d): (tokens,) the ragged row that stands at each packed row.
    reversed_rows (Ints1d): (tokens,) the same for sequences read from their last token.
    sequences (Ints1d): (tokens,) the sequence to which each packed row belongs.
    previous (Ints1d): (tokens - sequences,) the packed row of the token before, for each packed row
        after the first step.
    offsets (Ints1d): (steps + 1,) where each step starts in the packed rows; a numpy array.
    last (Ints1d): (sequences with a token,) the packed rows of last tokens.
    """

    rows: Ints1d
    reversed_rows: Ints1d
    sequences: Ints1d
    previous: Ints1d
    offsets: Ints1d
    last: Ints1d

    def steps(self) -> Iterator[Tuple[slice, slice]]:
        """Go through the steps after the first.

        YIELDS (Tuple[slice, slice]): The packed rows of a step, and those of the same sequences in
            the step before.
        """
        bounds = self.offsets.tolist()
        for before, start, end in zip(bounds, bounds[1:], bounds[2:], strict=False):
            yield slice(start, end), slice(before, before + end - start)

    @property
    def first(self) -> slice:
        """The packed rows of the first step: every sequence that has a token."""
        return slice(0, int(self.offsets[1]) if len(self.offsets) > 1 else 0)


def pack(lengths: Ints1d, xp=numpy) -> Packing:
    """Find the time-major order of a ragged batch.

    lengths (Ints1d): (sequences,) tokens per sequence, zeros allowed, a numpy array.
    xp (module): Where the order is to be used, numpy or cupy.
    RETURNS (Packing): The order.
    """
    lengths = numpy.asarray(lengths, dtype="int64")
    order = numpy.argsort(-lengths, kind="stable")
    n_steps = int(lengths.max(initial=0))
    sizes = len(lengths) - numpy.searchsorted(numpy.sort(lengths), numpy.arange(n_steps), "right")
    offsets = numpy.concatenate([[0], numpy.cumsum(sizes)]).astype("int64")
    step = numpy.repeat(numpy.arange(n_steps), sizes)
    sequences = order[numpy.arange(len(step)) - offsets[step]]
    starts = numpy.cumsum(lengths) - lengths
    rows = starts[sequences] + step
    reversed_rows = starts[sequences] + lengths[sequences] - 1 - step
    n_first = int(sizes[0]) if n_steps else 0
    previous = numpy.arange(n_first, len(rows)) - numpy.repeat(sizes[:-1], sizes[1:])
    return Packing(
        xp.asarray(rows),
        xp.asarray(reversed_rows),
        xp.asarray(sequences),
        xp.asarray(previous),
        offsets,
        xp.asarray(numpy.flatnonzero(step + 1 == lengths[sequences])),
    )


def sum_by_sequence(values: ArrayXd, sequences: Ints1d, n_sequences: int) -> Floats1d:
    """Sum the values of each sequence's tokens.

    values (ArrayXd): (tokens,) numbers or bool, in any order.
    sequences (Ints1d): (tokens,) the sequence to which each belongs.
    n_sequences (int): The number of sequences.
    RETURNS (Floats1d): (sequences,) float64.
    """
    xp = get_array_module(sequences)
    weights = xp.asarray(values).astype("float64")
    # Of no tokens at all, numpy counts in integers.
    return xp.bincount(sequences, weights=weights, minlength=n_sequences).astype("float64")
