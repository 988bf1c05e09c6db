"""Find all entities above a probability, not only those of the best tag sequence."""

from typing import List, Tuple

import numpy
from thinc.api import to_numpy
from thinc.types import Floats1d

from .biluo import PREFIXES, BiluoTags
from .linear_chain import LinearChain

# Smaller probabilities are 0 in single precision.
TINY = float(numpy.finfo("float32").tiny)


def likely_spans(
    chain: LinearChain, tags: BiluoTags, threshold: float
) -> Tuple[List[Tuple[int, int, str]], Floats1d]:
    """Find all spans that are entities with at least the probability `threshold`.

    The search extends each entity token by token. The probability of an open entity never rises, so
    an entity is dropped as soon as it falls below the threshold.

    chain (LinearChain): The distribution over tag sequences.
    tags (BiluoTags): The tags of the chain.
    threshold (float): The minimum probability. With 0, all spans are found whose probability is not
        0 in single precision. Their number can grow with the square of a sentence's length.
    RETURNS (Tuple[List[Tuple[int, int, str]], Floats1d]): Sorted spans: the first row among the
        batch's tokens, the row after the last one, and the label. And their exact probabilities,
        (spans,) float32, a numpy array.
    """
    threshold = max(threshold, TINY)
    marginals = to_numpy(chain.marginals())
    alone, begins = (marginals[:, prefix + 1 :: len(PREFIXES)] for prefix in (3, 0))
    rows, labels = (alone >= threshold).nonzero()
    found = [(rows, rows + 1, labels, alone[rows, labels])]
    starts, labels = (begins >= threshold).nonzero()
    going_on = begins[starts, labels]
    heads, before = starts + 1, labels * len(PREFIXES) + 1
    end_of_sequence = numpy.repeat(numpy.cumsum(chain.lengths), chain.lengths)
    while len(starts):
        inside = heads < end_of_sequence[starts]
        starts, heads, labels, before, going_on = (
            column[inside] for column in (starts, heads, labels, before, going_on)
        )
        inner, last = (labels * len(PREFIXES) + 1 + prefix for prefix in (1, 2))
        closed = going_on * chain.transition_probability(heads, before, last)
        likely = closed >= threshold
        found.append((starts[likely], heads[likely] + 1, labels[likely], closed[likely]))
        going_on = going_on * chain.transition_probability(heads, before, inner)
        likely = going_on >= threshold
        starts, heads, labels, before, going_on = (
            column[likely] for column in (starts, heads + 1, labels, inner, going_on)
        )
    first, end, label, probability = (
        numpy.concatenate(column) for column in zip(*found, strict=True)
    )
    order = numpy.lexsort((label, end, first))
    spans = zip(first[order].tolist(), end[order].tolist(), label[order].tolist(), strict=True)
    found_spans = [(start, stop, tags.labels[number]) for start, stop, number in spans]
    return found_spans, probability[order].astype("float32")
