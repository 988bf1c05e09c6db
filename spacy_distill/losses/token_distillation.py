"""Compare student and teacher by the tag probabilities of each token."""

from typing import Tuple

from thinc.api import get_array_module
from thinc.types import Floats2d

from ..chain import ChainCounts, LinearChain
from .objective import DistillationLoss, Objective, softened
from .weights import Weight

# A lower bound of predicted probabilities, which keeps the divergence finite.
MIN_PROBABILITY = 1e-12


def TokenDistillation(
    alpha: Weight = 0.5, beta: Weight = 0.5, temperature: float = 1.0
) -> DistillationLoss:
    """Create the loss that compares the tag probabilities of each token: their Kullback-Leibler
    divergence (Izsak, Guskin, Wasserblat 2019).

    The probabilities are the marginals of the chains (Wang et al. 2020, "Structure-Level Knowledge
    Distillation For Multilingual Sequence Labeling"). As in `ChainDistillation`, the scores of the
    chains are divided by the temperature.

    alpha (Weight): The weight of the task, a number or a schedule (`Objective`).
    beta (Weight): The weight of the distillation, a number or a schedule.
    temperature (float): Above 0; higher is softer.
    RETURNS (DistillationLoss): The loss.
    RAISES (ValueError): The weights or the temperature are invalid.
    """
    return Objective(alpha, beta, softened(marginal_divergence, temperature))


def marginal_divergence(teacher: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
    """Call `divergence_from_marginals` with the teacher's marginals at known tokens."""
    return divergence_from_marginals(teacher.marginals() * teacher.is_known[:, None], student)


def divergence_from_marginals(target: Floats2d, student: LinearChain) -> Tuple[float, ChainCounts]:
    """Compute the Kullback-Leibler divergence of a student's marginals from target probabilities.

    target (Floats2d): (tokens, tags) probabilities. Tokens whose row is zeros are ignored.
    student (LinearChain): The student's chain.
    RETURNS (Tuple[float, ChainCounts]): The sum over tokens, and the gradient with respect to the
        student's scores.
    """
    xp = get_array_module(student.emissions)
    target = target.astype("float64")
    predicted = xp.maximum(student.marginals().astype("float64"), MIN_PROBABILITY)
    value = (target * (xp.log(xp.where(target > 0, target, 1)) - xp.log(predicted))).sum()
    n_known = student.sum_per_sequence(target.sum(axis=1))
    gradient = student.expected_counts(n_known) - student.conditional_counts(target)
    return float(value), gradient
