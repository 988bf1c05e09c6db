"""A chain from marginals has these marginals."""

from dataclasses import replace

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from spacy_distill.chain import (
    LinearChain,
    chain_from_marginals,
    chain_with_best,
    constraints,
    n_tags,
)


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


def test_a_chain_without_transition_scores_is_restored():
    """A chain without transition scores has the same distribution as the chain of its marginals."""
    rng = numpy.random.default_rng(1)
    start, transitions, end = constraints(2)
    emissions = rng.normal(size=(5, n_tags(2))).astype("float32")
    chain = LinearChain(emissions, numpy.asarray([5]), transitions, start, end)
    rebuilt = chain_from_marginals(chain.marginals(), chain.lengths)
    assert_allclose(chain.kl(rebuilt), 0, atol=1e-5)


def test_unknown_tokens_do_not_change_their_neighbours():
    """Before and after an unknown token, the marginals hardly change."""
    known = numpy.asarray([True, False, True])
    marginals = numpy.full((3, 5), 0.001, dtype="float32")
    marginals[[0, 2], 0] = 0.996
    chain = chain_from_marginals(marginals, numpy.asarray([3]), known)
    assert chain.known is known or numpy.array_equal(chain.known, known)
    assert (chain.marginals()[[0, 2], 0] > 0.98).all()


def one_sequence(tags, n_labels):
    return numpy.eye(n_tags(n_labels), dtype="float32")[tags]


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("n_labels", [1, 2, 4, 18])
def test_a_certain_sequence_stays_certain(n_labels, temperature):
    """Inside the entity, float32 rounds the probability of an open entity to 1."""
    tags = [0, 1, 2, 2, 3, 4, 0]
    marginals = one_sequence(tags, n_labels)
    chain = chain_from_marginals(marginals, numpy.asarray([len(tags)])).scaled(temperature)
    assert_allclose(chain.marginals(), marginals, atol=1e-6)
    assert_allclose(chain.entropy(), 0, atol=1e-6)


def confident_chain(n_tokens=40, n_labels=18):
    """The marginals of a teacher that is certain of O, with some 1e-12 for each other tag."""
    start, transitions, end = constraints(n_labels)
    emissions = numpy.random.default_rng(4).normal(-28, 2, size=(n_tokens, n_tags(n_labels)))
    emissions[:, 0] = 0
    emissions[::8, 4] = -1
    lengths = numpy.asarray([n_tokens])
    return LinearChain(emissions.astype("float32"), lengths, transitions, start, end)


@pytest.mark.parametrize("temperature", [2.0, 4.0, 8.0])
def test_small_probabilities_are_kept_for_a_temperature(temperature):
    """A lower bound would be raised by the temperature. With a bound of 1e-8 and a temperature of
    4, each of the 72 tags would have 1 % of the probability of O."""
    chain = confident_chain()
    rebuilt = chain_from_marginals(chain.marginals(), chain.lengths)
    softened = chain.scaled(temperature)
    assert_allclose(rebuilt.scaled(temperature).marginals(), softened.marginals(), atol=1e-4)
    assert_allclose(softened.kl(rebuilt.scaled(temperature)), 0, atol=1e-3)


def test_an_impossible_tag_stays_impossible():
    chain = confident_chain(n_labels=2)
    emissions = chain.emissions.copy()
    emissions[:, 5:] = -numpy.inf
    without = replace(chain, emissions=emissions)
    rebuilt = chain_from_marginals(without.marginals(), without.lengths)
    assert not rebuilt.scaled(4.0).marginals()[:, 5:].any()
    assert_allclose(rebuilt.scaled(4.0).marginals(), without.scaled(4.0).marginals(), atol=1e-5)


def test_negative_rounding_errors_become_zero():
    marginals = numpy.asarray([[1.0, -1e-9, 0, 0, 0]] * 2, dtype="float32")
    chain = chain_from_marginals(marginals, numpy.asarray([2]))
    assert_allclose(chain.marginals()[:, 0], 1)


@pytest.mark.parametrize(
    "tags", [[1, 0, 0], [1, 3, 4, 1], [2, 0], [3], [1, 7, 0], [0, 6, 7, 0], [1, 4]]
)
def test_inconsistent_marginals_give_a_possible_sequence(tags):
    """Averages can be inconsistent if neighbouring tokens are averaged over different teachers."""
    chain = chain_from_marginals(one_sequence(tags, 2), numpy.asarray([len(tags)]))
    assert numpy.isfinite(chain.log_partition).all()
    assert_allclose(chain.marginals().sum(axis=1), 1, atol=1e-5)


def test_the_chain_is_unchanged_if_the_sequence_is_already_the_best():
    chain = random_chain(numpy.random.default_rng(2), [4, 0, 3], 2)
    assert chain_with_best(chain, chain.argmax()) is chain


@pytest.mark.parametrize("seed", range(8))
def test_another_sequence_becomes_the_best(seed):
    """The second best sequence becomes the best one. The other sentences do not change. spaCy's
    greedy parser needs this: its parse may not be the best sequence of its action scores."""
    start, transitions, end = constraints(2)
    emissions = 2 * numpy.random.default_rng(seed).normal(size=(10, n_tags(2)))
    lengths = numpy.asarray([6, 3, 0, 1])
    chain = LinearChain(emissions.astype("float32"), lengths, transitions, start, end)
    sequences, _ = chain.topk(2)
    wanted = numpy.concatenate([sequences[1, :6], sequences[0, 6:]])
    moved = chain_with_best(chain, wanted)
    assert moved.argmax().tolist() == wanted.tolist()
    assert_allclose(moved.marginals()[6:], chain.marginals()[6:], atol=2e-5)
    differs = wanted != chain.argmax()
    before = chain.marginals()[differs, wanted[differs]]
    assert (moved.marginals()[differs, wanted[differs]] > before).all()


def test_unknown_tokens_stay_unknown():
    chain = random_chain(numpy.random.default_rng(3), [5], 1)
    known = numpy.asarray([True, False, True, True, True])
    other = replace(chain, known=known)
    moved = chain_with_best(other, other.topk(2)[0][1])
    assert moved.known.tolist() == known.tolist()


@pytest.mark.parametrize("n_unknown", [1, 3])
def test_tokens_around_unknown_tokens_keep_their_marginals(n_unknown):
    """Also if an entity can continue over them, and with many labels."""
    size = n_tags(18)
    marginals = numpy.zeros((n_unknown + 2, size), dtype="float32")
    marginals[0, [0, 1]] = 0.9, 0.1
    marginals[-1, [0, 3]] = 0.1, 0.9
    known = numpy.ones(len(marginals), dtype=bool)
    known[1:-1] = False
    chain = chain_from_marginals(marginals, numpy.asarray([len(marginals)]), known)
    found = chain.marginals()
    assert_allclose(found[0], marginals[0], atol=0.02)


def test_an_unknown_token_does_not_affect_the_next_sentence():
    rng = numpy.random.default_rng(3)
    lengths = [3, 0, 2]
    marginals = random_chain(rng, lengths, 2).marginals()
    known = numpy.asarray([True, True, False, False, True])
    chain = chain_from_marginals(marginals, numpy.asarray(lengths), known)
    assert_allclose(chain.marginals()[:2], marginals[:2], atol=1e-3)
