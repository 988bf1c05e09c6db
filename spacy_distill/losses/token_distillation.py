"""Each token's tags of the student against those of the teacher."""

from typing import Tuple

from thinc.api import get_array_module
from thinc.types import Floats2d

from ..chain import ChainCounts, LinearChain
from .objective import DistillationLoss, Objective, Weight, softened, sum_per_sequence

# Where the student gives a tag less, it counts as this much: a divergence that is finite.
MIN_PROBABILITY = 1e-12


def TokenDistillation(
    alpha: Weight = 0.5, beta: Weight = 0.5, temperature: float = 1.0
) -> DistillationLoss:
    """Create the loss that compares tag probabilities token by token, by their Kullback-Leibler
    divergence (Izsak, Guskin, Wasserblat 2019).

    The probabilities are the chains' marginals (Wang et al. 2020, "Structure-Level Knowledge
    Distillation For Multilingual Sequence Labeling"). The temperature softens whole chains, as in
    `ChainDistillation`.

    alpha (Weight): Weight of the task, a number or a schedule (`Objective`).
    beta (Weight): Weight of the distillation, a number or a schedule.
    temperature (float): Above 0; higher is softer.
    RETURNS (DistillationLoss): The loss.
    RAISES (ValueError): Weights or temperature make no loss.
    """
    return Objective(alpha, beta, softened(marginal_divergence, temperature))


def marginal_divergence(teacher: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
    """Find the divergence of a student from its teacher, token by token. Takes and returns what
    `kl_divergence` does; unknown tokens are left out."""
    return divergence_from_marginals(teacher.marginals() * teacher.is_known[:, None], student)


def divergence_from_marginals(wanted: Floats2d, student: LinearChain) -> Tuple[float, ChainCounts]:
    """Find the divergence of a student's tag probabilities from those that it should have.

    wanted (Floats2d): (tokens, tags) probabilities. Rows of zeros leave a token out.
    student (LinearChain): The student's chain.
    RETURNS (Tuple[float, ChainCounts]): The sum over tokens, and the gradient with respect to the
        student's scores.
    """
    xp = get_array_module(student.emissions)
    wanted = wanted.astype("float64")
    found = xp.maximum(student.marginals().astype("float64"), MIN_PROBABILITY)
    value = (wanted * (xp.log(xp.where(wanted > 0, wanted, 1)) - xp.log(found))).sum()
    n_known = sum_per_sequence(student, wanted.sum(axis=1))
    gradient = student.expected_counts(n_known) - student.conditional_counts(wanted)
    return float(value), gradient
