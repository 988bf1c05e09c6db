"""What was computed of word forms, kept from call to call in so many bytes."""

from typing import Callable, NamedTuple, Tuple

import numpy
from thinc.types import Floats1d, Floats2d, Ints1d

from ..forks import Shared

# Tokens after which a look-up counts half as much: what dropped fewest forms of CoNLL-2003 and
# newsroom, of 5,000 to 300,000.
HALF_LIFE = 100_000
# The share of the forms that stay when there is no more room.
KEPT_SHARE = 0.8


class _Contents(NamedTuple):
    """Replaced as a whole: the rows of its forms stay as they are, so reading needs no lock.

    forms (Ints1d): (forms,) uint64, ascending.
    rows (Ints1d): (forms,) int64 each form's row, all below the number of forms.
    table (Floats2d): (capacity, width) float32.
    scores (Floats1d): (capacity,) how often, and how lately, each row was looked up.
    """

    forms: Ints1d
    rows: Ints1d
    table: Floats2d
    scores: Floats1d

    def find(self, forms: Ints1d) -> Ints1d:
        """RETURNS (Ints1d): The rows of forms, -1 for those that are not there."""
        if not len(self.forms):
            return numpy.full(len(forms), -1)
        places = numpy.searchsorted(self.forms, forms)
        places[places == len(self.forms)] = 0
        return numpy.where(self.forms[places] == forms, self.rows[places], -1)

    def with_forms(self, forms: Ints1d, values: Floats2d) -> "_Contents":
        """RETURNS (_Contents): With new forms, ascending, in rows that were not used."""
        start, end = len(self.forms), len(self.forms) + len(forms)
        self.table[start:end], self.scores[start:end] = values, 0
        places = numpy.searchsorted(self.forms, forms)
        return self._replace(
            forms=numpy.insert(self.forms, places, forms),
            rows=numpy.insert(self.rows, places, numpy.arange(start, end)),
        )

    def best(self, n_forms: int) -> "_Contents":
        """RETURNS (_Contents): A copy with the forms that have the highest scores."""
        kept = numpy.argsort(-self.scores[self.rows], kind="stable")[:n_forms]
        kept.sort()
        contents = _empty(*self.table.shape)
        contents.table[: len(kept)] = self.table[self.rows[kept]]
        contents.scores[: len(kept)] = self.scores[self.rows[kept]]
        rows = numpy.arange(len(kept), dtype="int64")
        return contents._replace(forms=self.forms[kept], rows=rows)


def _empty(capacity: int, width: int) -> _Contents:
    nothing = numpy.zeros(0, dtype="int64")
    # Rows that nothing has been written to take no memory.
    table = numpy.empty((capacity, width), dtype="float32")
    return _Contents(nothing.astype("uint64"), nothing, table, numpy.zeros(capacity))


class FormCache(Shared):
    """A table with a row of numbers for each word form.

    Where there is no more room, the fifth of the forms is dropped that was looked up least, as with
    LRFU (Lee et al. 2001, "LRFU: A Spectrum of Policies that Subsumes the Least Recently Used and
    Least Frequently Used Policies"). A look-up counts less and less the longer ago it was.
    """

    def __init__(self, width: int, max_bytes: int) -> None:
        """Make an empty cache.

        width (int): Numbers in a row.
        max_bytes (int): The most that the rows take, if that is enough for one. While forms are
            dropped, and until threads that read them are done, it is twice as much.
        """
        self.capacity = max(max_bytes // (4 * width), 1)
        self._contents = _empty(self.capacity, width)
        self._weight = 1.0
        super().__init__()

    def __len__(self) -> int:
        return len(self._contents.forms)

    def look_up(
        self, forms: Ints1d, compute: Callable[[Ints1d], Floats2d]
    ) -> Tuple[Floats2d, Ints1d]:
        """Find the rows of forms, and compute those that are not there. These rows stay as they are
        for whoever holds the table, whatever other threads look up.

        forms (Ints1d): (tokens,) uint64.
        compute (Callable[[Ints1d], Floats2d]): Returns (forms, width) float32 for distinct forms,
            ascending.
        RETURNS (Tuple[Floats2d, Ints1d]): A table (rows, width) and each token's row in it, int64.
        """
        contents = self._contents
        rows = contents.find(forms)
        known = rows >= 0
        self._count(contents, rows[known])
        if known.all():
            return contents.table, rows
        missing = numpy.unique(forms[~known])
        values = compute(missing)
        with self._lock:
            latest = self._contents = self._with_forms(missing, values)
        rows = latest.find(forms)
        if (rows >= 0).all():
            self._count(latest, rows[~known])
            return latest.table, rows
        # There is no room for all of them, or another thread has dropped some.
        distinct, rows = numpy.unique(forms, return_inverse=True)
        table = numpy.empty((len(distinct), values.shape[1]), dtype="float32")
        computed = numpy.isin(distinct, missing)
        table[computed] = values
        table[~computed] = contents.table[contents.find(distinct[~computed])]
        return table, rows.astype("int64", copy=False)

    def _with_forms(self, forms: Ints1d, values: Floats2d) -> _Contents:
        """RETURNS (_Contents): The contents with these forms, if they fit in at all."""
        contents = self._contents
        new = contents.find(forms) < 0  # another thread may have added some
        n_new = int(new.sum())
        if n_new > self.capacity:
            return contents
        if len(contents.forms) + n_new > self.capacity:
            contents = contents.best(min(int(KEPT_SHARE * self.capacity), self.capacity - n_new))
        return contents.with_forms(forms[new], values[new])

    def _count(self, contents: _Contents, rows: Ints1d) -> None:
        """Count a look-up. Threads may come between: these are only counts."""
        contents.scores[rows] += self._weight
        self._weight *= 2 ** (len(rows) / HALF_LIFE)
        if self._weight > 1e100:
            contents.scores[:] /= self._weight
            self._weight = 1.0
