"""What was computed of word forms, kept from call to call in so many bytes."""

import mmap
import os
from threading import Lock
from typing import Callable, NamedTuple, Tuple
from weakref import WeakSet

import numpy
from thinc.types import Floats2d, Ints1d


class _Generation(NamedTuple):
    """Replaced as a whole, so that a thread that only reads needs no lock.

    forms (Ints1d): (forms,) uint64, ascending.
    rows (Ints1d): (forms,) int64 where each stands in the table.
    table (Floats2d): (capacity, width) float32; rows without a form are free.
    """

    forms: Ints1d
    rows: Ints1d
    table: Floats2d

    @classmethod
    def empty(cls, capacity: int, width: int) -> "_Generation":
        # Pages of its own: those that nobody has written to take no memory, and all go back to the
        # system, which malloc may keep from it.
        pages = mmap.mmap(-1, 4 * capacity * width)
        table = numpy.frombuffer(pages, dtype="float32").reshape(capacity, width)
        return cls(numpy.zeros(0, dtype="uint64"), numpy.zeros(0, dtype="int64"), table)

    def find(self, forms: Ints1d) -> Ints1d:
        """RETURNS (Ints1d): The rows of forms, -1 for those that are not there."""
        if not len(self.forms):
            return numpy.full(len(forms), -1)
        places = numpy.searchsorted(self.forms, forms)
        places[places == len(self.forms)] = 0
        return numpy.where(self.forms[places] == forms, self.rows[places], -1)

    def with_values(self, forms: Ints1d, values: Floats2d) -> "_Generation":
        """RETURNS (_Generation): With new forms, ascending, in rows that were free."""
        start, end = len(self.forms), len(self.forms) + len(forms)
        self.table[start:end] = values
        places = numpy.searchsorted(self.forms, forms)
        return self._replace(
            forms=numpy.insert(self.forms, places, forms),
            rows=numpy.insert(self.rows, places, numpy.arange(start, end)),
        )


_CACHES: "WeakSet[FormCache]" = WeakSet()


class FormCache:
    """A table with a row of numbers for each word form.

    There are two generations of rows. What is asked for stands in the young one, copied from the
    old one or computed. A young one without room becomes the old one, and the rows of the old one
    that nobody asked for meanwhile are dropped.
    """

    def __init__(self, width: int, max_bytes: int) -> None:
        """Start empty.

        width (int): Numbers in a row.
        max_bytes (int): The most that the rows take, half of it for each generation. A call with
            more forms than a generation has room for is answered, and nothing of it is kept.
        """
        _CACHES.add(self)
        self.capacity = max(max_bytes // 2 // (4 * width), 1)
        self._lock = Lock()
        self._young = self._old = _Generation.empty(self.capacity, width)

    def __len__(self) -> int:
        return len(numpy.union1d(self._young.forms, self._old.forms))

    def look_up(
        self, forms: Ints1d, compute: Callable[[Ints1d], Floats2d]
    ) -> Tuple[Floats2d, Ints1d]:
        """Find the rows of forms, and compute those that are not there.

        forms (Ints1d): (tokens,) uint64.
        compute (Callable[[Ints1d], Floats2d]): Gives (forms, width) float32 for distinct forms.
        RETURNS (Tuple[Floats2d, Ints1d]): A table (rows, width) and each token's row in it.
        """
        young = self._young
        rows = young.find(forms)
        if rows.min(initial=0) < 0:
            with self._lock:
                young = self._with(forms, compute)
            rows = young.find(forms)
        return young.table, rows

    def _with(self, forms: Ints1d, compute: Callable[[Ints1d], Floats2d]) -> _Generation:
        young, old = self._young, self._old
        missing = numpy.unique(forms[young.find(forms) < 0])
        if not len(missing):
            return young  # another thread has added them
        if len(young.forms) + len(missing) > self.capacity:
            missing = numpy.unique(forms)
            if len(missing) > self.capacity:
                values = compute(missing)
                return _Generation.empty(*values.shape).with_values(missing, values)
            young, old = _Generation.empty(*young.table.shape), young
        places = old.find(missing)
        known = places >= 0
        young = young.with_values(missing[known], old.table[places[known]])
        if not known.all():
            young = young.with_values(missing[~known], compute(missing[~known]))
        self._young, self._old = young, old
        return young


def _renew_locks() -> None:
    # A process that is forked while a thread computes has the lock, and nobody to open it.
    for cache in _CACHES:
        cache._lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
