"""Confidence intervals of scores by the bootstrap (Efron 1979): the score of many resamples of the
documents, drawn with replacement."""

from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional

import numpy
from thinc.types import Floats1d

from .entity_counts import MISSED, RIGHT, WRONG, scores

# Size of an array of drawn documents, which limits the memory for large test sets.
BLOCK_SIZE = 4_000_000

# The least number of documents with entities for an interval. Of n such documents, about one draw
# in e^n contains none. With five, that is less than 1 % of the draws.
FEWEST_DOCUMENTS = 5

Interval = Dict[str, Optional[float]]


@dataclass(frozen=True)
class Sums:
    """Counts of right, wrong and missed entities (the last axis), and their sums over documents.

    counts (numpy.ndarray): (documents, ..., 3) counts of each document.
    draws (numpy.ndarray): (resamples, ..., 3) sums over the documents of each draw.
    """

    counts: numpy.ndarray
    draws: numpy.ndarray

    @property
    def total(self) -> numpy.ndarray:
        """(..., 3) sums over all documents."""
        return self.counts.sum(axis=0)

    def __getitem__(self, number: int) -> "Sums":
        """Select an entry of the first axis after the documents, such as a label."""
        return Sums(self.counts[:, number], self.draws[:, number])

    def summed(self) -> "Sums":
        """Sum over the first axis after the documents, such as the labels."""
        return Sums(self.counts.sum(axis=1), self.draws.sum(axis=1))


class Bootstrap:
    """Draws of documents. All systems get the same draws, so differences between them are paired: a
    document that is hard for all systems does not widen the interval."""

    def __init__(
        self, n_documents: int, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
    ) -> None:
        """Create the bootstrap.

        n_documents (int): Number of documents.
        resamples (int): Number of draws.
        seed (int): Seed of the draws.
        level (float): Confidence level: the share of the draws within an interval.
        """
        self.n_documents = n_documents
        self.resamples = resamples
        self.seed = seed
        self.level = level

    def sums(self, counts: numpy.ndarray) -> Sums:
        """Sum counts over the documents of each draw.

        counts (numpy.ndarray): (documents, ..., 3) counts, as `count_entities` makes them. Counts
            of several systems may be stacked.
        RETURNS (Sums): The counts with the sums of each draw.
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
        """Compute the percentile interval of a score.

        An interval needs at least FEWEST_DOCUMENTS documents, and draws with different scores. If
        all draws score 100 %, an interval of width 0 would look like certainty, although other
        documents may score less.

        value (float): The score of all documents.
        draws (Floats1d): (resamples,) score of each draw; nan if it is undefined.
        n_counted (int): Number of documents with entities that count.
        RETURNS (Interval): "value", "low" and "high". The value is None if it is nan. Both bounds
            are None if there is no interval.
        """
        defined = draws[~numpy.isnan(draws)]
        low, high = numpy.nan, numpy.nan
        enough = n_counted >= FEWEST_DOCUMENTS and not numpy.isnan(value)
        if enough and len(defined) and defined.min() < defined.max():
            tail = (1 - self.level) / 2
            low, high = numpy.quantile(defined, [tail, 1 - tail])
        bounds = {"value": value, "low": low, "high": high}
        return {key: None if numpy.isnan(bound) else float(bound) for key, bound in bounds.items()}

    def _blocks(self) -> Iterator[int]:
        size = max(1, BLOCK_SIZE // self.n_documents)
        for start in range(0, self.resamples, size):
            yield min(size, self.resamples - start)


def score_intervals(sums: Sums, bootstrap: Bootstrap) -> Dict[str, Interval]:
    """Compute scores with their intervals.

    sums (Sums): Sums with the shape (3,) for each draw.
    bootstrap (Bootstrap): The bootstrap.
    RETURNS (Dict[str, Interval]): "precision", "recall" and "f1".
    """
    values, draws = scores(sums.total), scores(sums.draws)
    names = {"precision": [RIGHT, WRONG], "recall": [RIGHT, MISSED], "f1": [RIGHT, WRONG, MISSED]}
    return {
        name: bootstrap.interval(values[column], draws[:, column], _counted(sums.counts, outcomes))
        for column, (name, outcomes) in enumerate(names.items())
    }


def paired_difference(first: Sums, second: Sums, bootstrap: Bootstrap) -> Interval:
    """Compute the difference of two F1 scores with its interval. Each draw has the same documents
    for both.

    first, second (Sums): Sums of two systems, with the shape (3,) for each draw.
    bootstrap (Bootstrap): The bootstrap.
    RETURNS (Interval): The F1 of the first system minus that of the second.
    """
    value = scores(first.total) - scores(second.total)
    draws = scores(first.draws) - scores(second.draws)
    n_counted = _counted(first.counts + second.counts, [RIGHT, WRONG, MISSED])
    return bootstrap.interval(value[-1], draws[:, -1], n_counted)


def _counted(counts: numpy.ndarray, outcomes: List[int]) -> int:
    """Count the documents that have any of the outcomes, from (documents, 3) counts."""
    return int(counts[:, outcomes].any(axis=1).sum())
