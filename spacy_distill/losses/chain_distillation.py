"""Whole tag sequences of the student against those of the teacher."""

from dataclasses import replace
from typing import Tuple

from thinc.api import get_array_module

from ..chain import ChainCounts, LinearChain
from .objective import DistillationLoss, Objective, Weight, softened, sum_per_sequence


def ChainDistillation(
    alpha: Weight = 0.5, beta: Weight = 0.5, temperature: float = 1.0
) -> DistillationLoss:
    """The Kullback-Leibler divergence of the student's chain from the teacher's, exact over all tag
    sequences (Wang et al. 2021, "Structural Knowledge Distillation"), both chains softened by the
    temperature, and scaled by its square, so that the weight of the gradients stays (Hinton,
    Vinyals, Dean 2015). With a beta of 0, hard pseudo-labels alone.

    alpha (Weight): Weight of the task, a number or a schedule (`Objective`).
    beta (Weight): Weight of the distillation, a number or a schedule.
    temperature (float): Above 0; higher is softer.
    RETURNS (DistillationLoss): The loss.
    RAISES (ValueError): Weights or temperature make no loss.
    """
    return Objective(alpha, beta, softened(kl_divergence, temperature))


def kl_divergence(teacher: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
    """Compare two chains, where the first one has an opinion.

    teacher (LinearChain): The chain to learn from. Of tokens that it does not know, nothing is
        learnt; of sentences with such tokens, nothing about which tag follows which.
    student (LinearChain): The chain that learns.
    RETURNS (Tuple[float, ChainCounts]): The sum of the divergences over sentences that the teacher
        knows as a whole, and the gradient with respect to the student's scores.
    """
    xp = get_array_module(student.emissions)
    divergence = teacher.kl(student)
    gradient = student.expected_counts() - teacher.expected_counts()
    if teacher.known is None:
        return float(divergence.sum()), gradient
    known = xp.asarray(teacher.known)
    n_unknown = sum_per_sequence(teacher, ~known)
    whole = (n_unknown == 0).astype("float32")
    of_whole = student.expected_counts(whole) - teacher.expected_counts(whole)
    gradient = replace(of_whole, emissions=gradient.emissions * known[:, None])
    return float(divergence[whole > 0].sum()), gradient
