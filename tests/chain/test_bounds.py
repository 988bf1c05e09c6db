"""Edge cases: no tokens, no labels, and scores whose shapes do not fit together."""

import math
from dataclasses import replace

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_distill.chain import BiluoTags
from tests.chain.random_chains import CLOSE, PARTS, biluo_chain, free_chain


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_a_batch_without_tokens(lengths):
    n = len(lengths)
    chain = biluo_chain(numpy.random.default_rng(0), lengths, 1)
    assert chain.log_partition.tolist() == [0.0] * n
    assert chain.score(chain.argmax()).tolist() == [0.0] * n
    assert chain.marginals().shape == (0, 5)
    assert chain.pairwise_marginals().shape == (0, 5, 5)
    assert chain.cross_entropy(chain).tolist() == [0.0] * n
    tags, scores = chain.topk(2)
    assert tags.shape == (2, 0)
    assert scores.tolist() == [[0.0] * n, [-math.inf] * n]
    counts = chain.expected_counts()
    assert [getattr(counts, name).sum() for name in PARTS] == [0, 0, 0, 0]
    assert chain.span_marginal(*BiluoTags(("PER",)).segments([])).shape == (0,)


def test_chains_without_labels_have_one_sequence(enumerated):
    chain = biluo_chain(numpy.random.default_rng(0), [3, 0, 1], 0)
    assert_allclose(chain.log_partition, [it.log_partition for it in enumerated(chain)], **CLOSE)
    assert_allclose(chain.marginals(), numpy.ones((4, 1)))
    assert chain.argmax().tolist() == [0] * 4
    assert_allclose(chain.entropy(), [0, 0, 0], atol=1e-5)


@pytest.mark.parametrize("wrong", ["lengths", "transitions", "start", "end"])
def test_the_error_shows_shapes_that_do_not_fit(wrong):
    chain = free_chain(numpy.random.default_rng(0), [3], 2)
    with pytest.raises(ValueError, match=r"do not fit together.*3, 2.*tokens and 2 tags need"):
        replace(chain, **{wrong: getattr(chain, wrong)[:-1]})
