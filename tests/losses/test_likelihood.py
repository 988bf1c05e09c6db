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
def test_the_value_and_gradient_equal_enumeration(tiny, annotation, seed):
    chain, allowed = tiny.chain(seed), mask(ANNOTATIONS[annotation])

    def by_enumeration(chain):
        return sum(tiny.enumerate(chain).negative_log_likelihoods(allowed))

    loss, gradient = negative_log_likelihood(chain, allowed)
    assert loss == pytest.approx(by_enumeration(chain), abs=1e-4)
    tiny.check_gradient(by_enumeration, chain, gradient)


def test_the_loss_of_unannotated_sentences_is_zero(tiny):
    loss, gradient = negative_log_likelihood(tiny.chain(0), mask(ANNOTATIONS["none"]))
    assert loss == pytest.approx(0, abs=1e-5)
    assert numpy.abs(gradient.emissions).max() < 1e-6


def test_invalid_annotation_is_ignored_with_a_warning(tiny):
    chain, allowed = tiny.chain(1), mask(IMPOSSIBLE)
    losses = tiny.enumerate(chain).negative_log_likelihoods(allowed)
    assert numpy.isinf(losses).tolist() == [True, False, False, True]
    with pytest.warns(UserWarning, match=r"2 of 4 documents in a batch .* are ignored"):
        loss, gradient = negative_log_likelihood(chain, allowed)
    assert loss == pytest.approx(losses[1], abs=1e-5)
    assert not gradient.emissions[:3].any() and not gradient.emissions[4:].any()
    assert gradient.emissions[3].any()
    assert all(numpy.isfinite(getattr(gradient, n)).all() for n in ("transitions", "start", "end"))


def test_valid_annotation_does_not_warn(tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        negative_log_likelihood(tiny.chain(2), mask(ANNOTATIONS["complete"]))


@pytest.mark.filterwarnings("error::UserWarning", "ignore::RuntimeWarning")
def test_nan_scores_do_not_warn_about_the_annotation(tiny):
    chain = tiny.chain(0)
    chain.emissions[0] = numpy.nan
    loss, _ = negative_log_likelihood(chain, mask(ANNOTATIONS["complete"]))
    assert numpy.isnan(loss)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_long_documents_keep_their_precision(scale):
    """The loss is a small difference of two large log partitions."""
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
