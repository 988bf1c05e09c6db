"""Sentences of which the teacher is sure."""

from dataclasses import replace
from typing import Dict, Tuple

from thinc.api import get_array_module
from thinc.types import ArrayXd, Floats1d

from ..chain import ChainCounts, LinearChain
from .objective import DistillationLoss, advance, sequence_ids, sum_per_sequence


class ConfidentSentences:
    """Computes another loss, without the teacher in sentences of whose best tag sequence it is not
    sure. Gold annotation counts everywhere.

    The probability of a sequence falls with its length. So its geometric mean over the tokens that
    the teacher knows is compared with the threshold.
    """

    def __init__(self, loss: DistillationLoss, least_confidence: float = 0.5) -> None:
        """Create the loss.

        loss (DistillationLoss): The other loss: a mean over the tokens of all sentences.
        least_confidence (float): The threshold, from 0 to 1.
        RAISES (ValueError): The confidence is no probability.
        """
        if not 0 <= least_confidence <= 1:
            raise ValueError(
                f"[D125] least_confidence={least_confidence} is no probability: it has to be from "
                "0 to 1. Correct the loss in the config."
            )
        self.loss = loss
        self.least_confidence = least_confidence

    def advance(self) -> None:
        advance(self.loss)

    @property
    def parts(self) -> Dict[str, float]:
        """The loss's own."""
        return getattr(self.loss, "parts", {})

    def __call__(
        self, student: LinearChain, teacher: LinearChain, allowed: ArrayXd
    ) -> Tuple[float, ChainCounts]:
        sure = (confidence(teacher) >= self.least_confidence)[sequence_ids(teacher)]
        return self.loss(student, replace(teacher, known=sure & teacher.is_known), allowed)


def confidence(chain: LinearChain) -> Floats1d:
    """RETURNS (Floats1d): (sequences,) geometric mean, over the tokens that the chain knows, of the
    probability of their best tags; 1 for a sentence without any."""
    xp = get_array_module(chain.emissions)
    of_best = chain.restricted(chain.allowed(chain.argmax()))
    n_known = sum_per_sequence(chain, chain.is_known)
    possible = xp.isfinite(chain.log_partition)
    logarithms = xp.where(possible, of_best.log_partition, 0) - xp.where(
        possible, chain.log_partition, 0
    )
    return xp.where(possible, xp.exp(logarithms / xp.maximum(n_known, 1)), 0)
