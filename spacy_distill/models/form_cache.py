"""A cache of vectors that were computed for word forms, with limited memory."""

import mmap
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Tuple

import numpy
from thinc.types import Floats1d, Floats2d, Ints1d

from ..forks import ForkSafe
from ..kernels import form_kernels

# The number of tokens after which the weight of a look-up is halved. Of values from 5,000 to
# 300,000, this one had the fewest cache misses on CoNLL-2003 and newsroom.
HALF_LIFE = 100_000
# The share of the forms that are kept when the cache is full.
KEPT_SHARE = 0.8
# Rows that are moved at a time, so that little memory is needed for them.
ROWS_MOVED = 512


class FormIndex:
    """The rows of word forms in a table, and a score for each row. The compiled one of
    `kernels/forms.pyx` has the same methods."""

    def __init__(self, capacity: int) -> None:
        """Create an empty index.

        capacity (int): The maximum number of forms.
        """
        self._rows: Dict[int, int] = {}
        self._scores = numpy.zeros(capacity)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def forms(self) -> Ints1d:
        """(forms,) uint64, a copy of the forms in the order of their rows: 0, 1, ..."""
        return numpy.fromiter(self._rows, "uint64", len(self))

    @property
    def scores(self) -> Floats1d:
        """(forms,) float64, a copy of the scores in the order of the rows."""
        return self._scores[: len(self)].copy()

    def find(self, forms: Ints1d, weight: float) -> Tuple[Ints1d, int]:
        """Find the rows of forms, and add a weight to the scores of these rows.

        forms (Ints1d): (tokens,) uint64.
        weight (float): The weight of each token.
        RETURNS (Tuple[Ints1d, int]): (tokens,) int64, the row of each token, -1 for missing forms;
            and the number of the latter.
        """
        found: Iterator[int] = (self._rows.get(form, -1) for form in forms.tolist())
        rows = numpy.fromiter(found, "int64", len(forms))
        known = rows[rows >= 0]
        numpy.add.at(self._scores, known, weight)
        return rows, len(rows) - len(known)

    def add(self, forms: Ints1d, scores: Floats1d) -> None:
        """Add forms, which get the next rows.

        forms (Ints1d): (forms,) uint64, distinct forms that are not in the index.
        scores (Floats1d): (forms,) float64, their scores.
        """
        start = len(self)
        self._scores[start : start + len(forms)] = scores
        self._rows.update(zip(forms.tolist(), range(start, start + len(forms)), strict=True))

    def divide_scores(self, divisor: float) -> None:
        """Divide all scores by a number."""
        self._scores /= divisor


class _Contents:
    """The contents of a cache. Rows in use do not change while threads read them.

    form_rows (FormIndex): The rows of the forms. A score is a sum of the weights of a form's
        look-ups; recent ones weigh more.
    table (Floats2d): (capacity, width) the rows. Only those of forms are in use.
    n_readers (int): The number of look-ups that read rows.
    """

    def __init__(self, capacity: int, width: int, dtype: Any) -> None:
        self.form_rows = _create_index(capacity)
        self.table = _map_table(capacity, width, dtype)
        self.n_readers = 0

    def add(self, forms: Ints1d, scores: Floats1d, values: Floats2d) -> None:
        """Add new forms in unused rows."""
        start = len(self.form_rows)
        self.table[start : start + len(forms)] = values
        self.form_rows.add(forms, scores)

    def keep(self, n_forms: int, to: "_Contents") -> None:
        """Keep the `n_forms` forms with the highest scores. They are written to other contents, or
        in place."""
        forms, scores = self.form_rows.forms, self.form_rows.scores
        kept = numpy.argsort(-scores, kind="stable")[:n_forms]
        kept.sort()
        # Empty while rows move, so that an error (KeyboardInterrupt) leaves no wrong row.
        to.form_rows = _create_index(len(self.table))
        # Rows move towards the start or stay, so none is overwritten before it is read.
        for start in range(0, n_forms, ROWS_MOVED):
            rows = kept[start : start + ROWS_MOVED]
            to.table[start : start + len(rows)] = self.table[rows]
        to.form_rows.add(forms[kept], scores[kept])


def _create_index(capacity: int) -> FormIndex:
    return getattr(form_kernels(), "FormIndex", FormIndex)(capacity)


def _map_table(capacity: int, width: int, dtype: Any) -> Floats2d:
    # Mapped memory, since malloc keeps what a thread has freed. A page takes memory from its first
    # write until the table is gone. A forked process has pages of its own.
    options: Dict[str, Any] = {}
    if hasattr(mmap, "MAP_PRIVATE"):  # not on Windows, which does not fork
        options["flags"] = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    size = numpy.dtype(dtype).itemsize * capacity * width
    memory = mmap.mmap(-1, max(size, 1), **options)
    table = numpy.frombuffer(memory, dtype=dtype, count=capacity * width)
    return table.reshape(capacity, width)


def _own_table(
    forms: Ints1d, table: Floats2d, rows: Ints1d, missing: Ints1d, values: Floats2d
) -> Tuple[Floats2d, Ints1d]:
    """Copy the vectors of some forms to a table of their own.

    forms (Ints1d): (tokens,) uint64.
    table (Floats2d): The vectors of known forms.
    rows (Ints1d): (tokens,) int64, the row of each token in this table, -1 for missing forms.
    missing (Ints1d): (forms,) the missing forms.
    values (Floats2d): (forms, width) their vectors.
    RETURNS (Tuple[Floats2d, Ints1d]): A new table, and the row of each token in it.
    """
    distinct, places = numpy.unique(forms, return_inverse=True)
    own = numpy.empty((len(distinct), values.shape[1]), dtype=values.dtype)
    own[places[rows >= 0]] = table[rows[rows >= 0]]
    own[numpy.isin(distinct, missing)] = values
    return own, places.astype("int64", copy=False)


class FormCache(ForkSafe):
    """A cache with a vector for each word form.

    When it is full, the fifth of the forms with the lowest scores is dropped. A score is a sum over
    the look-ups of a form; their weights decay with time (LRFU: Lee et al. 2001, "LRFU: A Spectrum
    of Policies that Subsumes the Least Recently Used and Least Frequently Used Policies").
    """

    def __init__(self, width: int, max_bytes: int, dtype: Any = "float32") -> None:
        """Create an empty cache.

        width (int): The width of the vectors.
        max_bytes (int): The maximum memory of the vectors; there is always room for one. If forms
            are dropped while other threads read, each of these may need as much again, until it has
            finished.
        dtype (Any): The type of the vectors' values.
        """
        self.capacity = max(max_bytes // (numpy.dtype(dtype).itemsize * width), 1)
        self._contents = _Contents(self.capacity, width, dtype)
        self._weight = 1.0
        super().__init__()

    def __len__(self) -> int:
        return len(self._contents.form_rows)

    @contextmanager
    def look_up(
        self, forms: Ints1d, compute: Callable[[Ints1d], Floats2d]
    ) -> Iterator[Tuple[Floats2d, Ints1d]]:
        """Look up the vectors of forms, and compute the missing ones. The rows do not change within
        the `with` block, even if other threads use the cache.

        forms (Ints1d): (tokens,) uint64.
        compute (Callable[[Ints1d], Floats2d]): Computes the vectors of distinct forms in ascending
            order, (forms, width).
        YIELDS (Tuple[Floats2d, Ints1d]): A table, (rows, width), and the row of each token in it,
            (tokens,) int64.
        """
        with self._lock:
            contents = self._contents
            weight = self._next_weight(len(forms))
            rows, n_missing = contents.form_rows.find(forms, weight)
            contents.n_readers += 1
        try:
            table = contents.table
            if n_missing:
                missing, counts = numpy.unique(forms[rows < 0], return_counts=True)
                values = compute(missing)
                with self._lock:
                    if not (contents is self._contents and self._has_room(missing)):
                        # `_add` may drop forms.
                        table, rows = _own_table(forms, table, rows, missing, values)
                    # Another thread may have divided all scores in the meantime.
                    self._add(missing, counts * min(weight, self._weight), values, contents)
                    if table is contents.table:
                        rows, _ = contents.form_rows.find(forms, 0.0)  # counted already
            yield table, rows
        finally:
            with self._lock:
                contents.n_readers -= 1

    def _has_room(self, forms: Ints1d) -> bool:
        index = self._contents.form_rows
        return len(index) + index.find(forms, 0.0)[1] <= self.capacity

    def _add(self, forms: Ints1d, scores: Floats1d, values: Floats2d, read: _Contents) -> None:
        """Add forms, unless they are more than fit.

        forms (Ints1d): (forms,) uint64, some of which another thread may have added.
        scores (Floats1d): (forms,) float64.
        values (Floats2d): (forms, width).
        read (_Contents): The contents that this thread reads.
        """
        contents = self._contents
        rows, n_new = contents.form_rows.find(forms, 0.0)
        if n_new > self.capacity:
            return
        if len(contents.form_rows) + n_new > self.capacity:
            n_kept = min(int(KEPT_SHARE * self.capacity), self.capacity - n_new)
            n_others = contents.n_readers - (1 if contents is read else 0)
            if n_others:
                width, dtype = contents.table.shape[1], contents.table.dtype
                self._contents = _Contents(self.capacity, width, dtype)
            contents.keep(n_kept, self._contents)
        new = rows < 0
        self._contents.add(forms[new], scores[new], values[new])

    def _next_weight(self, n_tokens: int) -> float:
        """Take the weight of a look-up of tokens.

        RETURNS (float): The weight of each token."""
        weight = self._weight
        self._weight = weight * 2 ** (n_tokens / HALF_LIFE)
        if self._weight > 1e100:
            self._contents.form_rows.divide_scores(self._weight)
            self._weight = 1.0
        return min(weight, self._weight)
