"""Expected counts as gradients, against finite differences."""

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_distill.chain import ChainCounts, LinearChain
from tests.chain.random_chains import PARTS, biluo_chain, free_chain


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
    """Compare slopes along random directions, for each part of the chain separately."""
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
    """It is the gradient of distillation."""
    rng = numpy.random.default_rng(1)
    teacher, student = make(rng), make(rng)
    gradient = student.expected_counts() - teacher.expected_counts()
    check_gradient(lambda it: teacher.cross_entropy(it).sum(), student, gradient, rng)


@gradient_chains
@pytest.mark.parametrize("logarithmic", [False, True])
def test_counts_given_tags_make_the_gradient_of_marginals(make, logarithmic, in_logarithms):
    rng = numpy.random.default_rng(2)
    chain = make(rng)
    weights = rng.random(chain.emissions.shape)
    possible = chain.marginals() > 0

    def value(it):
        marginals = numpy.where(possible, it.marginals().astype("float64"), 1)
        return (weights * numpy.log(marginals)).sum()

    if logarithmic:
        chain = in_logarithms(chain)
    of_sentences = [
        rows.sum()
        for rows in numpy.split(weights * possible, numpy.cumsum(chain.lengths)[:-1].tolist())
    ]
    gradient = chain.conditional_counts(weights) - chain.expected_counts(
        numpy.asarray(of_sentences)
    )
    check_gradient(value, chain, gradient, rng)


def test_counts_add_and_scale_part_by_part():
    rng = numpy.random.default_rng(0)
    one, two = (free_chain(rng, [3], 2).expected_counts() for _ in range(2))
    total = one * 3.0 - two + one
    assert isinstance(total, ChainCounts)
    for name in PARTS:
        expected = 4 * getattr(one, name) - getattr(two, name)
        assert_allclose(getattr(total, name), expected, rtol=1e-5, atol=1e-6)
