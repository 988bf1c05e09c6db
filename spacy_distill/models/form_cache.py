"""A cache of vectors that were computed for word forms, with limited memory."""

import mmap
from typing import Any, Callable, Dict, NamedTuple, Tuple

import numpy
from thinc.types import Floats1d, Floats2d, Ints1d

from ..forks import ForkSafe

# The number of tokens after which the weight of a look-up is halved. Of values from 5,000 to
# 300,000, this one had the fewest cache misses on CoNLL-2003 and newsroom.
HALF_LIFE = 100_000
# The share of the forms that are kept when the cache is full.
KEPT_SHARE = 0.8


class _Contents(NamedTuple):
    """The contents of a cache. They are replaced as a whole, and rows in use never change, so
    threads can read them without a lock.

    forms (Ints1d): (forms,) uint64, ascending.
    rows (Ints1d): (forms,) int64, the row of each form; less than the number of forms.
    table (Floats2d): (capacity, width) float32.
    scores (Floats1d): (capacity,) sums of the weights of each row's look-ups; recent ones weigh
        more.
    """

    forms: Ints1d
    rows: Ints1d
    table: Floats2d
    scores: Floats1d

    def find(self, forms: Ints1d) -> Ints1d:
        """RETURNS (Ints1d): The rows of forms, -1 for missing forms."""
        if not len(self.forms):
            return numpy.full(len(forms), -1)
        places = numpy.searchsorted(self.forms, forms)
        places[places == len(self.forms)] = 0
        return numpy.where(self.forms[places] == forms, self.rows[places], -1)

    def with_forms(self, forms: Ints1d, values: Floats2d) -> "_Contents":
        """RETURNS (_Contents): The contents with new forms, ascending, added in unused rows."""
        start, end = len(self.forms), len(self.forms) + len(forms)
        self.table[start:end], self.scores[start:end] = values, 0
        places = numpy.searchsorted(self.forms, forms)
        return self._replace(
            forms=numpy.insert(self.forms, places, forms),
            rows=numpy.insert(self.rows, places, numpy.arange(start, end)),
        )

    def most_used(self, n_forms: int) -> "_Contents":
        """RETURNS (_Contents): A copy with the `n_forms` forms that have the highest scores."""
        kept = numpy.argsort(-self.scores[self.rows], kind="stable")[:n_forms]
        kept.sort()
        contents = _empty(*self.table.shape)
        # Without a copy in between, which "raise" would make.
        self.table.take(self.rows[kept], axis=0, out=contents.table[: len(kept)], mode="clip")
        contents.scores[: len(kept)] = self.scores[self.rows[kept]]
        rows = numpy.arange(len(kept), dtype="int64")
        return contents._replace(forms=self.forms[kept], rows=rows)


def _empty(capacity: int, width: int) -> _Contents:
    rows = numpy.zeros(0, dtype="int64")
    # Mapped memory, since malloc keeps what a thread has freed. A page takes memory from its first
    # write until the table is gone. A forked process has pages of its own.
    options: Dict[str, Any] = {}
    if hasattr(mmap, "MAP_PRIVATE"):  # not on Windows, which does not fork
        options["flags"] = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    memory = mmap.mmap(-1, max(4 * capacity * width, 1), **options)
    table = numpy.frombuffer(memory, dtype="float32", count=capacity * width)
    return _Contents(
        rows.astype("uint64"), rows, table.reshape(capacity, width), numpy.zeros(capacity)
    )


class FormCache(ForkSafe):
    """A cache with a vector for each word form.

    When it is full, the fifth of the forms with the lowest scores is dropped. A score is a sum over
    the look-ups of a form; their weights decay with time (LRFU: Lee et al. 2001, "LRFU: A Spectrum
    of Policies that Subsumes the Least Recently Used and Least Frequently Used Policies").
    """

    def __init__(self, width: int, max_bytes: int) -> None:
        """Create an empty cache.

        width (int): The width of the vectors.
        max_bytes (int): The maximum memory of the vectors; there is always room for one. Twice as
            much is used while forms are dropped, and until other threads have finished reading.
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
        """Look up the vectors of forms, and compute the missing ones. The returned rows never
        change, even if other threads use the cache.

        forms (Ints1d): (tokens,) uint64.
        compute (Callable[[Ints1d], Floats2d]): Computes the vectors of distinct forms in ascending
            order, (forms, width) float32.
        RETURNS (Tuple[Floats2d, Ints1d]): A table, (rows, width), and the row of each token in it,
            (tokens,) int64.
        """
        contents = self._contents
        rows = contents.find(forms)
        known = rows >= 0
        self._count_look_ups(contents, rows[known])
        if known.all():
            return contents.table, rows
        missing = numpy.unique(forms[~known])
        values = compute(missing)
        with self._lock:
            latest = self._contents = self._with_forms(missing, values)
        rows = latest.find(forms)
        if (rows >= 0).all():
            self._count_look_ups(latest, rows[~known])
            return latest.table, rows
        # The forms do not all fit into the cache, or another thread has dropped some.
        distinct, rows = numpy.unique(forms, return_inverse=True)
        table = numpy.empty((len(distinct), values.shape[1]), dtype="float32")
        computed = numpy.isin(distinct, missing)
        table[computed] = values
        table[~computed] = contents.table[contents.find(distinct[~computed])]
        return table, rows.astype("int64", copy=False)

    def _with_forms(self, forms: Ints1d, values: Floats2d) -> _Contents:
        """RETURNS (_Contents): The contents with these forms added; unchanged if they do not
        fit."""
        contents = self._contents
        new = contents.find(forms) < 0  # another thread may have added some
        n_new = int(new.sum())
        if n_new > self.capacity:
            return contents
        if len(contents.forms) + n_new > self.capacity:
            n_kept = min(int(KEPT_SHARE * self.capacity), self.capacity - n_new)
            contents = contents.most_used(n_kept)
        return contents.with_forms(forms[new], values[new])

    def _count_look_ups(self, contents: _Contents, rows: Ints1d) -> None:
        """Count the look-ups of rows. Without a lock: lost counts of other threads do no harm."""
        contents.scores[rows] += self._weight
        self._weight *= 2 ** (len(rows) / HALF_LIFE)
        if self._weight > 1e100:
            contents.scores[:] /= self._weight
            self._weight = 1.0
