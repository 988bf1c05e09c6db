"""Each token's tags of the student against those of the teacher."""

from typing import Tuple

from thinc.api import get_array_module
from thinc.types import Floats2d

from ..chain import ChainCounts, LinearChain
from .objective import DistillationLoss, Objective, Weight, softened, sum_per_sequence

# Where the student gives a tag less, it counts as this much: a divergence that is finite.
LEAST_PROBABILITY = 1e-12


def TokenDistillation(
    alpha: Weight = 0.5, beta: Weight = 0.5, temperature: float = 1.0
) -> DistillationLoss:
    """The Kullback-Leibler divergence of the student's tag probabilities from the teacher's, token
    by token (Izsak, Guskin, Wasserblat 2019). The probabilities are the chains' marginals (Wang et
    al. 2020, "Structure-Level Knowledge Distillation For Multilingual Sequence Labeling"), in
    training a softmax of the emissions where the student has no trained transitions. The
    temperature softens the whole chains, as in `ChainDistillation`.

    alpha (Weight): Weight of the task, a number or a schedule (`Objective`).
    beta (Weight): Weight of the distillation, a number or a schedule.
    temperature (float): Above 0; higher is softer.
    RETURNS (DistillationLoss): The loss.
    RAISES (ValueError): Weights or temperature make no loss.
    """
    return Objective(alpha, beta, softened(marginal_divergence, temperature))


def marginal_divergence(teacher: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
    """Compare two chains token by token, where the first one has an opinion.

    teacher (LinearChain): The chain to learn from.
    student (LinearChain): The chain that learns.
    RETURNS (Tuple[float, ChainCounts]): The sum of the divergences over tokens that the teacher
        knows, and the gradient with respect to the student's scores.
    """
    wanted = teacher.marginals()
    if teacher.known is not None:
        wanted = wanted * get_array_module(wanted).asarray(teacher.known)[:, None]
    return divergence_from_marginals(wanted, student)


def divergence_from_marginals(wanted: Floats2d, student: LinearChain) -> Tuple[float, ChainCounts]:
    """Compare a chain with the tag probabilities that it should have.

    wanted (Floats2d): (tokens, tags) probabilities. Rows of zeros leave a token out.
    student (LinearChain): The chain that learns.
    RETURNS (Tuple[float, ChainCounts]): The sum of the divergences over tokens, and the gradient
        with respect to the student's scores.
    """
    xp = get_array_module(student.emissions)
    wanted = wanted.astype("float64")
    found = xp.maximum(student.marginals().astype("float64"), LEAST_PROBABILITY)
    value = (wanted * (xp.log(xp.where(wanted > 0, wanted, 1)) - xp.log(found))).sum()
    n_known = sum_per_sequence(student, wanted.sum(axis=1))
    gradient = student.expected_counts(n_known) - student.counts_given_tags(wanted)
    return float(value), gradient
