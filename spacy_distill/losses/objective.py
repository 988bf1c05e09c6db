"""The weighted sum `alpha * task + beta * distillation` of all distillation losses."""

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
    """The loss of a student's training. A plain function can be used too."""

    def __call__(
        self, student: LinearChain, teacher: LinearChain, allowed: ArrayXd
    ) -> Tuple[float, ChainCounts]:
        """Compute the loss of a batch.

        student (LinearChain): The student's chain.
        teacher (LinearChain): The teacher's chain, over the same tokens and tags.
        allowed (ArrayXd): (tokens, tags) bool: the tags that the gold annotation allows.
        RETURNS (Tuple[float, ChainCounts]): The mean loss per token, and its gradient with respect
            to the student's scores.
        """

    def advance(self) -> None:
        """Take the next values of all schedules. Optional; the training loop calls it."""


# (teacher's chain, student's chain) -> (sum over the batch, gradient of the student's scores)
Comparison = Callable[[LinearChain, LinearChain], Tuple[float, ChainCounts]]
# A constant, or one value per step, such as Thinc's schedules.
Weight = Union[float, Iterable[float]]


class Objective:
    """The weighted sum of a task loss and a distillation loss (Izsak, Guskin, Wasserblat 2019).

    The task loss is the negative log-likelihood of the gold tags. Documents without gold tags use
    the teacher's best tags instead (hard pseudo-labels).
    """

    def __init__(self, alpha: Weight, beta: Weight, compare: Comparison) -> None:
        """Create the loss.

        alpha (Weight): The weight of the task, at least 0, or a schedule. A schedule that ends
            keeps its last value.
        beta (Weight): The weight of the distillation, at least 0, or a schedule.
        compare (Comparison): Computes the distillation loss.
        RAISES (ValueError): A weight is invalid, or both are 0.
        """
        if isinstance(alpha, Real) and isinstance(beta, Real) and not alpha and not beta:
            raise ValueError(
                "[D120] alpha and beta are both 0, so nothing would be learnt. At least one of "
                "them has to be above 0: correct the loss in the config."
            )
        self._compare = compare
        self._alphas, self._betas = per_step(alpha), per_step(beta)
        # The weighted losses of the last step, task and distillation: means per token.
        self.parts: Dict[str, float] = {}
        self.alpha = self.beta = 0.0
        self.advance()

    def advance(self) -> None:
        self.alpha = checked("alpha", next(self._alphas, self.alpha))
        self.beta = checked("beta", next(self._betas, self.beta))

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
    """Take the next values of a loss's schedules, if it has some."""
    if hasattr(loss, "advance"):
        loss.advance()


def softened(divergence: Comparison, temperature: float) -> Comparison:
    """Divide the scores of both chains by a temperature before they are compared (Hinton, Vinyals,
    Dean 2015). Multiply the result by its square, which keeps the size of the gradients.

    RAISES (ValueError): The temperature is not above 0.
    """
    if not 0 < temperature < inf:
        raise ValueError(
            f"[D123] temperature={temperature} cannot be used: it has to be above 0. Correct the "
            "loss in the config."
        )

    def compare(teacher: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
        value, gradient = divergence(teacher.scaled(temperature), student.scaled(temperature))
        # The chain rule gives a factor of 1 / temperature, from the scaling of the scores.
        return temperature**2 * value, gradient * temperature

    return compare


def gold_or_pseudo_labels(teacher: LinearChain, allowed: ArrayXd) -> ArrayXd:
    """RETURNS (ArrayXd): (tokens, tags) bool: the allowed tags in documents with gold tags, and the
    teacher's best tags in the other documents."""
    xp = get_array_module(teacher.emissions)
    allowed = xp.asarray(allowed)
    n_gold = sum_per_sequence(teacher, ~allowed.all(axis=1))
    has_gold = (n_gold > 0)[sequence_ids(teacher)]
    return xp.where(has_gold[:, None], allowed, teacher.allowed(teacher.argmax()))


def sequence_ids(chain: LinearChain) -> Ints1d:
    """RETURNS (Ints1d): (tokens,) the index of each token's sentence in the batch."""
    # numpy, because some versions of cupy cannot repeat each element by its own count.
    ids = numpy.repeat(numpy.arange(len(chain.lengths)), chain.lengths)
    return get_array_module(chain.emissions).asarray(ids)


def sum_per_sequence(chain: LinearChain, values: ArrayXd) -> Floats1d:
    """RETURNS (Floats1d): (sequences,) the sums of (tokens,) values, float64."""
    return sum_by_sequence(values, sequence_ids(chain), len(chain.lengths))


def per_step(weight: Weight) -> Iterator[float]:
    """RETURNS (Iterator[float]): The weight of each step. RAISES (ValueError): It is a text."""
    if isinstance(weight, (float, int, Real)):
        return repeat(float(weight))
    if isinstance(weight, str):
        raise ValueError(
            f"[D121] A weight of the loss has to be a number or a schedule: found the text "
            f"'{weight}'. Correct the loss in the config."
        )
    return iter(weight)


def checked(name: str, weight: float) -> float:
    """RETURNS (float): The weight of a step. RAISES (ValueError): It is negative or infinite."""
    if not 0 <= weight < inf:
        raise ValueError(
            f"[D122] {name}={weight} cannot be used: it has to be 0 or more at each step. Correct "
            "the loss in the config."
        )
    return float(weight)
