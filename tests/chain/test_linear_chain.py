"""The algebra against enumeration of all tag sequences, and against finite differences."""

import math
import warnings
from dataclasses import replace

import numpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from spacy_distill.chain import BiluoTags, ChainCounts, LinearChain, constraints, n_tags

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
    """Draw random number generators and chains over the same tokens and tags: BILUO tags, or free
    ones of which any may be impossible."""
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


# What the distribution says


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
    assert (unary.dtype, pairwise.dtype, chain.log_partition.dtype) == ("float32",) * 3
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
    """Scores are compared, not tags: two sequences may tie."""
    _, (chain,) = batch
    tags = chain.argmax()
    assert tags.dtype == "int64"
    best = [sentence.scores.max() for sentence in enumerated(chain)]
    assert_allclose(chain.score(tags), best, **CLOSE)


def test_argmax_of_an_impossible_sentence_is_some_tag_without_a_warning():
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
    assume(k < 300 or len(chain.start) < 9)  # memory, and no more to be learned
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
    """Every stretch of every sentence, under random tags, in one call."""
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


# Two distributions


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
    # No distribution, no entropy.
    defined = [i for i, (own, its) in enumerate(pairs) if own.possible and its.possible]
    assume(defined)
    entropy = numpy.asarray([pairs[i][0].cross_entropy(pairs[i][0]) for i in defined])
    cross_entropy = numpy.asarray([pairs[i][0].cross_entropy(pairs[i][1]) for i in defined])
    assert_allclose(chain.entropy()[defined], entropy, **CLOSE)
    assert_allclose(chain.cross_entropy(other)[defined], cross_entropy, **CLOSE)
    with numpy.errstate(invalid="ignore"):  # of the sentences that have none
        divergence = chain.kl(other)[defined]
    assert_allclose(divergence, cross_entropy - entropy, rtol=2e-5, atol=5e-5)


@pytest.mark.parametrize("excluded", PARTS)
def test_cross_entropy_is_infinite_where_mass_meets_the_impossible(excluded):
    chain = free_chain(numpy.random.default_rng(0), [3, 2], 3)
    scores = getattr(chain, excluded).copy()
    scores[(0,) * scores.ndim] = -numpy.inf
    other = replace(chain, **{excluded: scores})
    # The first score of the emissions is the first sentence's alone; the others are shared.
    expected = [math.inf, chain.entropy()[1] if excluded == "emissions" else math.inf]
    assert_allclose(chain.cross_entropy(other), expected, rtol=1e-6)


@pytest.mark.parametrize("log_mass", [-30, -40, -60, -80])
def test_cross_entropy_is_infinite_for_the_least_mass_on_the_impossible(log_mass):
    """Not some huge number, which would drown the batch's other losses without being filtered."""
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


# Chains made out of others


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


def test_an_annotation_of_every_token_leaves_its_sequence():
    """What is trained on gold: all mass on one sequence, and its score for a log-partition."""
    tags = BiluoTags(LABELS[:2])
    chain = biluo_chain(numpy.random.default_rng(3), [4, 1], 2)
    gold = tags.numbers(["B-PER", "L-PER", "O", "U-LOC", "O"])
    restricted = chain.restricted(tags.allowed(gold))
    assert_allclose(restricted.log_partition, chain.score(gold), rtol=1e-6)
    assert_allclose(restricted.marginals(), numpy.eye(len(tags))[gold], atol=1e-6)
    assert_allclose(restricted.entropy(), [0, 0], atol=1e-5)


# Gradients


def shifted(chain, directions, distance):
    return LinearChain(
        lengths=chain.lengths,
        **{
            name: getattr(chain, name) + (directions.get(name, 0) * distance).astype("float32")
            if name in directions
            else getattr(chain, name)
            for name in PARTS
        },
    )


def check_gradient(function, chain, gradient, rng, tolerance=2e-3):
    """Compare the slope along random directions, one part of the chain at a time."""
    for name in PARTS:
        for _ in range(3):
            direction = rng.normal(size=getattr(chain, name).shape)
            ahead = function(shifted(chain, {name: direction}, 0.01))
            behind = function(shifted(chain, {name: direction}, -0.01))
            slope = (ahead - behind) / 0.02
            expected = (getattr(gradient, name) * direction).sum()
            assert_allclose(slope, expected, rtol=tolerance, atol=tolerance, err_msg=name)


gradient_chains = pytest.mark.parametrize(
    "make", [lambda rng: biluo_chain(rng, [4, 0, 2, 7], 2), lambda rng: free_chain(rng, [1, 5], 3)]
)


@gradient_chains
def test_expected_counts_are_the_gradient_of_log_partition(make):
    rng = numpy.random.default_rng(0)
    chain = make(rng)
    weights = rng.random(len(chain.lengths))
    gradient = chain.expected_counts(weights)
    check_gradient(lambda it: (it.log_partition * weights).sum(), chain, gradient, rng)


@gradient_chains
def test_differences_of_expected_counts_are_the_gradient_of_cross_entropy(make):
    """The gradient that distillation descends."""
    rng = numpy.random.default_rng(1)
    teacher, student = make(rng), make(rng)
    gradient = student.expected_counts() - teacher.expected_counts()
    check_gradient(lambda it: teacher.cross_entropy(it).sum(), student, gradient, rng)


def test_counts_add_and_scale_part_by_part():
    rng = numpy.random.default_rng(0)
    one, two = (free_chain(rng, [3], 2).expected_counts() for _ in range(2))
    total = one * 3.0 - two + one
    assert isinstance(total, ChainCounts)
    for name in PARTS:
        expected = 4 * getattr(one, name) - getattr(two, name)
        assert_allclose(getattr(total, name), expected, rtol=1e-5, atol=1e-6)


# Bounds of the input


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


def test_chains_without_labels_know_one_sequence(enumerated):
    chain = biluo_chain(numpy.random.default_rng(0), [3, 0, 1], 0)
    assert_allclose(chain.log_partition, [it.log_partition for it in enumerated(chain)], **CLOSE)
    assert_allclose(chain.marginals(), numpy.ones((4, 1)))
    assert chain.argmax().tolist() == [0] * 4
    assert_allclose(chain.entropy(), [0, 0, 0], atol=1e-5)


@pytest.mark.parametrize("wrong", ["lengths", "transitions", "start", "end"])
def test_scores_that_do_not_fit_are_refused_with_their_shapes(wrong):
    chain = free_chain(numpy.random.default_rng(0), [3], 2)
    with pytest.raises(ValueError, match=r"do not fit together.*3, 2.*tokens and 2 tags need"):
        replace(chain, **{wrong: getattr(chain, wrong)[:-1]})
