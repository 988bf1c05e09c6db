"""`alpha * task + beta * distillation`, for every kind of distillation."""

from itertools import repeat
from math import inf
from typing import Callable, Iterable, Iterator, Tuple, Union

import numpy
from thinc.api import get_array_module
from thinc.types import Ints1d

from ..chain import ChainCounts, LinearChain
from .likelihood import negative_log_likelihood

# (student's chain, teacher's chain, tags allowed by the gold annotation) -> (loss, gradient)
DistillationLoss = Callable[[LinearChain, LinearChain, Ints1d], Tuple[float, ChainCounts]]
# (teacher's chain, student's chain) -> (sum over the batch, gradient for the student's scores)
Comparison = Callable[[LinearChain, LinearChain], Tuple[float, ChainCounts]]
# A number, or one for each batch: Thinc's schedules.
Weight = Union[float, Iterable[float]]


def objective(alpha: Weight, beta: Weight, compare: Comparison) -> DistillationLoss:
    """Weigh the task against what the teacher says (Izsak, Guskin, Wasserblat 2019).

    The task is the negative log-likelihood of the gold tags, or of the teacher's best tags (hard
    pseudo-labels) where a document has no gold ones. With schedules that let alpha rise and beta
    fall, the student is taught at first and learns from the annotation later (Clark et al. 2019,
    "BAM! Born-Again Multi-Task Networks for Natural Language Understanding": teacher annealing).

    alpha (Weight): Weight of the task, at least 0, or a schedule.
    beta (Weight): Weight of the comparison, at least 0, or a schedule.
    compare (Comparison): Compares teacher and student.
    RETURNS (DistillationLoss): Takes student, teacher and allowed tags; returns the mean loss per
        token and its gradient.
    RAISES (ValueError): The weights make no loss.
    """
    numbers = [weight for weight in (alpha, beta) if isinstance(weight, (int, float))]
    if not all(0 <= number < inf for number in numbers) or numbers == [0, 0]:
        raise ValueError(
            f"alpha={alpha}, beta={beta} make no loss: they have to be 0 or more and not both 0. "
            "Correct [distillation.loss] in the config."
        )
    alphas, betas = _per_batch(alpha), _per_batch(beta)

    def loss(student: LinearChain, teacher: LinearChain, allowed) -> Tuple[float, ChainCounts]:
        n_tokens = max(len(student.emissions), 1)
        of_task, of_teacher = next(alphas), next(betas)
        value, gradient = negative_log_likelihood(student, gold_or_best(teacher, allowed))
        value, gradient = of_task * value, gradient * (of_task / n_tokens)
        if of_teacher:
            difference, d_difference = compare(teacher, student)
            value += of_teacher * difference
            gradient += d_difference * (of_teacher / n_tokens)
        return value / n_tokens, gradient

    return loss


def require_temperature(temperature: float) -> None:
    """RAISES (ValueError): It is not above 0."""
    if not 0 < temperature < inf:
        raise ValueError(
            f"temperature={temperature} makes no loss: it has to be above 0. Correct "
            "[distillation.loss] in the config."
        )


def gold_or_best(teacher: LinearChain, allowed):
    """Fill in the teacher's best tags where a document has no annotation at all, and the teacher
    has an opinion.

    teacher (LinearChain): The teacher's chain.
    allowed (ArrayXd): (tokens, tags), bool: the tags that the annotation leaves open.
    RETURNS (ArrayXd): (tokens, tags), bool.
    """
    xp = get_array_module(teacher.emissions)
    allowed = xp.asarray(allowed)
    sequences = sequence_numbers(teacher)
    known = ~allowed.all(axis=1)
    n_known = xp.bincount(sequences, weights=known, minlength=len(teacher.lengths))
    best = teacher.argmax()[:, None] == xp.arange(allowed.shape[1])
    if teacher.known is not None:
        best |= ~xp.asarray(teacher.known)[:, None]
    return xp.where((n_known > 0)[sequences][:, None], allowed, best)


def sequence_numbers(chain: LinearChain) -> Ints1d:
    """RETURNS (Ints1d): (tokens,) the number of each token's sentence."""
    # numpy's repeat takes a count for each element; not every cupy's does.
    numbers = numpy.repeat(numpy.arange(len(chain.lengths)), chain.lengths)
    return get_array_module(chain.emissions).asarray(numbers)


def _per_batch(weight: Weight) -> Iterator[float]:
    return repeat(float(weight)) if isinstance(weight, (int, float)) else iter(weight)
