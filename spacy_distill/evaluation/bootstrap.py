"""How sure a score is, by the bootstrap (Efron 1979): documents are drawn again and again, with
replacement, as many as there are, and the score of each draw is looked at."""

from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional

import numpy
from thinc.types import Floats1d

from .entity_counts import MISSED, RIGHT, WRONG, scores

# Numbers that are held at once for the draws, so that large test sets need no more memory.
BLOCK = 4_000_000

# Documents with something to count, of which fewer have no interval: with n of them, about one draw
# in e^n has none at all, and the others have the same few over and over. Five leave out less than
# 1 % of the draws.
FEWEST_DOCUMENTS = 5

Interval = Dict[str, Optional[float]]


@dataclass(frozen=True)
class Sums:
    """Counts, and their sums over documents.

    counts (numpy.ndarray): (documents, ..., 3) of each, right, wrong and missed in the end.
    draws (numpy.ndarray): (resamples, ..., 3) over the documents of each draw.
    """

    counts: numpy.ndarray
    draws: numpy.ndarray

    @property
    def total(self) -> numpy.ndarray:
        """(..., 3) over all documents."""
        return self.counts.sum(axis=0)

    def __getitem__(self, number: int) -> "Sums":
        """RETURNS (Sums): A part, by its number on the first axis."""
        return Sums(self.counts[:, number], self.draws[:, number])

    def together(self) -> "Sums":
        """RETURNS (Sums): The first axis summed up."""
        return Sums(self.counts.sum(axis=1), self.draws.sum(axis=1))


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
        return Sums(counts, draws)

    def interval(self, value: float, draws: Floats1d, n_counted: int) -> Interval:
        """Put a value and its percentile interval together.

        value (float): The value over all documents.
        draws (Floats1d): (resamples,) that of each draw; nan where there is none.
        n_counted (int): How many documents have something to count.
        RETURNS (Interval): "value", "low" and "high". The value is None where it is nan. Both
            bounds are None with fewer than FEWEST_DOCUMENTS counted, and where all draws give the
            same, such as 100 % of a label that is always found: then the draws do not tell how far
            other documents would be off, and an interval of no width would look like certainty.
        """
        defined = draws[~numpy.isnan(draws)]
        low, high = numpy.nan, numpy.nan
        enough = n_counted >= FEWEST_DOCUMENTS and not numpy.isnan(value)
        if enough and len(defined) and defined.min() < defined.max():
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
    names = {"precision": [RIGHT, WRONG], "recall": [RIGHT, MISSED], "f1": [RIGHT, WRONG, MISSED]}
    return {
        name: bootstrap.interval(values[column], draws[:, column], _counted(sums.counts, outcomes))
        for column, (name, outcomes) in enumerate(names.items())
    }


def paired_difference(mine: Sums, other: Sums, bootstrap: Bootstrap) -> Interval:
    """RETURNS (Interval): The F1 of one system less that of another, of (3,) counts; each draw has
    the same documents for both."""
    value = scores(mine.total) - scores(other.total)
    draws = scores(mine.draws) - scores(other.draws)
    n_counted = _counted(mine.counts + other.counts, [RIGHT, WRONG, MISSED])
    return bootstrap.interval(value[-1], draws[:, -1], n_counted)


def _counted(counts: numpy.ndarray, outcomes: List[int]) -> int:
    """RETURNS (int): How many documents have any of these outcomes, of (documents, 3) counts."""
    return int(counts[:, outcomes].any(axis=1).sum())


def _number(value: float) -> Optional[float]:
    return None if numpy.isnan(value) else float(value)
