"""A student compared with an earlier copy of itself, which can have fewer labels."""

from dataclasses import replace

import numpy
import pytest

from spacy_distill.chain import LinearChain, constraints, n_tags
from spacy_distill.losses.chain_distillation import kl_divergence
from spacy_distill.losses.rehearsal import rehearsal_divergence

LENGTHS = numpy.asarray([3, 1, 0, 4])
PARTS = ("emissions", "transitions", "start", "end")


def random_chain(seed, n_labels):
    rng = numpy.random.default_rng(seed)
    start, transitions, end = constraints(n_labels)
    size = n_tags(n_labels)

    def draw(*shape):
        return rng.normal(size=shape).astype("float32")

    return LinearChain(
        draw(LENGTHS.sum(), size),
        LENGTHS,
        transitions + draw(size, size),
        start + draw(size),
        end + draw(size),
    )


def divergence(former, student):
    """RETURNS (float): The divergence of each token's tags according to the documentation, with new
    labels counted as O."""
    before, now = (chain.marginals().astype("float64") for chain in (former, student))
    n_former = before.shape[1]
    merged = now[:, :n_former].copy()
    merged[:, 0] += now[:, n_former:].sum(axis=1)
    possible = before > 0
    return float((before[possible] * numpy.log(before[possible] / merged[possible])).sum())


def test_with_the_same_labels_whole_sequences_are_compared():
    former, student = random_chain(0, 2), random_chain(1, 2)
    value, gradient = rehearsal_divergence(former, student)
    expected, expected_gradient = kl_divergence(former, student)
    assert value == expected
    for name in PARTS:
        numpy.testing.assert_array_equal(getattr(gradient, name), getattr(expected_gradient, name))


@pytest.mark.parametrize("n_new", [1, 2])
def test_new_labels_count_as_O(n_new):
    former, student = random_chain(0, 1), random_chain(1, 1 + n_new)
    value, gradient = rehearsal_divergence(former, student)
    assert value == pytest.approx(divergence(former, student), rel=1e-4)
    rng = numpy.random.default_rng(2)
    for name in PARTS:
        direction = rng.normal(size=getattr(student, name).shape).astype("float32")
        step, scores = 1e-2, getattr(student, name)
        ahead, behind = (
            divergence(former, replace(student, **{name: scores + size * direction}))
            for size in (step, -step)
        )
        slope = (ahead - behind) / (2 * step)
        found = float((getattr(gradient, name).astype("float64") * direction).sum())
        assert found == pytest.approx(slope, rel=2e-2, abs=2e-3), name


def test_the_divergence_is_zero_if_only_O_becomes_new_entities():
    """The probability of O can be divided among O and the new labels in any way."""
    student = random_chain(3, 2)
    now = student.marginals()
    n_former = n_tags(1)
    merged = now[:, :n_former].copy()
    merged[:, 0] += now[:, n_former:].sum(axis=1)

    class Former:
        start = student.start[:n_former]

        @staticmethod
        def marginals():
            return merged

    value, gradient = rehearsal_divergence(Former(), student)
    assert value == pytest.approx(0, abs=1e-5)
    for name in PARTS:
        assert numpy.abs(getattr(gradient, name)).max() < 1e-5
