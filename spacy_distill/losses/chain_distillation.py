"""Gold and teacher in one loss, both as chains."""

from dataclasses import replace
from math import inf
from typing import Callable, Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import Ints1d

from ..chain import ChainCounts, LinearChain
from .likelihood import negative_log_likelihood

# (student's chain, teacher's chain, tags allowed by the gold annotation) -> (loss, gradient)
DistillationLoss = Callable[[LinearChain, LinearChain, Ints1d], Tuple[float, ChainCounts]]


def ChainDistillation(
    alpha: float = 0.5, beta: float = 0.5, temperature: float = 1.0
) -> DistillationLoss:
    """`alpha * task + beta * distillation`, the objective of Izsak, Guskin, Wasserblat 2019.

    task: negative log-likelihood of the gold tags, or of the teacher's best tags where a document
    has no gold ones. distillation: the Kullback-Leibler divergence of the student's chain from the
    teacher's, exact over all tag sequences (Wang et al. 2021, "Structural Knowledge Distillation"),
    both chains softened by the temperature, and scaled by its square, so that the weight of the
    gradients stays (Hinton, Vinyals, Dean 2015).

    alpha (float): Weight of the task, at least 0.
    beta (float): Weight of the distillation, at least 0.
    temperature (float): Above 0; higher is softer.
    RETURNS (DistillationLoss): Takes student, teacher and allowed tags; returns the mean loss per
        token and its gradient.
    """
    weights_fit = alpha >= 0 and beta >= 0 and 0 < alpha + beta < inf
    if not (weights_fit and 0 < temperature < inf):
        raise ValueError(
            f"alpha={alpha}, beta={beta}, temperature={temperature} make no loss: alpha and beta "
            "have to be 0 or more and not both 0, the temperature above 0."
        )

    def loss(student: LinearChain, teacher: LinearChain, allowed) -> Tuple[float, ChainCounts]:
        n_tokens = max(len(student.emissions), 1)
        target = gold_or_best(teacher, allowed)
        task, d_task = negative_log_likelihood(student, target)
        soft_student, soft_teacher = student.scaled(temperature), teacher.scaled(temperature)
        divergence, d_soft = kl_divergence(soft_teacher, soft_student)
        # The divergence's gradient has 1 / temperature in it, from the scaling of the scores.
        gradient = d_task * (alpha / n_tokens) + d_soft * (beta * temperature / n_tokens)
        total = alpha * task + beta * temperature**2 * divergence
        return total / n_tokens, gradient

    return loss


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
    n_unknown = xp.bincount(_sequences(teacher), weights=~known, minlength=len(teacher.lengths))
    whole = (n_unknown == 0).astype("float32")
    of_whole = student.expected_counts(whole) - teacher.expected_counts(whole)
    gradient = replace(of_whole, emissions=gradient.emissions * known[:, None])
    return float(divergence[whole > 0].sum()), gradient


def _sequences(chain: LinearChain) -> Ints1d:
    """(tokens,) the number of each token's sentence."""
    # numpy's repeat takes a count for each element; not every cupy's does.
    numbers = numpy.repeat(numpy.arange(len(chain.lengths)), chain.lengths)
    return get_array_module(chain.emissions).asarray(numbers)


def gold_or_best(teacher: LinearChain, allowed):
    """Fill in the teacher's best tags where a document has no annotation at all, and the teacher
    has an opinion.

    teacher (LinearChain): The teacher's chain.
    allowed (ArrayXd): (tokens, tags), bool: the tags that the annotation leaves open.
    RETURNS (ArrayXd): (tokens, tags), bool.
    """
    xp = get_array_module(teacher.emissions)
    allowed = xp.asarray(allowed)
    sequences = _sequences(teacher)
    known = ~allowed.all(axis=1)
    n_known = xp.bincount(sequences, weights=known, minlength=len(teacher.lengths))
    best = teacher.argmax()[:, None] == xp.arange(allowed.shape[1])
    if teacher.known is not None:
        best |= ~xp.asarray(teacher.known)[:, None]
    return xp.where((n_known > 0)[sequences][:, None], allowed, best)
