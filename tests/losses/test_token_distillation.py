"""Token distillation, compared with marginals that are summed over all tag sequences."""

from dataclasses import replace

import numpy
import pytest

from spacy_distill.losses import TokenDistillation
from spacy_distill.losses.token_distillation import marginal_divergence


def expected_divergence(tiny, teacher, student, temperature=1.0, known=None):
    wanted = tiny.enumerate(teacher, temperature).marginals()
    found = tiny.enumerate(student, temperature).marginals()
    possible = wanted > 0
    logarithms = numpy.log(numpy.where(possible, wanted, 1)) - numpy.log(
        numpy.where(possible, found, 1)
    )
    of_tokens = (wanted * logarithms).sum(axis=1)
    return of_tokens[slice(None) if known is None else known].sum()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_value_and_gradient_equal_enumeration(tiny, temperature):
    student, teacher = tiny.chain(0), tiny.chain(1)
    loss = TokenDistillation(alpha=0.0, beta=0.7, temperature=temperature)
    value, gradient = loss(student, teacher, tiny.unlabeled)

    def by_enumeration(student):
        return 0.7 * temperature**2 * expected_divergence(tiny, teacher, student, temperature) / 6

    assert value == pytest.approx(by_enumeration(student), rel=1e-4)
    tiny.check_gradient(by_enumeration, student, gradient)


def test_unknown_tokens_are_ignored(tiny):
    student, teacher = tiny.chain(2), replace(tiny.chain(3), known=tiny.known)
    value, gradient = marginal_divergence(teacher, student)

    def by_enumeration(student):
        return expected_divergence(tiny, teacher, student, known=tiny.known)

    assert value == pytest.approx(by_enumeration(student), rel=1e-4)
    tiny.check_gradient(by_enumeration, student, gradient)


def test_the_gradient_is_zero_if_the_student_equals_the_teacher(tiny):
    chain = tiny.chain(4)
    value, gradient = TokenDistillation(alpha=0.0, beta=1.0)(chain, chain, tiny.unlabeled)
    assert value == pytest.approx(0, abs=1e-5)
    for name in ("emissions", "transitions", "start", "end"):
        assert numpy.abs(getattr(gradient, name)).max() < 1e-6


def test_the_loss_is_finite_if_the_student_is_certain_of_other_tags(tiny):
    student, teacher = tiny.chain(5, scale=200.0), tiny.chain(6)
    value, gradient = TokenDistillation(alpha=0.0, beta=1.0)(student, teacher, tiny.unlabeled)
    assert 1 < value < 100
    assert numpy.isfinite(gradient.emissions).all() and numpy.abs(gradient.emissions).max() < 10


def test_a_temperature_of_zero_is_rejected():
    with pytest.raises(ValueError, match=r"temperature=0.0 cannot be used"):
        TokenDistillation(temperature=0.0)
