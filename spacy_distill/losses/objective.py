"""The weighted sum `alpha * task + beta * distillation` of all distillation losses."""

from math import inf
from numbers import Real
from typing import Callable, Dict, Protocol, Tuple

from thinc.api import get_array_module
from thinc.types import ArrayXd

from ..chain import ChainCounts, LinearChain
from .likelihood import negative_log_likelihood
from .weights import StepWeight, Weight


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


class Objective:
    """The weighted sum of a task loss and a distillation loss (Izsak, Guskin, Wasserblat 2019).

    The task loss is the negative log-likelihood of the gold tags. Documents without gold tags use
    the teacher's best tags instead (hard pseudo-labels).
    """

    def __init__(self, alpha: Weight, beta: Weight, compare: Comparison) -> None:
        """Create the loss.

        alpha (Weight): The weight of the task.
        beta (Weight): The weight of the distillation.
        compare (Comparison): Computes the distillation loss.
        RAISES (ValueError): A weight is invalid, or both are 0.
        """
        if isinstance(alpha, Real) and isinstance(beta, Real) and not alpha and not beta:
            raise ValueError(
                "[D120] alpha and beta are both 0, so nothing would be learnt. At least one of "
                "them has to be above 0: correct the loss in the config."
            )
        self._compare = compare
        self._alpha, self._beta = StepWeight("alpha", alpha), StepWeight("beta", beta)
        # The weighted losses of the last step, task and distillation: means per token.
        self.parts: Dict[str, float] = {}

    @property
    def alpha(self) -> float:
        """The weight of the task at this step."""
        return self._alpha.value

    @property
    def beta(self) -> float:
        """The weight of the distillation at this step."""
        return self._beta.value

    def advance(self) -> None:
        self._alpha.advance()
        self._beta.advance()

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
    n_gold = teacher.sum_per_sequence(~allowed.all(axis=1))
    has_gold = (n_gold > 0)[teacher.sequence_ids]
    return xp.where(has_gold[:, None], allowed, teacher.allowed(teacher.argmax()))
