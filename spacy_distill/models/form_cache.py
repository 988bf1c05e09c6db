"""What was computed of word forms, kept from call to call in so many bytes."""

import os
from threading import Lock
from typing import Callable, NamedTuple, Tuple
from weakref import WeakSet

import numpy
from thinc.types import Floats2d, Ints1d

# 16,000 forms of the default student. Few texts have more forms that come again and again.
MAX_BYTES = 50 * 2**20


class _Known(NamedTuple):
    """Replaced as a whole, so that a thread that only reads needs no lock.

    forms (Ints1d): (forms,) uint64, ascending.
    rows (Ints1d): (forms,) int64 where each stands in the table.
    table (Floats2d): (capacity, width) float32; rows without a form are free.
    """

    forms: Ints1d
    rows: Ints1d
    table: Floats2d

    def find(self, forms: Ints1d) -> Ints1d:
        """RETURNS (Ints1d): The rows of forms, -1 for those that are not there."""
        if not len(self.forms):
            return numpy.full(len(forms), -1)
        places = numpy.searchsorted(self.forms, forms)
        places[places == len(self.forms)] = 0
        return numpy.where(self.forms[places] == forms, self.rows[places], -1)


_CACHES: "WeakSet[FormCache]" = WeakSet()


class FormCache:
    """A table with a row of numbers for each word form."""

    def __init__(self, width: int, max_bytes: int = MAX_BYTES) -> None:
        """Start empty.

        width (int): Numbers in a row.
        max_bytes (int): The most that the table takes. When it is full, it starts anew.
        """
        _CACHES.add(self)
        self.capacity = max(max_bytes // (4 * width), 1)
        self._lock = Lock()
        self._known = _Known(
            numpy.zeros(0, dtype="uint64"),
            numpy.zeros(0, dtype="int64"),
            numpy.zeros((0, width), dtype="float32"),
        )

    def __len__(self) -> int:
        return len(self._known.forms)

    def look_up(
        self, forms: Ints1d, compute: Callable[[Ints1d], Floats2d]
    ) -> Tuple[Floats2d, Ints1d]:
        """Find the rows of forms, and compute those that are not there.

        forms (Ints1d): (tokens,) uint64.
        compute (Callable[[Ints1d], Floats2d]): Gives (forms, width) float32 for distinct forms.
        RETURNS (Tuple[Floats2d, Ints1d]): A table (rows, width) and each token's row in it.
        """
        known = self._known
        rows = known.find(forms)
        if rows.min(initial=0) < 0:
            with self._lock:
                known = self._with(forms, compute)
            rows = known.find(forms)
        return known.table, rows

    def _with(self, forms: Ints1d, compute: Callable[[Ints1d], Floats2d]) -> _Known:
        known = self._known
        missing = numpy.unique(forms[known.find(forms) < 0])
        if not len(missing):
            return known  # another thread has added them
        if len(known.forms) + len(missing) > self.capacity:
            missing = numpy.unique(forms)
            known = _Known(known.forms[:0], known.rows[:0], known.table[:0])
        values = compute(missing)
        if len(missing) > self.capacity:
            return _Known(missing, numpy.arange(len(missing)), values)
        n_known = len(known.forms)
        size = n_known + len(missing)
        table = known.table
        if size > len(table):
            grown = min(max(2 * size, 1024), self.capacity)
            table = numpy.empty((grown, table.shape[1]), dtype="float32")
            table[:n_known] = known.table[:n_known]
        table[n_known:size] = values
        places = numpy.searchsorted(known.forms, missing)
        self._known = _Known(
            numpy.insert(known.forms, places, missing),
            numpy.insert(known.rows, places, numpy.arange(n_known, size)),
            table,
        )
        return self._known


def _renew_locks() -> None:
    # A process that is forked while a thread computes has the lock, and nobody to open it.
    for cache in _CACHES:
        cache._lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
