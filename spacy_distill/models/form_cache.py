"""What was computed of word forms, kept from call to call in so many bytes."""

import os
from threading import Lock
from typing import Callable, NamedTuple, Tuple
from weakref import WeakSet

import numpy
from thinc.types import Floats2d, Ints1d

# 3,900 forms of the default student, so that a process takes no more memory than with
# en_core_web_sm (docs/performance.md). More would be faster where a text has many forms.
MAX_BYTES = 12 * 2**20


class _Known(NamedTuple):
    """Replaced as a whole, so that a thread that only reads needs no lock.

    forms (Ints1d): (forms,) uint64, ascending.
    rows (Ints1d): (forms,) int64 where each stands in the table.
    table (Floats2d): (capacity, width) float32; rows without a form are free.
    used (Ints1d): (capacity,) int64 when each row was asked for; written in place.
    """

    forms: Ints1d
    rows: Ints1d
    table: Floats2d
    used: Ints1d

    @classmethod
    def empty(cls, capacity: int, width: int) -> "_Known":
        # Rows that nobody has written to take no memory.
        return cls(
            numpy.zeros(0, dtype="uint64"),
            numpy.zeros(0, dtype="int64"),
            numpy.empty((capacity, width), dtype="float32"),
            numpy.zeros(capacity, dtype="int64"),
        )

    def find(self, forms: Ints1d) -> Ints1d:
        """RETURNS (Ints1d): The rows of forms, -1 for those that are not there."""
        if not len(self.forms):
            return numpy.full(len(forms), -1)
        places = numpy.searchsorted(self.forms, forms)
        places[places == len(self.forms)] = 0
        return numpy.where(self.forms[places] == forms, self.rows[places], -1)

    def recent(self, number: int, wanted: Ints1d) -> "_Known":
        """RETURNS (_Known): So many of the forms, in arrays of their own: those of the wanted rows,
        and of the others those that were asked for last."""
        used = self.used.copy()  # other threads write to it
        used[wanted] = used.max() + 1
        last_used = numpy.argsort(-used[self.rows], kind="stable")[:number]
        chosen = numpy.sort(last_used)
        rows = self.rows[chosen]
        fewer = _Known.empty(*self.table.shape)
        fewer.table[: len(chosen)] = self.table[rows]
        fewer.used[: len(chosen)] = self.used[rows]
        return fewer._replace(forms=self.forms[chosen], rows=numpy.arange(len(chosen)))

    def with_values(self, forms: Ints1d, values: Floats2d) -> "_Known":
        """RETURNS (_Known): With new forms, ascending, in rows that were free."""
        start, end = len(self.forms), len(self.forms) + len(forms)
        self.table[start:end] = values
        places = numpy.searchsorted(self.forms, forms)
        return self._replace(
            forms=numpy.insert(self.forms, places, forms),
            rows=numpy.insert(self.rows, places, numpy.arange(start, end)),
        )


_CACHES: "WeakSet[FormCache]" = WeakSet()


class FormCache:
    """A table with a row of numbers for each word form."""

    def __init__(self, width: int, max_bytes: int = MAX_BYTES) -> None:
        """Start empty.

        width (int): Numbers in a row.
        max_bytes (int): The most that the kept rows take. When there is no more room, the half
            that was not asked for lately is dropped; a call with more forms than there is room
            for is answered, and nothing of it is kept.
        """
        _CACHES.add(self)
        self.capacity = max(max_bytes // (4 * width), 1)
        self._lock = Lock()
        self._clock = 0
        self._known = _Known.empty(self.capacity, width)

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
        self._clock += 1
        known.used[rows] = self._clock
        return known.table, rows

    def _with(self, forms: Ints1d, compute: Callable[[Ints1d], Floats2d]) -> _Known:
        known = self._known
        rows = known.find(forms)
        missing = numpy.unique(forms[rows < 0])
        if not len(missing):
            return known  # another thread has added them
        if len(known.forms) + len(missing) > self.capacity:
            distinct = numpy.unique(forms)
            if len(distinct) > self.capacity:
                values = compute(distinct)
                return _Known.empty(*values.shape).with_values(distinct, values)
            n_kept = min(self.capacity // 2, self.capacity - len(missing))
            n_kept = max(n_kept, len(distinct) - len(missing))
            known = known.recent(n_kept, rows[rows >= 0])
        self._known = known.with_values(missing, compute(missing))
        return self._known


def _renew_locks() -> None:
    # A process that is forked while a thread computes has the lock, and nobody to open it.
    for cache in _CACHES:
        cache._lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
