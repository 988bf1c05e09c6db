"""Whole tag sequences of the student against those of the teacher."""

from dataclasses import replace
from typing import Tuple

from ..chain import ChainCounts, LinearChain
from .objective import DistillationLoss, Objective, Weight, softened, sum_per_sequence


def ChainDistillation(
    alpha: Weight = 0.5, beta: Weight = 0.5, temperature: float = 1.0
) -> DistillationLoss:
    """Create the loss that compares whole tag sequences: the Kullback-Leibler divergence of the
    student's chain from the teacher's (Wang et al. 2021, "Structural Knowledge Distillation").

    Both chains are softened by the temperature. The divergence is scaled by its square, which keeps
    the size of the gradients (Hinton, Vinyals, Dean 2015). With a beta of 0, only the task is left.

    alpha (Weight): Weight of the task, a number or a schedule (`Objective`).
    beta (Weight): Weight of the distillation, a number or a schedule.
    temperature (float): Above 0; higher is softer.
    RETURNS (DistillationLoss): The loss.
    RAISES (ValueError): Weights or temperature make no loss.
    """
    return Objective(alpha, beta, softened(kl_divergence, temperature))


def kl_divergence(teacher: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
    """Find the divergence of a student from its teacher over whole tag sequences.

    teacher (LinearChain): The teacher's chain. Unknown tokens have no gradient, and sentences with
        unknown tokens none with respect to transitions, start and end.
    student (LinearChain): The student's chain.
    RETURNS (Tuple[float, ChainCounts]): The sum over sentences without unknown tokens, and the
        gradient with respect to the student's scores.
    """
    divergence = teacher.kl(student)
    gradient = student.expected_counts() - teacher.expected_counts()
    if teacher.known is None:
        return float(divergence.sum()), gradient
    whole = sum_per_sequence(teacher, ~teacher.is_known) == 0
    of_whole = student.expected_counts(whole) - teacher.expected_counts(whole)
    gradient = replace(of_whole, emissions=gradient.emissions * teacher.is_known[:, None])
    return float(divergence[whole].sum()), gradient
