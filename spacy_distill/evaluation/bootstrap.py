"""How sure a score is, by the bootstrap (Efron 1979): documents are drawn again and again, with
replacement, as many as there are, and the score of each draw is looked at."""

from typing import Dict, Iterator, Optional

import numpy
from thinc.types import Floats1d, Ints3d

from .entity_counts import scores

# Numbers that are held at once for the draws, so that large test sets need no more memory.
BLOCK = 4_000_000

Interval = Dict[str, Optional[float]]


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

    def sums(self, counts: Ints3d) -> numpy.ndarray:
        """Add up counts over the documents of each draw.

        counts (Ints3d): (documents, ...) any counts.
        RETURNS (numpy.ndarray): (resamples, ...) float64.
        """
        flat = numpy.ascontiguousarray(counts, dtype="float64").reshape(self.n_documents, -1)
        rng = numpy.random.default_rng(self.seed)
        sums = []
        for n_draws in self._blocks():
            drawn = rng.integers(self.n_documents, size=(n_draws, self.n_documents))
            drawn += numpy.arange(n_draws)[:, None] * self.n_documents
            times = numpy.bincount(drawn.ravel(), minlength=n_draws * self.n_documents)
            sums.append(times.reshape(n_draws, -1).astype("float64") @ flat)
        return numpy.concatenate(sums).reshape(self.resamples, *counts.shape[1:])

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


def score_intervals(counts: Ints3d, bootstrap: Bootstrap) -> Dict[str, Interval]:
    """RETURNS (Dict[str, Interval]): "precision", "recall" and "f1" out of (documents, 3) counts,
    with their intervals."""
    values, draws = scores(counts.sum(axis=0)), scores(bootstrap.sums(counts))
    names = ("precision", "recall", "f1")
    return {
        name: bootstrap.interval(values[column], draws[:, column])
        for column, name in enumerate(names)
    }


def paired_difference(mine: Ints3d, other: Ints3d, bootstrap: Bootstrap) -> Interval:
    """RETURNS (Interval): The F1 of one system less that of another, both as (documents, 3) counts;
    each draw has the same documents for both."""
    value = scores(mine.sum(axis=0)) - scores(other.sum(axis=0))
    draws = scores(bootstrap.sums(mine)) - scores(bootstrap.sums(other))
    return bootstrap.interval(value[-1], draws[:, -1])


def _number(value: float) -> Optional[float]:
    return None if numpy.isnan(value) else float(value)
