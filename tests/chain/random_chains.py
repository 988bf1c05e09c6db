"""Random chains, and the tolerances for comparisons with enumeration."""

import numpy
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from spacy_distill.chain import LinearChain, constraints, n_tags

PARTS = ("emissions", "transitions", "start", "end")
LABELS = ("PER", "LOC", "ORG")
# Results are float32, and so are the sums of emissions with start and end scores.
CLOSE = {"rtol": 2e-5, "atol": 2e-5}
few = settings(max_examples=40, deadline=None)


def random_scores(rng, scale, *shape, excluded=0.0):
    scores = rng.normal(size=shape) * scale
    scores[rng.random(shape) < excluded] = -numpy.inf
    return scores.astype("float32")


def biluo_chain(rng, lengths, n_labels, scale=2.0):
    size = n_tags(n_labels)
    start, transitions, end = constraints(n_labels)
    return LinearChain(
        random_scores(rng, scale, sum(lengths), size),
        numpy.asarray(lengths, dtype="int64"),
        transitions + random_scores(rng, scale, size, size),
        start + random_scores(rng, scale, size),
        end + random_scores(rng, scale, size),
    )


def free_chain(rng, lengths, size, excluded=0.0, scale=2.0):
    shapes = (sum(lengths), size), (size, size), (size,), (size,)
    emissions, *rest = (random_scores(rng, scale, *shape, excluded=excluded) for shape in shapes)
    return LinearChain(emissions, numpy.asarray(lengths, dtype="int64"), *rest)


@st.composite
def batches(draw, many=1, scales=(0.3, 2.0, 8.0)):
    """Draw random number generators and chains over the same tokens and tags. The tags are BILUO,
    or arbitrary ones with random impossible tags."""
    rng = numpy.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from(scales))
    n_labels = draw(st.sampled_from([None, 1, 2, 3]))
    longest = 4 if n_labels != 3 else 3
    lengths = draw(st.lists(st.integers(0, longest), min_size=1, max_size=4))
    if n_labels is None:
        size, excluded = draw(st.integers(1, 4)), draw(st.sampled_from([0.0, 0.2, 0.5]))
        return rng, [free_chain(rng, lengths, size, excluded, scale) for _ in range(many)]
    return rng, [biluo_chain(rng, lengths, n_labels, scale) for _ in range(many)]


both_arithmetics = pytest.mark.parametrize("logarithmic", [False, True])


def split(array, lengths):
    return numpy.split(array, numpy.cumsum(lengths)[:-1])
