"""Sentences of which the teacher is sure."""

from dataclasses import replace
from typing import Tuple

from thinc.api import get_array_module

from ..chain import ChainCounts, LinearChain
from .objective import DistillationLoss, sequence_numbers


def ConfidentSentences(loss: DistillationLoss, least_confidence: float = 0.5) -> DistillationLoss:
    """Learn from the teacher where it is sure: sentences whose best tag sequence it gives less
    probability count as if it knew nothing of them. Gold annotation counts everywhere.

    The probability of a whole sequence falls with its length; the geometric mean over its tokens,
    which is compared here, does not.

    loss (DistillationLoss): What is computed of the others.
    least_confidence (float): From 0 to 1.
    RETURNS (DistillationLoss): Takes student, teacher and allowed tags; returns the mean loss per
        token, of all sentences, and its gradient.
    RAISES (ValueError): The confidence is no probability.
    """
    if not 0 <= least_confidence <= 1:
        raise ValueError(
            f"least_confidence={least_confidence} is no probability. Correct [distillation.loss] "
            "in the config."
        )

    def of_confident(
        student: LinearChain, teacher: LinearChain, allowed
    ) -> Tuple[float, ChainCounts]:
        xp = get_array_module(teacher.emissions)
        sure = (confidence(teacher) >= least_confidence)[sequence_numbers(teacher)]
        known = sure if teacher.known is None else sure & xp.asarray(teacher.known)
        return loss(student, replace(teacher, known=known), allowed)

    return of_confident


def confidence(chain: LinearChain):
    """RETURNS (Floats1d): (sequences,) geometric mean over the tokens of the probability of each
    sentence's best tag sequence; 1 for an empty sentence."""
    xp = get_array_module(chain.emissions)
    logarithms = chain.score(chain.argmax()) - chain.log_partition
    return xp.exp(logarithms / xp.maximum(xp.asarray(chain.lengths), 1))
