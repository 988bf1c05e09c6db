"""Running means of vectors by word, in memory that grows with the words, not with the text."""

from typing import Callable, Dict, List, Optional, Sequence

import numpy
from thinc.types import Floats2d, Ints1d


class WordMeans:
    """The mean of all vectors that were seen of each word.

    Means are kept, not sums, in float32: a sum over millions of vectors would lose the small ones.
    400,000 words of width 384 take 0.6 GB, and half as much again for a moment when room is made
    for more.

    width (int): Width of the vectors.
    """

    def __init__(self, width: int):
        self.width = width
        self.rows: Dict[str, int] = {}
        self._means = numpy.zeros((1024, width), dtype="float32")
        self._counts = numpy.zeros(1024, dtype="int64")

    @property
    def words(self) -> List[str]:
        """RETURNS (List[str]): The words, the first seen first."""
        return list(self.rows)

    @property
    def means(self) -> Floats2d:
        """RETURNS (Floats2d): The words' means, (words, width) float32."""
        return self._means[: len(self.rows)]

    @property
    def counts(self) -> Ints1d:
        """RETURNS (Ints1d): How many vectors were seen of each word, (words,) int64."""
        return self._counts[: len(self.rows)]

    def add(self, words: Sequence[str], vectors: Floats2d, counts: Optional[Ints1d] = None) -> None:
        """Count vectors in.

        words (Sequence[str]): The word of each vector; words may repeat.
        vectors (Floats2d): Their vectors, (len(words), width).
        counts (Optional[Ints1d]): How many vectors each is the mean of, (len(words),); 1 if None.
        """
        if not len(words):
            return
        rows = numpy.array([self.rows.setdefault(word, len(self.rows)) for word in words])
        self._make_room(len(self.rows))
        if counts is None:
            counts = numpy.ones(len(words), dtype="int64")
        order = numpy.argsort(rows, kind="stable")
        found, starts = numpy.unique(rows[order], return_index=True)
        new = numpy.add.reduceat(counts[order], starts)
        weighted = numpy.asarray(vectors, dtype="float64")[order] * counts[order, None]
        sums = numpy.add.reduceat(weighted, starts)
        self._counts[found] += new
        share = (new / self._counts[found])[:, None]
        self._means[found] += share * (sums / new[:, None] - self._means[found])

    def add_lower_forms(self) -> None:
        """Give each lower-cased form that was not seen itself the mean of the forms that were."""
        words = self.words
        missing = [
            (row, word.lower()) for row, word in enumerate(words) if word.lower() not in self.rows
        ]
        # In blocks, for `add` works in float64.
        for start in range(0, len(missing), 8192):
            rows, lower_forms = zip(*missing[start : start + 8192], strict=True)
            self.add(lower_forms, self.means[list(rows)], self.counts[list(rows)])

    def select(self, keep: Callable[[str, int], bool]) -> "WordMeans":
        """RETURNS (WordMeans): Those of the words for which a function of word and count holds;
        itself if it holds for all."""
        counts = self.counts.tolist()
        rows = [i for i, word in enumerate(self.rows) if keep(word, counts[i])]
        if len(rows) == len(self.rows):
            return self
        selected = WordMeans(self.width)
        words = self.words
        selected.rows = {words[row]: i for i, row in enumerate(rows)}
        selected._means, selected._counts = self._means[rows], self._counts[rows]
        return selected

    def _make_room(self, size: int) -> None:
        room = len(self._means)
        if size > room:
            room = max(size, room + room // 2)
            self._means = numpy.concatenate(
                [self._means, numpy.zeros((room - len(self._means), self.width), dtype="float32")]
            )
            self._counts = numpy.concatenate(
                [self._counts, numpy.zeros(room - len(self._counts), dtype="int64")]
            )
