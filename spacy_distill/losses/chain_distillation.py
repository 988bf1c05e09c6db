"""Compare student and teacher by whole tag sequences."""

from dataclasses import replace
from typing import Tuple

from ..chain import ChainCounts, LinearChain
from .objective import DistillationLoss, Objective, softened
from .weights import Weight


def ChainDistillation(
    alpha: Weight = 0.5, beta: Weight = 0.5, temperature: float = 1.0
) -> DistillationLoss:
    """Create the loss that compares whole tag sequences: the Kullback-Leibler divergence of the
    student's chain from the teacher's (Wang et al. 2021, "Structural Knowledge Distillation").

    The scores of both chains are divided by the temperature. The divergence is multiplied by its
    square, which keeps the size of the gradients (Hinton, Vinyals, Dean 2015).

    alpha (Weight): The weight of the task, a number or a schedule (`Objective`).
    beta (Weight): The weight of the distillation, a number or a schedule; 0 leaves only the task.
    temperature (float): Above 0; higher is softer.
    RETURNS (DistillationLoss): The loss.
    RAISES (ValueError): The weights or the temperature are invalid.
    """
    return Objective(alpha, beta, softened(kl_divergence, temperature))


def kl_divergence(teacher: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
    """Compute the Kullback-Leibler divergence of a student's chain from its teacher's.

    teacher (LinearChain): The teacher's chain. The gradient is 0 at unknown tokens. Sentences with
        unknown tokens add nothing to the gradient of transitions, start and end.
    student (LinearChain): The student's chain.
    RETURNS (Tuple[float, ChainCounts]): The sum over sentences without unknown tokens, and the
        gradient with respect to the student's scores.
    """
    divergence = teacher.kl(student)
    gradient = student.expected_counts() - teacher.expected_counts()
    if teacher.known is None:
        return float(divergence.sum()), gradient
    all_known = teacher.sum_per_sequence(~teacher.is_known) == 0
    counts = student.expected_counts(all_known) - teacher.expected_counts(all_known)
    gradient = replace(counts, emissions=gradient.emissions * teacher.is_known[:, None])
    return float(divergence[all_known].sum()), gradient
