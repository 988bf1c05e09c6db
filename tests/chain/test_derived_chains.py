"""Derived chains: scaled by a temperature, or restricted by an annotation."""

import numpy
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from spacy_distill.chain import BiluoTags
from tests.chain.random_chains import CLOSE, LABELS, batches, biluo_chain, few, split


@few
@given(batch=batches(), temperature=st.sampled_from([0.5, 1.0, 3.0]))
def test_scaled_is_a_power_of_the_probabilities(batch, temperature, enumerated):
    _, (chain,) = batch
    for before, after in zip(enumerated(chain), enumerated(chain.scaled(temperature)), strict=True):
        if before.possible:
            powers = before.probabilities ** (1 / temperature)
            assert_allclose(after.probabilities, powers / powers.sum(), **CLOSE)


@few
@given(batch=batches(), data=st.data())
def test_restricted_is_the_distribution_given_a_partial_annotation(batch, data, enumerated):
    rng, (chain,) = batch
    allowed = rng.random(chain.emissions.shape) < data.draw(st.sampled_from([0.3, 0.7, 1.0]))
    restricted = chain.restricted(allowed)
    likelihood = numpy.exp(
        restricted.log_partition.astype("float64")
        - numpy.where(numpy.isfinite(chain.log_partition), chain.log_partition, 0)
    )
    marginals = split(restricted.marginals(), chain.lengths)
    for number, (sentence, mask) in enumerate(
        zip(enumerated(chain), split(allowed, chain.lengths), strict=True)
    ):
        kept = mask[numpy.arange(len(mask)), sentence.sequences].all(axis=1)
        shares = numpy.where(kept, sentence.probabilities, 0)
        assert_allclose(likelihood[number], shares.sum(), rtol=1e-4, atol=1e-5)
        expected = numpy.zeros_like(marginals[number], dtype="float64")
        for token in range(len(mask)):
            numpy.add.at(expected[token], sentence.sequences[:, token], shares)
        if shares.sum() > 0:
            expected /= shares.sum()
        assert_allclose(marginals[number], expected, rtol=1e-4, atol=5e-5)


def test_complete_annotation_leaves_one_sequence():
    """The sequence has probability 1, and its score is the log partition."""
    tags = BiluoTags(LABELS[:2])
    chain = biluo_chain(numpy.random.default_rng(3), [4, 1], 2)
    gold = tags.tag_ids(["B-PER", "L-PER", "O", "U-LOC", "O"])
    restricted = chain.restricted(tags.allowed(gold))
    assert_allclose(restricted.log_partition, chain.score(gold), rtol=1e-6)
    assert_allclose(restricted.marginals(), numpy.eye(len(tags))[gold], atol=1e-6)
    assert_allclose(restricted.entropy(), [0, 0], atol=1e-5)
