"""A cache of vectors that were computed for word forms, with limited memory."""

import mmap
from typing import Any, Callable, Dict, Iterator, NamedTuple, Tuple

import numpy
from thinc.types import Floats1d, Floats2d, Ints1d

from ..forks import ForkSafe
from ..kernels import form_kernels

# The number of tokens after which the weight of a look-up is halved. Of values from 5,000 to
# 300,000, this one had the fewest cache misses on CoNLL-2003 and newsroom.
HALF_LIFE = 100_000
# The share of the forms that are kept when the cache is full.
KEPT_SHARE = 0.8


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


class _Contents(NamedTuple):
    """The contents of a cache. Rows in use never change, so threads can read them without a lock.

    form_rows (FormIndex): The rows of the forms. A score is a sum of the weights of a form's
        look-ups; recent ones weigh more.
    table (Floats2d): (capacity, width) the rows. Only those of forms are in use.
    """

    form_rows: FormIndex
    table: Floats2d

    def add(self, forms: Ints1d, scores: Floats1d, values: Floats2d) -> None:
        """Add new forms in unused rows."""
        start = len(self.form_rows)
        self.table[start : start + len(forms)] = values
        self.form_rows.add(forms, scores)

    def most_used(self, n_forms: int) -> "_Contents":
        """RETURNS (_Contents): A copy with the `n_forms` forms that have the highest scores."""
        forms, scores = self.form_rows.forms, self.form_rows.scores
        kept = numpy.argsort(-scores, kind="stable")[:n_forms]
        kept.sort()
        capacity, width = self.table.shape
        contents = _empty(capacity, width, self.table.dtype)
        # Without a copy in between, which "raise" would make.
        self.table.take(kept, axis=0, out=contents.table[: len(kept)], mode="clip")
        contents.form_rows.add(forms[kept], scores[kept])
        return contents


def _empty(capacity: int, width: int, dtype: Any) -> _Contents:
    # Mapped memory, since malloc keeps what a thread has freed. A page takes memory from its first
    # write until the table is gone. A forked process has pages of its own.
    options: Dict[str, Any] = {}
    if hasattr(mmap, "MAP_PRIVATE"):  # not on Windows, which does not fork
        options["flags"] = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    size = numpy.dtype(dtype).itemsize * capacity * width
    memory = mmap.mmap(-1, max(size, 1), **options)
    table = numpy.frombuffer(memory, dtype=dtype, count=capacity * width)
    create_index = getattr(form_kernels(), "FormIndex", FormIndex)
    return _Contents(create_index(capacity), table.reshape(capacity, width))


class FormCache(ForkSafe):
    """A cache with a vector for each word form.

    When it is full, the fifth of the forms with the lowest scores is dropped. A score is a sum over
    the look-ups of a form; their weights decay with time (LRFU: Lee et al. 2001, "LRFU: A Spectrum
    of Policies that Subsumes the Least Recently Used and Least Frequently Used Policies").
    """

    def __init__(self, width: int, max_bytes: int, dtype: Any = "float32") -> None:
        """Create an empty cache.

        width (int): The width of the vectors.
        max_bytes (int): The maximum memory of the vectors; there is always room for one. Twice as
            much is used while forms are dropped, and until other threads have finished reading.
        dtype (Any): The type of the vectors' values.
        """
        self.capacity = max(max_bytes // (numpy.dtype(dtype).itemsize * width), 1)
        self._contents = _empty(self.capacity, width, dtype)
        self._weight = 1.0
        super().__init__()

    def __len__(self) -> int:
        return len(self._contents.form_rows)

    def look_up(
        self, forms: Ints1d, compute: Callable[[Ints1d], Floats2d]
    ) -> Tuple[Floats2d, Ints1d]:
        """Look up the vectors of forms, and compute the missing ones. The returned rows never
        change, even if other threads use the cache.

        forms (Ints1d): (tokens,) uint64.
        compute (Callable[[Ints1d], Floats2d]): Computes the vectors of distinct forms in ascending
            order, (forms, width).
        RETURNS (Tuple[Floats2d, Ints1d]): A table, (rows, width), and the row of each token in it,
            (tokens,) int64.
        """
        contents = self._contents
        weight = self._next_weight(len(forms))
        rows, n_missing = contents.form_rows.find(forms, weight)
        if not n_missing:
            return contents.table, rows
        known = rows >= 0
        missing, counts = numpy.unique(forms[~known], return_counts=True)
        values = compute(missing)
        with self._lock:
            latest = self._contents = self._with_forms(missing, counts * weight, values)
        found, n_missing = latest.form_rows.find(forms, 0.0)  # their look-ups are counted already
        if not n_missing:
            return latest.table, found
        # The forms do not all fit into the cache, or another thread has dropped some.
        distinct, places = numpy.unique(forms, return_inverse=True)
        table = numpy.empty((len(distinct), values.shape[1]), dtype=values.dtype)
        table[places[known]] = contents.table[rows[known]]
        table[numpy.isin(distinct, missing)] = values
        return table, places.astype("int64", copy=False)

    def _with_forms(self, forms: Ints1d, scores: Floats1d, values: Floats2d) -> _Contents:
        """RETURNS (_Contents): The contents with these forms added; unchanged if they do not
        fit."""
        contents = self._contents
        rows, n_new = contents.form_rows.find(forms, 0.0)
        if n_new > self.capacity:
            return contents
        if len(contents.form_rows) + n_new > self.capacity:
            n_kept = min(int(KEPT_SHARE * self.capacity), self.capacity - n_new)
            contents = contents.most_used(n_kept)
        new = rows < 0  # another thread may have added some
        contents.add(forms[new], scores[new], values[new])
        return contents

    def _next_weight(self, n_tokens: int) -> float:
        """Take the weight of a look-up of tokens. Without a lock: if another thread changes it at
        the same time, scores are a little wrong, which does no harm.

        RETURNS (float): The weight of each token."""
        weight = self._weight
        self._weight = weight * 2 ** (n_tokens / HALF_LIFE)
        if self._weight > 1e100:
            self._contents.form_rows.divide_scores(self._weight)
            self._weight = 1.0
        return min(weight, self._weight)
