import warnings

import numpy
import pytest

from spacy_distill.chain import BiluoTags, LinearChain
from spacy_distill.losses import negative_log_likelihood

TAGS = BiluoTags(("PER",))

# Sentences of 3, 1, 0 and 2 tokens.
ANNOTATIONS = {
    "complete": ["B-PER", "I-PER", "L-PER", "O", "U-PER", "O"],
    "partial": ["B-PER", None, None, "U-PER", None, "O"],
    "none": [None] * 6,
}
IMPOSSIBLE = ["B-PER", "O", "O", "U-PER", "L-PER", "O"]


def mask(tags):
    return TAGS.allowed(TAGS.tag_ids(tags))


@pytest.mark.parametrize("annotation", ANNOTATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_the_value_and_gradient_are_those_of_enumeration(tiny, annotation, seed):
    chain, allowed = tiny.chain(seed), mask(ANNOTATIONS[annotation])

    def by_enumeration(chain):
        return sum(tiny.enumerate(chain).negative_log_likelihoods(allowed))

    loss, gradient = negative_log_likelihood(chain, allowed)
    assert loss == pytest.approx(by_enumeration(chain), abs=1e-4)
    tiny.check_gradient(by_enumeration, chain, gradient)


def test_sentences_without_annotation_cost_nothing(tiny):
    loss, gradient = negative_log_likelihood(tiny.chain(0), mask(ANNOTATIONS["none"]))
    assert loss == pytest.approx(0, abs=1e-5)
    assert numpy.abs(gradient.emissions).max() < 1e-6


def test_an_impossible_annotation_is_warned_of_and_left_out(tiny):
    chain, allowed = tiny.chain(1), mask(IMPOSSIBLE)
    losses = tiny.enumerate(chain).negative_log_likelihoods(allowed)
    assert numpy.isinf(losses).tolist() == [True, False, False, True]
    with pytest.warns(UserWarning, match=r"2 of 4 documents in a batch .* are ignored"):
        loss, gradient = negative_log_likelihood(chain, allowed)
    assert loss == pytest.approx(losses[1], abs=1e-5)
    assert not gradient.emissions[:3].any() and not gradient.emissions[4:].any()
    assert gradient.emissions[3].any()
    assert all(numpy.isfinite(getattr(gradient, n)).all() for n in ("transitions", "start", "end"))


def test_a_possible_annotation_is_not_warned_of(tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        negative_log_likelihood(tiny.chain(2), mask(ANNOTATIONS["complete"]))


@pytest.mark.filterwarnings("error::UserWarning", "ignore::RuntimeWarning")
def test_scores_that_are_no_numbers_are_not_blamed_on_the_annotation(tiny):
    chain = tiny.chain(0)
    chain.emissions[0] = numpy.nan
    loss, _ = negative_log_likelihood(chain, mask(ANNOTATIONS["complete"]))
    assert numpy.isnan(loss)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_a_long_document_loses_no_digits(scale):
    """Its two partition functions are large, and what counts is a small difference."""
    emissions = scale * numpy.random.default_rng(0).normal(size=(10_000, 5))
    emissions = emissions.astype("float32").astype("float64")
    best = emissions.argmax(axis=1)
    nothing = numpy.zeros(5, dtype="float32")
    links = numpy.zeros((5, 5), dtype="float32")
    lengths = numpy.asarray([len(best)])
    chain = LinearChain(emissions.astype("float32"), lengths, links, nothing, nothing)
    partitions = numpy.logaddexp.reduce(emissions, axis=1)
    expected = (partitions - emissions.max(axis=1)).sum()
    loss, _ = negative_log_likelihood(chain, best[:, None] == numpy.arange(5))
    assert loss == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert chain.log_partition[0] == pytest.approx(partitions.sum(), rel=1e-12)
