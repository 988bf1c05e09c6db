"""Gold and teacher in one loss, both as chains."""

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
        xp = get_array_module(student.emissions)
        n_tokens = max(len(student.emissions), 1)
        target = gold_or_best(teacher, allowed)
        task, d_task = negative_log_likelihood(student, target)
        soft_student, soft_teacher = student.scaled(temperature), teacher.scaled(temperature)
        divergence = float(xp.sum(soft_teacher.kl(soft_student)))
        d_soft = soft_student.expected_counts() - soft_teacher.expected_counts()
        # The divergence's gradient has 1 / temperature in it, from the scaling of the scores.
        gradient = d_task * (alpha / n_tokens) + d_soft * (beta * temperature / n_tokens)
        total = alpha * task + beta * temperature**2 * divergence
        return total / n_tokens, gradient

    return loss


def gold_or_best(teacher: LinearChain, allowed):
    """Fill in the teacher's best tags where a document has no annotation at all.

    teacher (LinearChain): The teacher's chain.
    allowed (ArrayXd): (tokens, tags), bool: the tags that the annotation leaves open.
    RETURNS (ArrayXd): (tokens, tags), bool.
    """
    xp = get_array_module(teacher.emissions)
    allowed = xp.asarray(allowed)
    # numpy's repeat takes a count for each element; not every cupy's does.
    lengths = teacher.lengths
    sequences = xp.asarray(numpy.repeat(numpy.arange(len(lengths)), lengths))
    known = ~allowed.all(axis=1)
    n_known = xp.bincount(sequences, weights=known, minlength=len(teacher.lengths))
    best = teacher.argmax()[:, None] == xp.arange(allowed.shape[1])
    return xp.where((n_known > 0)[sequences][:, None], allowed, best)
