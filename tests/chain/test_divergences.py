"""Entropy, cross-entropy and divergence of two chains, against enumeration."""

import math
import warnings
from dataclasses import replace

import numpy
import pytest
from hypothesis import assume, given
from numpy.testing import assert_allclose

from spacy_distill.chain import LinearChain
from tests.chain.random_chains import CLOSE, PARTS, batches, both_arithmetics, few, free_chain


@both_arithmetics
@few
@given(batch=batches(many=2, scales=(0.3, 2.0)))
def test_entropy_cross_entropy_and_kl_are_the_enumerated_sums(
    logarithmic, batch, enumerated, in_logarithms
):
    _, (chain, other) = batch
    if logarithmic:
        chain, other = in_logarithms(chain), in_logarithms(other)
    pairs = list(zip(enumerated(chain), enumerated(other), strict=True))
    # Impossible sentences have no distribution.
    defined = [i for i, (own, its) in enumerate(pairs) if own.possible and its.possible]
    assume(defined)
    entropy = numpy.asarray([pairs[i][0].cross_entropy(pairs[i][0]) for i in defined])
    cross_entropy = numpy.asarray([pairs[i][0].cross_entropy(pairs[i][1]) for i in defined])
    assert_allclose(chain.entropy()[defined], entropy, **CLOSE)
    assert_allclose(chain.cross_entropy(other)[defined], cross_entropy, **CLOSE)
    with numpy.errstate(invalid="ignore"):  # for impossible sentences
        divergence = chain.kl(other)[defined]
    assert_allclose(divergence, cross_entropy - entropy, rtol=2e-5, atol=5e-5)


@pytest.mark.parametrize("excluded", PARTS)
def test_cross_entropy_is_infinite_if_a_possible_sequence_is_excluded(excluded):
    chain = free_chain(numpy.random.default_rng(0), [3, 2], 3)
    scores = getattr(chain, excluded).copy()
    scores[(0,) * scores.ndim] = -numpy.inf
    other = replace(chain, **{excluded: scores})
    # The first emission affects the first sentence only; the other scores affect all sentences.
    expected = [math.inf, chain.entropy()[1] if excluded == "emissions" else math.inf]
    assert_allclose(chain.cross_entropy(other), expected, rtol=1e-6)


@pytest.mark.parametrize("log_mass", [-30, -40, -60, -80])
def test_cross_entropy_is_infinite_for_tiny_probabilities_of_excluded_sequences(log_mass):
    """A very large finite value would dominate the other losses of the batch without being
    detected."""
    emissions = numpy.asarray([[0, log_mass]], dtype="float32")
    zeros = numpy.zeros((2, 2), dtype="float32")
    chain = LinearChain(emissions, numpy.asarray([1]), zeros, zeros[0], zeros[0])
    other = replace(chain, end=numpy.asarray([0, -numpy.inf], dtype="float32"))
    assert chain.cross_entropy(other).tolist() == [math.inf]


def test_cross_entropy_is_infinite_where_the_other_has_no_sequence():
    chain = free_chain(numpy.random.default_rng(0), [3, 2], 3)
    other = chain.restricted(numpy.arange(5)[:, None] != numpy.zeros(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cross_entropy = chain.cross_entropy(other)
    assert_allclose(cross_entropy, [math.inf, chain.entropy()[1]], rtol=1e-6)
