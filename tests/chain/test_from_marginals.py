"""A chain from marginals has these marginals."""

import numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from spacy_distill.chain import LinearChain, chain_from_marginals, constraints, n_tags


def random_chain(rng, lengths, n_labels):
    start, transitions, end = constraints(n_labels)
    size = n_tags(n_labels)
    emissions = (2 * rng.normal(size=(sum(lengths), size))).astype("float32")
    links = transitions + rng.normal(size=(size, size)).astype("float32")
    return LinearChain(emissions, numpy.asarray(lengths), links, start, end)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 5), min_size=1, max_size=4),
    st.integers(1, 3),
)
def test_marginals_are_kept(seed, lengths, n_labels):
    rng = numpy.random.default_rng(seed)
    marginals = random_chain(rng, lengths, n_labels).marginals()
    rebuilt = chain_from_marginals(marginals, numpy.asarray(lengths))
    assert_allclose(rebuilt.marginals(), marginals, atol=2e-5)


def test_average_of_marginals_is_kept():
    rng = numpy.random.default_rng(0)
    lengths = [4, 1, 3]
    marginals = sum(random_chain(rng, lengths, 2).marginals() for _ in range(3)) / 3
    rebuilt = chain_from_marginals(marginals, numpy.asarray(lengths))
    assert_allclose(rebuilt.marginals(), marginals, atol=2e-5)


def test_emission_only_chain_is_its_own_closest():
    """Without transition scores of its own, a chain and the one from its marginals are the same
    distribution."""
    rng = numpy.random.default_rng(1)
    start, transitions, end = constraints(2)
    emissions = rng.normal(size=(5, n_tags(2))).astype("float32")
    chain = LinearChain(emissions, numpy.asarray([5]), transitions, start, end)
    rebuilt = chain_from_marginals(chain.marginals(), chain.lengths)
    assert_allclose(chain.kl(rebuilt), 0, atol=1e-5)


def test_unknown_tokens_leave_their_neighbours_alone():
    """Before and after a token without opinion, the marginals stay near what was given."""
    known = numpy.asarray([True, False, True])
    marginals = numpy.full((3, 5), 0.001, dtype="float32")
    marginals[[0, 2], 0] = 0.996
    chain = chain_from_marginals(marginals, numpy.asarray([3]), known)
    assert chain.known is known or numpy.array_equal(chain.known, known)
    assert (chain.marginals()[[0, 2], 0] > 0.98).all()
