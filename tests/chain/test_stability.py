"""The numerical stability of the algebra, for long documents and extreme scores."""

import warnings
from dataclasses import replace

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_distill.chain import LinearChain, constraints, n_tags
from spacy_distill.chain.forward_backward import log_trellis, scaled_trellis

pytestmark = pytest.mark.usefixtures("each_kernel")

N_LABELS = 18  # OntoNotes
SIZE = n_tags(N_LABELS)
PARTS = ("emissions", "transitions", "start", "end")


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def long_chain(lengths, magnitude, seed=0):
    rng = numpy.random.default_rng(seed)
    start, transitions, end = constraints(N_LABELS)
    return LinearChain(
        (rng.normal(size=(sum(lengths), SIZE)) * magnitude).astype("float32"),
        numpy.asarray(lengths),
        transitions + (rng.normal(size=(SIZE, SIZE)) * magnitude).astype("float32"),
        start + (rng.normal(size=SIZE) * magnitude).astype("float32"),
        end + (rng.normal(size=SIZE) * magnitude).astype("float32"),
    )


def small_chain(emissions, transitions=((0, 0), (0, 0))):
    """A chain of one sentence and two tags."""
    nothing = numpy.zeros(2, dtype="float32")
    emissions = numpy.asarray(emissions, dtype="float32")
    transitions = numpy.asarray(transitions, dtype="float32")
    return LinearChain(emissions, numpy.asarray([len(emissions)]), transitions, nothing, nothing)


def recursion(chain):
    """Forward and backward on one sentence, in float64 logarithms, without any batching.

    RETURNS (Tuple[float, Floats2d]): Log-partition and marginals.
    """
    parts = (numpy.asarray(getattr(chain, name), dtype="float64") for name in PARTS)
    emissions, transitions, start, end = parts
    forward, backward = [emissions[0] + start], [end]
    for scores in emissions[1:]:
        arriving = forward[-1][:, None] + transitions
        forward.append(numpy.logaddexp.reduce(arriving, axis=0) + scores)
    for scores in emissions[:0:-1]:
        leaving = transitions + scores + backward[0]
        backward.insert(0, numpy.logaddexp.reduce(leaving, axis=1))
    log_partition = numpy.logaddexp.reduce(forward[-1] + end)
    marginals = numpy.exp(numpy.asarray(forward) + numpy.asarray(backward) - log_partition)
    return log_partition, marginals


def check(chain):
    """Compare a chain of one sentence with the recursion, and check that its results are
    consistent."""
    log_partition, marginals = recursion(chain)
    assert numpy.isfinite(log_partition), "the test itself is wrong: nothing is possible"
    assert_allclose(chain.log_partition, [log_partition], rtol=1e-5, atol=1e-5)
    found = chain.marginals()
    assert_allclose(found.sum(axis=1), 1, atol=1e-4)
    assert_allclose(found, marginals, atol=1e-3)
    counts = chain.expected_counts()
    assert_allclose(counts.transitions.sum(), len(marginals) - 1, rtol=1e-4, atol=1e-4)
    best = chain.score(chain.argmax())
    assert best <= log_partition + 1e-5 * abs(log_partition) + 1e-5
    entropy = chain.entropy()
    # Large summands cancel, so the tolerance is relative to the summands.
    assert_allclose(chain.kl(chain), [0], atol=1e-6 * abs(log_partition) + 1e-6)
    assert numpy.isfinite(entropy).all()
    assert log_partition - best <= entropy + 1e-5 * abs(log_partition) + 1e-5


@pytest.mark.parametrize("magnitude", [1, 10, 50])
def test_a_thousand_tokens(magnitude):
    chain = long_chain([1000], magnitude)
    check(chain)
    tags = chain.argmax()
    _, scores = chain.topk(1)
    assert_allclose(chain.score(tags), scores[0], rtol=1e-6)


def test_a_constant_changes_only_the_log_partition():
    """Unnormalised logits in float32 can be far from zero."""
    chain = long_chain([200], 1)
    moved = replace(chain, emissions=chain.emissions + numpy.float32(1000))
    assert_allclose(moved.log_partition, chain.log_partition + 200_000, rtol=1e-6)
    assert_allclose(moved.marginals(), chain.marginals(), atol=1e-2)


@pytest.mark.parametrize("magnitude", [1, 10])
def test_both_arithmetics_agree(magnitude):
    chain = long_chain([300, 0, 1, 2, 40], magnitude)
    arguments = (
        chain._emissions.astype("float64"),
        chain.transitions.astype("float64"),
        chain._packing,
        len(chain.lengths),
    )
    scaled, logarithmic = scaled_trellis(*arguments), log_trellis(*arguments)
    assert scaled is not None and not scaled.logarithmic, "nothing was compared"
    weights = numpy.linspace(0, 1, 343)
    scores = numpy.maximum(chain.transitions, -1e30).astype("float64")
    close = {"rtol": 1e-7, "atol": 1e-9}
    assert_allclose(scaled.log_partition, logarithmic.log_partition, **close)
    assert_allclose(scaled.unary(), logarithmic.unary(), **close)
    assert_allclose(scaled.pairwise(), logarithmic.pairwise(), **close)
    assert_allclose(
        scaled.transition_counts(weights), logarithmic.transition_counts(weights), **close
    )
    assert_allclose(
        scaled.expected_transition_scores(scores),
        logarithmic.expected_transition_scores(scores),
        **close,
    )
    here = numpy.arange(chain._packing.first.stop, 343)
    before = chain._packing.previous
    rng = numpy.random.default_rng(0)
    i, j = rng.integers(SIZE, size=(2, len(here)))
    assert_allclose(
        scaled.pair_probability(before, here, i, j),
        logarithmic.pair_probability(before, here, i, j),
        **close,
    )


def test_results_do_not_depend_on_the_batch():
    lengths = [2, 0, 1000, 1, 0, 3]
    chain = long_chain(lengths, 3)
    marginals = numpy.split(chain.marginals(), numpy.cumsum(lengths)[:-1])
    tags = numpy.split(chain.argmax(), numpy.cumsum(lengths)[:-1])
    rows = numpy.split(chain.emissions, numpy.cumsum(lengths)[:-1])
    for number, length in enumerate(lengths):
        alone = replace(chain, emissions=rows[number], lengths=numpy.asarray([length]))
        assert_allclose(chain.log_partition[number], alone.log_partition[0], rtol=1e-6)
        assert_allclose(marginals[number], alone.marginals(), atol=1e-6)
        assert_allclose(tags[number], alone.argmax())
        assert_allclose(chain.entropy()[number], alone.entropy()[0], rtol=1e-5, atol=1e-6)


def test_an_extreme_sentence_does_not_change_its_batch():
    """Logarithms are then used for the whole batch."""
    chain = long_chain([30, 30], 1)
    extreme = chain.emissions.copy()
    extreme[:30] *= 2000
    together = replace(chain, emissions=extreme)
    for number, rows in enumerate((slice(0, 30), slice(30, 60))):
        alone = replace(chain, emissions=extreme[rows], lengths=numpy.asarray([30]))
        check(alone)
        assert_allclose(together.log_partition[number], alone.log_partition[0], rtol=1e-6)
        assert_allclose(together.marginals()[rows], alone.marginals(), atol=1e-6)


def test_the_only_possible_sequence_costs_a_thousand_nats_per_step():
    """The best tags of each token cannot be continued."""
    chain = long_chain([40], 1)
    emissions = chain.emissions.copy()
    emissions[:, 0] = -1500
    emissions[:, 1:] += 1500 * (numpy.arange(40) % 2)[:, None]
    check(replace(chain, emissions=emissions))


def test_a_low_start_score_that_the_next_token_outweighs():
    no = -numpy.inf
    check(small_chain([[0, -1000], [-2000, 0], [0, 0]], [[0, no], [no, 0]]))


@pytest.mark.parametrize("gap", [150, 350, 450, 1000])
@pytest.mark.parametrize("n_tokens", [2, 3, 4, 6, 12])
def test_a_low_start_score_that_many_tokens_outweigh(gap, n_tokens):
    """The scores of many tokens together outweigh the low start score."""
    no = -numpy.inf
    emissions = [[0, -900], *[[-gap, 0]] * (n_tokens - 1)]
    check(small_chain(emissions, [[0, no], [no, 0]]))
    check(small_chain(emissions[::-1], [[0, no], [no, 0]]))


@pytest.mark.parametrize("gap", [150, 350, 450])
def test_a_low_transition_score_that_many_tokens_outweigh(gap):
    emissions = [[0, -1000], *[[-gap, 0]] * 4]
    check(small_chain(emissions, [[0, -900], [-900, 0]]))
    check(small_chain(emissions[::-1], [[0, -900], [-900, 0]]))


def test_ties_between_distant_scores():
    """Two sequences differ by a thousand nats halfway, and have the same score at the end."""
    no = -numpy.inf
    chain = small_chain([[0, -1000], *[[-250, 0]] * 4, [0, 0]], [[0, no], [no, 0]])
    check(chain)
    assert_allclose(chain.marginals(), 0.5, atol=1e-6)


# What is impossible


def test_impossible_sentences_have_probability_zero():
    chain = long_chain([3, 2, 1, 2, 0], 1)
    emissions = chain.emissions.copy()
    emissions[1] = -numpy.inf  # first: no tag is possible at the second token
    emissions[3:5, :] = -numpy.inf  # second: only B-X, then O, which is an impossible pair
    emissions[3, 1] = emissions[4, 0] = 0
    emissions[5] = -numpy.inf  # third: no tag is possible
    chain = replace(chain, emissions=emissions)
    assert numpy.isneginf(chain.log_partition).tolist() == [True, True, True, False, False]
    possible = numpy.asarray([0, 0, 0, 0, 0, 0, 1, 1])
    assert_allclose(chain.marginals().sum(axis=1), possible, atol=1e-6)
    pairs = chain.pairwise_marginals().sum(axis=(1, 2))
    assert_allclose(pairs, [0, 0, 0, 0, 0, 0, 0, 1], atol=1e-6)
    counts = chain.expected_counts()
    totals = [getattr(counts, name).sum() for name in PARTS]
    assert_allclose(totals, [2, 1, 1, 1], atol=1e-6)
    assert numpy.isneginf(chain.topk(2)[1][:, :3]).all()
    assert chain.argmax().shape == (8,)
    rows, tags = numpy.arange(8), numpy.zeros((8, 1), dtype="int64")
    assert_allclose(chain.span_marginal(rows, tags), chain.marginals()[:, 0])


def test_impossible_transitions_with_finite_emissions():
    """All emissions are finite, but no transitions are possible."""
    no = -numpy.inf
    chain = small_chain([[0, 0], [0, 0]], [[no, no], [no, no]])
    assert chain.log_partition.tolist() == [no]
    assert not chain.marginals().any()
    assert not chain.expected_counts().transitions.any()


# On a GPU


@pytest.fixture
def cupy():
    module = pytest.importorskip("cupy", reason="cupy is not installed")
    try:
        module.cuda.runtime.getDeviceCount()
    except module.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"cupy finds no GPU: {error}")
    # cupy's compiler and its libraries emit warnings.
    warnings.simplefilter("ignore")
    return module


@pytest.mark.parametrize("magnitude", [2, 400])
def test_a_gpu_gives_the_same(cupy, magnitude):
    """The second magnitude needs logarithms."""
    chain = long_chain([5, 0, 20, 1], magnitude)
    there = LinearChain(
        lengths=chain.lengths, **{name: cupy.asarray(getattr(chain, name)) for name in PARTS}
    )
    close = {"rtol": 1e-4, "atol": 1e-4}
    assert isinstance(there.marginals(), cupy.ndarray)
    assert_allclose(there.log_partition.get(), chain.log_partition, **close)
    assert_allclose(there.marginals().get(), chain.marginals(), **close)
    assert_allclose(there.pairwise_marginals().get(), chain.pairwise_marginals(), **close)
    assert_allclose(there.entropy().get(), chain.entropy(), **close)
    assert_allclose(there.score(there.argmax()).get(), chain.score(chain.argmax()), **close)
    tags, scores = there.topk(3)
    assert_allclose(scores.get(), chain.topk(3)[1], **close)
    assert_allclose(there.score(tags[1]).get(), scores[1].get(), **close)
    weights = numpy.asarray([1.0, 2.0, 0.5, 1.0])
    counts, counts_there = chain.expected_counts(weights), there.expected_counts(weights)
    for name in PARTS:
        assert_allclose(getattr(counts_there, name).get(), getattr(counts, name), **close)
    rows, tags = numpy.asarray([0, 7]), numpy.asarray([[0, 0, -1], [1, 2, 3]])
    assert_allclose(there.span_marginal(rows, tags).get(), chain.span_marginal(rows, tags), **close)
