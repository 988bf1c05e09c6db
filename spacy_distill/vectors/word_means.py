"""Compute the mean vector of each word, in memory that grows with the words, not the text."""

from typing import Callable, Dict, List, Sequence

import numpy
from thinc.types import Floats2d, Ints1d


class WordMeans:
    """The mean of all vectors of each word.

    Sums are in float64, since float32 is too inexact for sums of millions of vectors. 400,000 words
    of width 384 take 1.2 GB.

    width (int): The width of the vectors.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: Dict[str, int] = {}
        self._sums = numpy.zeros((0, width))
        self._counts = numpy.zeros(0, dtype="int64")

    @property
    def words(self) -> List[str]:
        """The words, in the order in which they were added."""
        return list(self.rows)

    @property
    def means(self) -> Floats2d:
        """(words, width) float32, the mean vectors."""
        return (self._sums[: len(self.rows)] / self.counts[:, None]).astype("float32")

    @property
    def counts(self) -> Ints1d:
        """(words,) int64, the number of vectors of each word."""
        return self._counts[: len(self.rows)]

    def add(self, words: Sequence[str], vectors: Floats2d) -> None:
        """Add vectors of words.

        words (Sequence[str]): The words, which may repeat.
        vectors (Floats2d): (len(words), width), one vector for each word.
        """
        self._add(words, vectors, numpy.ones(len(words), dtype="int64"))

    def add_lower_forms(self) -> None:
        """Add missing lower-cased forms, each with the vectors of its other forms."""
        lower_forms = {row: word.lower() for word, row in self.rows.items()}
        missing = {row: form for row, form in lower_forms.items() if form not in self.rows}
        rows = list(missing)
        self._add(list(missing.values()), self._sums[rows], self._counts[rows])

    def select(self, keep: Callable[[str, int], bool]) -> "WordMeans":
        """RETURNS (WordMeans): The words for which `keep(word, count)` is true, the most frequent
        first."""
        counts = self.counts.tolist()
        kept = [(word, row) for word, row in self.rows.items() if keep(word, counts[row])]
        kept.sort(key=lambda item: -counts[item[1]])
        selected = WordMeans(self.width)
        rows = [row for _, row in kept]
        selected._add([word for word, _ in kept], self._sums[rows], self._counts[rows])
        return selected

    def _add(self, words: Sequence[str], sums: Floats2d, counts: Ints1d) -> None:
        if not len(words):
            return
        rows = numpy.array([self.rows.setdefault(word, len(self.rows)) for word in words])
        if len(self.rows) > len(self._counts):
            room = max(len(self.rows), len(self._counts) * 3 // 2)
            # The new rows are zeros.
            self._sums.resize((room, self.width), refcheck=False)
            self._counts.resize(room, refcheck=False)
        order = numpy.argsort(rows, kind="stable")
        found, starts = numpy.unique(rows[order], return_index=True)
        self._sums[found] += numpy.add.reduceat(sums[order], starts, dtype="float64")
        self._counts[found] += numpy.add.reduceat(counts[order], starts)
