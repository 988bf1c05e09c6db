"""All entities of at least a probability, not only those of the best tag sequence."""

from typing import List, Tuple

import numpy
from thinc.types import Floats1d

from .biluo import PREFIXES, BiluoTags
from .linear_chain import LinearChain

# Spans that are less likely are not looked for: with a threshold of 0, each stretch of tokens would
# be one of each label.
LEAST_THRESHOLD = 0.001


def likely_spans(
    chain: LinearChain, tags: BiluoTags, threshold: float
) -> Tuple[List[Tuple[int, int, str]], Floats1d]:
    """Find what is an entity with at least a probability.

    chain (LinearChain): The distribution, over the tags.
    tags (BiluoTags): The tags of its labels.
    threshold (float): The least probability; LEAST_THRESHOLD, if it is lower than that.
    RETURNS (Tuple[List[Tuple[int, int, str]], Floats1d]): First row among the batch's tokens, row
        after the last one and label, sorted; and the probabilities, exact, float32.
    """
    threshold = max(threshold, LEAST_THRESHOLD)
    found = _candidates(chain, threshold)
    spans = [(start, end, tags.labels[label]) for start, end, label in found]
    probabilities = chain.span_marginal(*tags.segments(spans))
    likely = (probabilities >= threshold).nonzero()[0].tolist()
    return [spans[number] for number in likely], probabilities[likely]


def _candidates(chain: LinearChain, threshold: float) -> List[Tuple[int, int, int]]:
    """RETURNS (List[Tuple[int, int, int]]): All spans whose tags have at least the probability one
    by one, which is never less than the span's: first row, row after the last, label's number."""
    marginals = chain.marginals()
    marginals = marginals.get() if hasattr(marginals, "get") else marginals
    n_labels = marginals.shape[1] // len(PREFIXES)
    by_label = marginals[:, 1:].reshape(len(marginals), n_labels, len(PREFIXES))
    begins, goes_on, ends, alone = (by_label >= threshold).transpose(2, 0, 1)
    rows, labels = alone.nonzero()
    found = [(rows, rows + 1, labels)]
    starts, labels = begins.nonzero()
    end_of_sequence = numpy.repeat(numpy.cumsum(chain.lengths), chain.lengths)
    heads = starts + 1
    while len(starts):
        inside = heads < end_of_sequence[starts]
        starts, heads, labels = starts[inside], heads[inside], labels[inside]
        closed = ends[heads, labels]
        found.append((starts[closed], heads[closed] + 1, labels[closed]))
        open_still = goes_on[heads, labels]
        starts, heads, labels = starts[open_still], heads[open_still] + 1, labels[open_still]
    columns = (numpy.concatenate(column).tolist() for column in zip(*found, strict=True))
    return sorted(zip(*columns, strict=True))
