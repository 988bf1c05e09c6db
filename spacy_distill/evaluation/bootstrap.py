"""How sure a score is, by the bootstrap (Efron 1979): documents are drawn again and again, with
replacement, as many as there are, and the score of each draw is looked at."""

from dataclasses import dataclass
from typing import Dict, Iterator, Optional

import numpy
from thinc.types import Floats1d

from .entity_counts import scores

# Numbers that are held at once for the draws, so that large test sets need no more memory.
BLOCK = 4_000_000

Interval = Dict[str, Optional[float]]


@dataclass(frozen=True)
class Sums:
    """Counts summed over documents.

    total (numpy.ndarray): (..., 3) over all documents, right, wrong and missed in the end.
    draws (numpy.ndarray): (resamples, ..., 3) over the documents of each draw.
    """

    total: numpy.ndarray
    draws: numpy.ndarray

    def __getitem__(self, number: int) -> "Sums":
        """RETURNS (Sums): A part, by its number on the first axis."""
        return Sums(self.total[number], self.draws[:, number])

    def together(self) -> "Sums":
        """RETURNS (Sums): The first axis summed up."""
        return Sums(self.total.sum(axis=0), self.draws.sum(axis=1))


class Bootstrap:
    """Draws of documents, the same for whatever is compared: differences are then paired, and a
    document that is hard for all systems widens no difference between them."""

    def __init__(
        self, n_documents: int, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
    ) -> None:
        """Say what to draw.

        n_documents (int): How many documents there are.
        resamples (int): How many draws are made.
        seed (int): Of the random numbers.
        level (float): The share of the draws that an interval has in it.
        """
        self.n_documents = n_documents
        self.resamples = resamples
        self.seed = seed
        self.level = level

    def sums(self, counts: numpy.ndarray) -> Sums:
        """Add up counts over documents.

        counts (numpy.ndarray): (documents, ..., 3) counts, as `count_entities` makes them; those of
            several systems may be stacked.
        RETURNS (Sums): Over all documents and over those of each draw.
        """
        flat = numpy.ascontiguousarray(counts, dtype="float64").reshape(self.n_documents, -1)
        rng = numpy.random.default_rng(self.seed)
        sums = []
        for n_draws in self._blocks():
            drawn = rng.integers(self.n_documents, size=(n_draws, self.n_documents))
            drawn += numpy.arange(n_draws)[:, None] * self.n_documents
            times = numpy.bincount(drawn.ravel(), minlength=n_draws * self.n_documents)
            sums.append(times.reshape(n_draws, -1).astype("float64") @ flat)
        draws = numpy.concatenate(sums).reshape(self.resamples, *counts.shape[1:])
        return Sums(counts.sum(axis=0), draws)

    def interval(self, value: float, draws: Floats1d) -> Interval:
        """Put a value and its percentile interval together.

        value (float): The value over all documents.
        draws (Floats1d): (resamples,) that of each draw; nan where there is none.
        RETURNS (Interval): "value", "low" and "high"; None where a value is nan, and, as nothing
            is known about other documents, both bounds of a single one.
        """
        defined = draws[~numpy.isnan(draws)]
        low, high = numpy.nan, numpy.nan
        if self.n_documents > 1 and len(defined) and not numpy.isnan(value):
            tail = (1 - self.level) / 2
            low, high = numpy.quantile(defined, [tail, 1 - tail])
        return {"value": _number(value), "low": _number(low), "high": _number(high)}

    def _blocks(self) -> Iterator[int]:
        size = max(1, BLOCK // self.n_documents)
        for start in range(0, self.resamples, size):
            yield min(size, self.resamples - start)


def score_intervals(sums: Sums, bootstrap: Bootstrap) -> Dict[str, Interval]:
    """RETURNS (Dict[str, Interval]): "precision", "recall" and "f1" out of (3,) counts, with their
    intervals."""
    values, draws = scores(sums.total), scores(sums.draws)
    names = ("precision", "recall", "f1")
    return {
        name: bootstrap.interval(values[column], draws[:, column])
        for column, name in enumerate(names)
    }


def paired_difference(mine: Sums, other: Sums, bootstrap: Bootstrap) -> Interval:
    """RETURNS (Interval): The F1 of one system less that of another, of (3,) counts; each draw has
    the same documents for both."""
    value = scores(mine.total) - scores(other.total)
    draws = scores(mine.draws) - scores(other.draws)
    return bootstrap.interval(value[-1], draws[:, -1])


def _number(value: float) -> Optional[float]:
    return None if numpy.isnan(value) else float(value)
