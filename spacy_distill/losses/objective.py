"""`alpha * task + beta * distillation`, for every kind of distillation."""

from itertools import repeat
from math import inf
from numbers import Real
from typing import Callable, Dict, Iterable, Iterator, Protocol, Tuple, Union

import numpy
from thinc.api import get_array_module
from thinc.types import ArrayXd, Floats1d, Ints1d

from ..chain import ChainCounts, LinearChain
from ..chain.packing import sum_by_sequence
from .likelihood import negative_log_likelihood


class DistillationLoss(Protocol):
    """What a student's training minimizes. A plain function does as well."""

    def __call__(
        self, student: LinearChain, teacher: LinearChain, allowed: ArrayXd
    ) -> Tuple[float, ChainCounts]:
        """Compute the loss of a batch.

        student (LinearChain): The student's chain.
        teacher (LinearChain): The teacher's, over the same tokens and tags.
        allowed (ArrayXd): (tokens, tags), bool: the tags that the gold annotation leaves open.
        RETURNS (Tuple[float, ChainCounts]): The mean loss per token, and its gradient with respect
            to the student's scores.
        """

    def advance(self) -> None:
        """Go on to the next step of schedules. The training loop calls it; optional."""


# (teacher's chain, student's chain) -> (sum over the batch, gradient for the student's scores)
Comparison = Callable[[LinearChain, LinearChain], Tuple[float, ChainCounts]]
# A number, or one for each step: Thinc's schedules.
Weight = Union[float, Iterable[float]]


class Objective:
    """The weighted sum of the task's loss and the distillation's (Izsak, Guskin, Wasserblat 2019).

    The task is the negative log-likelihood of the gold tags. Documents without any have the
    teacher's best tags instead (hard pseudo-labels).
    """

    def __init__(self, alpha: Weight, beta: Weight, compare: Comparison) -> None:
        """Create the loss.

        alpha (Weight): Weight of the task, at least 0, or a schedule; one that ends keeps its last
            value.
        beta (Weight): Weight of the distillation, at least 0, or a schedule.
        compare (Comparison): Computes the distillation's loss.
        RAISES (ValueError): The weights make no loss.
        """
        if isinstance(alpha, Real) and isinstance(beta, Real) and not alpha and not beta:
            raise ValueError(
                "[D120] alpha=0, beta=0 make no loss: at least one of them has to be above 0. "
                "Correct the loss in the config."
            )
        self._compare = compare
        self._alphas, self._betas = _per_step(alpha), _per_step(beta)
        # The two summands of the last step: weighted means per token.
        self.parts: Dict[str, float] = {}
        self.alpha = self.beta = 0.0
        self.advance()

    def advance(self) -> None:
        self.alpha = _checked("alpha", next(self._alphas, self.alpha))
        self.beta = _checked("beta", next(self._betas, self.beta))

    def __call__(
        self, student: LinearChain, teacher: LinearChain, allowed: ArrayXd
    ) -> Tuple[float, ChainCounts]:
        n_tokens = max(len(student.emissions), 1)
        xp = get_array_module(student.emissions)
        scores = student.emissions, student.transitions, student.start, student.end
        gradient = ChainCounts(*(xp.zeros_like(array) for array in scores))
        self.parts = {}
        if self.alpha:
            target = gold_or_pseudo_labels(teacher, allowed)
            task, d_task = negative_log_likelihood(student, target)
            self.parts["task"] = self.alpha * task / n_tokens
            gradient += d_task * (self.alpha / n_tokens)
        if self.beta:
            difference, d_difference = self._compare(teacher, student)
            self.parts["distillation"] = self.beta * difference / n_tokens
            gradient += d_difference * (self.beta / n_tokens)
        return sum(self.parts.values()), gradient


def advance(loss: DistillationLoss) -> None:
    """Let a loss go on to the next step of its schedules, if it has any."""
    if hasattr(loss, "advance"):
        loss.advance()


def softened(divergence: Comparison, temperature: float) -> Comparison:
    """Divide the scores of both chains by a temperature before they are compared (Hinton, Vinyals,
    Dean 2015). The result is multiplied by its square, which keeps the size of the gradients.

    RAISES (ValueError): The temperature is not above 0.
    """
    if not 0 < temperature < inf:
        raise ValueError(
            f"[D123] temperature={temperature} makes no loss: it has to be above 0. Correct the "
            "loss in the config."
        )

    def compare(teacher: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
        value, gradient = divergence(teacher.scaled(temperature), student.scaled(temperature))
        # The gradient has 1 / temperature in it, from the scaling of the scores.
        return temperature**2 * value, gradient * temperature

    return compare


def gold_or_pseudo_labels(teacher: LinearChain, allowed: ArrayXd) -> ArrayXd:
    """RETURNS (ArrayXd): (tokens, tags), bool: the allowed tags of documents that have gold tags,
    and the teacher's best tags of the other documents."""
    xp = get_array_module(teacher.emissions)
    allowed = xp.asarray(allowed)
    n_gold = sum_per_sequence(teacher, ~allowed.all(axis=1))
    has_gold = (n_gold > 0)[sequence_ids(teacher)]
    return xp.where(has_gold[:, None], allowed, teacher.allowed(teacher.argmax()))


def sequence_ids(chain: LinearChain) -> Ints1d:
    """RETURNS (Ints1d): (tokens,) the number of each token's sentence."""
    # numpy's repeat takes a count for each element; not every cupy's does.
    numbers = numpy.repeat(numpy.arange(len(chain.lengths)), chain.lengths)
    return get_array_module(chain.emissions).asarray(numbers)


def sum_per_sequence(chain: LinearChain, values: ArrayXd) -> Floats1d:
    """RETURNS (Floats1d): (sequences,) the sums of (tokens,) values, float64."""
    return sum_by_sequence(values, sequence_ids(chain), len(chain.lengths))


def _per_step(weight: Weight) -> Iterator[float]:
    if isinstance(weight, (float, int, Real)):
        return repeat(float(weight))
    if isinstance(weight, str):
        raise ValueError(
            f"[D121] A weight of the loss has to be a number or a schedule: found '{weight}'. "
            "Correct the loss in the config."
        )
    return iter(weight)


def _checked(name: str, weight: float) -> float:
    if not 0 <= weight < inf:
        raise ValueError(
            f"[D122] {name}={weight} makes no loss: it has to be 0 or more, at each step. Correct "
            "the loss in the config."
        )
    return float(weight)
