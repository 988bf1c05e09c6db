"""Put a ragged batch into time-major order, so that one step processes all sequences at once."""

from dataclasses import dataclass
from typing import Iterator, Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import ArrayXd, Floats1d, Ints1d


@dataclass(frozen=True)
class Packing:
    """The rows of a ragged batch, sorted by position in the sequence, then by decreasing length.

    Step t has the t-th token of each sequence that is long enough. The longest sequences come
    first, so the sequences of step t are the first ones of step t - 1.

    rows (Ints1d): (tokens,) the ragged row of each packed row.
    reversed_rows (Ints1d): (tokens,) the same for reversed sequences.
    sequences (Ints1d): (tokens,) the sequence of each packed row.
    previous (Ints1d): (tokens - sequences,) for each packed row after the first step, the packed
        row of the token before.
    offsets (Ints1d): (steps + 1,) the first packed row of each step; a numpy array.
    last (Ints1d): (sequences with a token,) the packed rows of last tokens.
    """

    rows: Ints1d
    reversed_rows: Ints1d
    sequences: Ints1d
    previous: Ints1d
    offsets: Ints1d
    last: Ints1d

    def steps(self) -> Iterator[Tuple[slice, slice]]:
        """Iterate over the steps after the first.

        YIELDS (Tuple[slice, slice]): The packed rows of a step, and the rows of the same sequences
            in the step before.
        """
        bounds = self.offsets.tolist()
        for before, start, end in zip(bounds, bounds[1:], bounds[2:], strict=False):
            yield slice(start, end), slice(before, before + end - start)

    @property
    def first(self) -> slice:
        """The packed rows of the first step."""
        return slice(0, int(self.offsets[1]) if len(self.offsets) > 1 else 0)


def pack(lengths: Ints1d, xp=numpy) -> Packing:
    """Compute the time-major order of a ragged batch.

    lengths (Ints1d): (sequences,) tokens per sequence, zeros allowed, a numpy array.
    xp (module): The array module of the result, numpy or cupy.
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
    """Sum the values of the tokens of each sequence.

    values (ArrayXd): (tokens,) numeric or bool, in any order.
    sequences (Ints1d): (tokens,) the sequence of each value.
    n_sequences (int): The number of sequences.
    RETURNS (Floats1d): (sequences,) float64.
    """
    xp = get_array_module(sequences)
    weights = xp.asarray(values).astype("float64")
    # Without tokens, numpy returns integers.
    return xp.bincount(sequences, weights=weights, minlength=n_sequences).astype("float64")
