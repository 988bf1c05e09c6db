"""What was computed of word forms, kept from call to call in so many bytes."""

from contextlib import contextmanager
from typing import Callable, Dict, Iterator, NamedTuple, Tuple

import numpy
from thinc.types import Floats2d, Ints1d

from ..forks import Shared

# Tokens after which it counts half as much that a form was asked for: what dropped fewest forms of
# CoNLL-2003 and newsroom, of 5,000 to 300,000.
HALF_LIFE = 100_000


class _Contents(NamedTuple):
    """Replaced as a whole, so that a process that is forked meanwhile finds all or nothing.

    forms (Ints1d): (forms,) uint64, ascending.
    rows (Ints1d): (forms,) int64 where each stands in the table.
    free (Ints1d): (capacity - forms,) int64 the other rows.
    """

    forms: Ints1d
    rows: Ints1d
    free: Ints1d

    def find(self, forms: Ints1d) -> Ints1d:
        """RETURNS (Ints1d): The rows of forms, -1 for those that are not there."""
        if not len(self.forms):
            return numpy.full(len(forms), -1)
        places = numpy.searchsorted(self.forms, forms)
        places[places == len(self.forms)] = 0
        return numpy.where(self.forms[places] == forms, self.rows[places], -1)

    def without(self, places: Ints1d) -> "_Contents":
        """RETURNS (_Contents): Without the forms at these places, whose rows are free."""
        forms, rows = (numpy.delete(array, places) for array in (self.forms, self.rows))
        return _Contents(forms, rows, numpy.concatenate((self.free, self.rows[places])))

    def with_forms(self, forms: Ints1d) -> "_Contents":
        """RETURNS (_Contents): With new forms, ascending, in the first free rows."""
        new, free = numpy.split(self.free, [len(forms)])
        places = numpy.searchsorted(self.forms, forms)
        return _Contents(
            numpy.insert(self.forms, places, forms), numpy.insert(self.rows, places, new), free
        )


class FormCache(Shared):
    """A table with a row of numbers for each word form.

    Where there is no more room, the forms are dropped that were asked for least, as with LRFU (Lee
    et al. 2001, "LRFU: A Spectrum of Policies that Subsumes the Least Recently Used and Least
    Frequently Used Policies"): a call counts once, and less and less the longer ago it was.
    """

    def __init__(self, width: int, max_bytes: int) -> None:
        """Start empty.

        width (int): Numbers in a row.
        max_bytes (int): The most that the rows take, if that is enough for one.
        """
        self.capacity = max(max_bytes // (4 * width), 1)
        # Rows that nobody has written to take no memory.
        self._table = numpy.empty((self.capacity, width), dtype="float32")
        nothing = numpy.zeros(0, dtype="int64")
        self._contents = _Contents(
            nothing.astype("uint64"), nothing, numpy.arange(self.capacity, dtype="int64")
        )
        self._scores = numpy.zeros(self.capacity)
        self._weight = 1.0
        # For everything here but `compute`, which other threads need not wait for.
        super().__init__()
        self._pinned: Dict[object, Ints1d] = {}

    def __len__(self) -> int:
        return len(self._contents.forms)

    @contextmanager
    def look_up(
        self, forms: Ints1d, compute: Callable[[Ints1d], Floats2d]
    ) -> Iterator[Tuple[Floats2d, Ints1d]]:
        """Find the rows of forms, and compute those that are not there. While the context is open,
        these rows stay as they are, whatever other threads ask for. If there is no room for them
        all beside the rows that other threads hold, they are copied and nothing is kept.

        forms (Ints1d): (tokens,) uint64.
        compute (Callable[[Ints1d], Floats2d]): Gives (forms, width) float32 for distinct forms,
            ascending.
        YIELDS (Tuple[Floats2d, Ints1d]): A table (rows, width) and each token's row in it, int64.
        """
        reader = object()
        try:
            with self._lock:
                rows = self._contents.find(forms)
                known = rows >= 0
                self._pinned[reader] = rows[known]
            table = self._table
            if not known.all():
                missing = numpy.unique(forms[~known])
                values = compute(missing)
                with self._lock:
                    if self._add(missing, values):
                        rows = self._contents.find(forms)
                        self._pinned[reader] = rows
                    else:
                        table, rows = self._copied(forms, missing, values)
            if table is self._table:
                self._count(rows)
            yield table, rows
        finally:
            with self._lock:
                self._pinned.pop(reader, None)

    def after_fork(self) -> None:
        """Forget the readers of other threads, in a process that was forked."""
        self._pinned.clear()

    def _add(self, forms: Ints1d, values: Floats2d) -> bool:
        """Add forms, unless another thread has done so.

        RETURNS (bool): Whether there was room.
        """
        places = self._contents.find(forms)
        new = places < 0
        if not self._make_room(int(new.sum()), places[~new]):
            return False
        contents = self._contents.with_forms(forms[new])
        rows = self._contents.free[: int(new.sum())]
        self._table[rows], self._scores[rows] = values[new], 0
        self._contents = contents
        return True

    def _make_room(self, n_rows: int, wanted: Ints1d) -> bool:
        """Free so many rows, but none that is wanted or pinned.

        RETURNS (bool): Whether that was possible.
        """
        contents = self._contents
        n_dropped = n_rows - len(contents.free)
        if n_dropped <= 0:
            return True
        needed = numpy.zeros(self.capacity, dtype=bool)
        for rows in (wanted, *self._pinned.values()):
            needed[rows] = True
        (places,) = numpy.nonzero(~needed[contents.rows])
        if len(places) < n_dropped:
            return False
        scores = self._scores[contents.rows[places]]
        lowest = numpy.argpartition(scores, n_dropped - 1)[:n_dropped]
        self._contents = contents.without(places[lowest])
        return True

    def _copied(self, forms: Ints1d, missing: Ints1d, values: Floats2d) -> Tuple[Floats2d, Ints1d]:
        """RETURNS (Tuple[Floats2d, Ints1d]): A table of these forms alone, and each one's row."""
        distinct, rows = numpy.unique(forms, return_inverse=True)
        table = numpy.empty((len(distinct), values.shape[1]), dtype="float32")
        computed = numpy.isin(distinct, missing)
        table[computed] = values
        table[~computed] = self._table[self._contents.find(distinct[~computed])]
        return table, rows.astype("int64", copy=False)

    def _count(self, rows: Ints1d) -> None:
        """Remember that rows were asked for. Threads may come between: these are only counts."""
        self._scores[rows] += self._weight
        self._weight *= 2 ** (len(rows) / HALF_LIFE)
        if self._weight > 1e100:
            self._scores /= self._weight
            self._weight = 1.0
