"""Each token's tags of the student against those of the teacher."""

from typing import Tuple

from thinc.api import get_array_module

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
    xp = get_array_module(student.emissions)
    wanted = teacher.marginals().astype("float64")
    if teacher.known is not None:
        wanted *= xp.asarray(teacher.known)[:, None]
    found = xp.maximum(student.marginals().astype("float64"), LEAST_PROBABILITY)
    value = (wanted * (xp.log(xp.where(wanted > 0, wanted, 1)) - xp.log(found))).sum()
    n_known = sum_per_sequence(teacher, wanted.sum(axis=1))
    gradient = student.expected_counts(n_known) - student.counts_given_tags(wanted)
    return float(value), gradient
