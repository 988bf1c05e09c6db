"""The properties of a chain's distribution, compared with the enumeration of all tag sequences."""

import warnings
from dataclasses import replace

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spacy_distill.chain import BiluoTags, LinearChain
from tests.chain.random_chains import (
    CLOSE,
    LABELS,
    PARTS,
    batches,
    biluo_chain,
    both_arithmetics,
    few,
    free_chain,
    split,
)

pytestmark = pytest.mark.usefixtures("each_kernel")


@both_arithmetics
@few
@given(batch=batches())
def test_log_partition_and_marginals_are_the_enumerated_sums(
    logarithmic, batch, enumerated, in_logarithms
):
    _, (chain,) = batch
    if logarithmic:
        in_logarithms(chain)
    size = len(chain.start)
    unary, pairwise = chain.marginals(), chain.pairwise_marginals()
    assert (unary.dtype, pairwise.dtype) == ("float32", "float32")
    assert chain.log_partition.dtype == "float64"
    sentences = enumerated(chain)
    log_partitions = [sentence.log_partition for sentence in sentences]
    assert_allclose(chain.log_partition, log_partitions, **CLOSE)
    for sentence, ones, pairs in zip(
        sentences, split(unary, chain.lengths), split(pairwise, chain.lengths), strict=True
    ):
        for token in range(len(ones)):
            for tag in range(size):
                assert_allclose(ones[token, tag], sentence.probability_of(token, [tag]), **CLOSE)
        expected = numpy.zeros_like(pairs)
        for token in range(1, len(ones)):
            numpy.add.at(
                expected[token], tuple(sentence.sequences[:, token - 1 : token + 1].T),
                sentence.probabilities,
            )  # fmt: skip
        assert_allclose(pairs, expected, **CLOSE)


@both_arithmetics
@few
@given(batch=batches(), weighted=st.booleans())
def test_expected_counts_are_the_weighted_uses_of_each_score(
    logarithmic, batch, weighted, enumerated, in_logarithms
):
    rng, (chain,) = batch
    if logarithmic:
        in_logarithms(chain)
    weights = rng.normal(size=len(chain.lengths)) if weighted else numpy.ones(len(chain.lengths))
    counts = chain.expected_counts(weights.astype("float32") if weighted else None)
    expected = {name: numpy.zeros(getattr(chain, name).shape) for name in PARTS}
    first_rows = numpy.cumsum(chain.lengths) - chain.lengths
    for sentence, weight, row in zip(enumerated(chain), weights, first_rows, strict=True):
        shares = sentence.probabilities * weight
        tags = sentence.sequences
        for token in range(tags.shape[1]):
            numpy.add.at(expected["emissions"][row + token], tags[:, token], shares)
        for token in range(1, tags.shape[1]):
            numpy.add.at(expected["transitions"], (tags[:, token - 1], tags[:, token]), shares)
        if tags.shape[1]:
            numpy.add.at(expected["start"], tags[:, 0], shares)
            numpy.add.at(expected["end"], tags[:, -1], shares)
    for name in PARTS:
        assert getattr(counts, name).dtype == "float32"
        assert_allclose(getattr(counts, name), expected[name], err_msg=name, **CLOSE)


@few
@given(batch=batches())
def test_score_is_the_sum_of_the_scores_used(batch, enumerated):
    rng, (chain,) = batch
    sentences = enumerated(chain)
    chosen = [rng.integers(len(sentence.scores)) for sentence in sentences]
    tags = numpy.concatenate([s.sequences[i] for s, i in zip(sentences, chosen, strict=True)])
    expected = [sentence.scores[i] for sentence, i in zip(sentences, chosen, strict=True)]
    assert_allclose(chain.score(tags), expected, **CLOSE)


@few
@given(batch=batches())
def test_argmax_scores_as_the_best_sequence(batch, enumerated):
    """The scores are compared instead of the tags, because sequences can tie."""
    _, (chain,) = batch
    tags = chain.argmax()
    assert tags.dtype == "int64"
    best = [sentence.scores.max() for sentence in enumerated(chain)]
    assert_allclose(chain.score(tags), best, **CLOSE)


@pytest.mark.parametrize("n_labels", [1, 5, 6, 9])
@pytest.mark.parametrize("possible", ["BILUO", "all", "few"])
def test_blockwise_argmax_equals_argmax_over_all_pairs(n_labels, possible):
    """With many labels, impossible pairs of tags are skipped."""
    rng = numpy.random.default_rng(n_labels)
    lengths = rng.integers(0, 12, size=20)
    chain = biluo_chain(rng, lengths, n_labels)
    if possible == "all":
        transitions = rng.normal(size=chain.transitions.shape).astype("float32")
        chain = replace(chain, transitions=transitions)
    elif possible == "few":
        chain.transitions[rng.random(chain.transitions.shape) < 0.3] = -numpy.inf
        chain.transitions[0, 0] = chain.start[0] = chain.end[0] = 0
    scores = chain.emissions.copy()
    tags = chain.argmax()
    assert_array_equal(chain.emissions, scores)
    end = 0
    for length in lengths.tolist():
        rows = slice(end, end + length)
        end += length
        if length:
            best = _best_score(chain, scores[rows])
            own = LinearChain(
                scores[rows], numpy.asarray([length]), chain.transitions, chain.start, chain.end
            )
            assert own.score(tags[rows])[0] == pytest.approx(best, abs=1e-4)


def _best_score(chain, emissions):
    best = chain.start + emissions[0].astype("float64")
    for scores in emissions[1:]:
        best = (best[:, None] + chain.transitions).max(axis=0) + scores
    return (best + chain.end).max()


def test_argmax_of_an_impossible_sentence_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chain = free_chain(numpy.random.default_rng(0), [3, 2], 4)
        chain.emissions[1] = -numpy.inf
        tags = chain.argmax()
    assert ((tags >= 0) & (tags < 4)).all()
    assert_allclose(chain.score(tags)[0], -numpy.inf)


@pytest.mark.parametrize("k", [1, 2, 7, 300])
@few
@given(batch=batches())
def test_topk_are_the_best_sequences_in_order(k, batch, enumerated):
    _, (chain,) = batch
    assume(k < 300 or len(chain.start) < 9)  # it would need much memory
    tags, scores = chain.topk(k)
    assert tags.shape == (k, sum(chain.lengths))
    assert scores.shape == (k, len(chain.lengths))
    own_scores = numpy.stack([chain.score(row) for row in tags])
    for number, sentence in enumerate(enumerated(chain)):
        expected = numpy.full(k, -numpy.inf)
        best = numpy.sort(sentence.scores[numpy.isfinite(sentence.scores)])[::-1][:k]
        expected[: len(best)] = best
        assert_allclose(scores[:, number], expected, **CLOSE)
        assert_allclose(own_scores[: len(best), number], best, **CLOSE)
        sequences = {tuple(split(row, chain.lengths)[number]) for row in tags[: len(best)]}
        assert len(sequences) == len(best), "a sequence was given twice"


@few
@given(batch=batches(), data=st.data())
def test_span_marginal_is_the_enumerated_sum(batch, data, enumerated):
    """All spans of all sentences, with random tags, in one call."""
    rng, (chain,) = batch
    size = len(chain.start)
    first_rows = numpy.cumsum(chain.lengths) - chain.lengths
    rows, tags, expected = [], [], []
    for sentence, first in zip(enumerated(chain), first_rows, strict=True):
        length = sentence.sequences.shape[1]
        for start in range(length):
            for end in range(start + 1, length + 1):
                segment = rng.integers(size, size=end - start).tolist()
                rows.append(first + start)
                tags.append(segment + [-1] * (4 - len(segment)))
                expected.append(sentence.probability_of(start, segment))
    found = chain.span_marginal(
        numpy.asarray(rows, dtype="int64"), numpy.asarray(tags, dtype="int64").reshape(-1, 4)
    )
    assert found.dtype == "float32"
    assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("n_labels", [1, 2])
def test_span_marginal_of_every_entity(n_labels, logarithmic, enumerated, in_logarithms):
    chain = biluo_chain(numpy.random.default_rng(n_labels), [4, 0, 1, 3], n_labels)
    if logarithmic:
        in_logarithms(chain)
    tags = BiluoTags(LABELS[:n_labels])
    spans, expected = [], []
    for sentence, first in zip(enumerated(chain), [0, 4, 4, 5], strict=True):
        length = sentence.sequences.shape[1]
        for start in range(length):
            for end in range(start + 1, length + 1):
                for label in tags.labels:
                    spans.append((first + start, first + end, label))
                    entity = tags.span_tags(end - start, label)
                    expected.append(sentence.probability_of(start, entity))
    assert_allclose(chain.span_marginal(*tags.segments(spans)), expected, **CLOSE)
    assert chain.span_marginal(*tags.segments([])).shape == (0,)
