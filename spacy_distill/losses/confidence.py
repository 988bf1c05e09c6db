"""Ignore the teacher where it is not confident: in sentences, or at tokens."""

from dataclasses import replace
from typing import Callable, Dict, Tuple

from thinc.api import get_array_module
from thinc.types import ArrayXd, Floats1d

from ..chain import ChainCounts, LinearChain
from .objective import DistillationLoss, advance

# Computes the confidence of a chain at each token: (tokens,) from 0 to 1.
TokenConfidence = Callable[[LinearChain], Floats1d]


class ConfidentLoss:
    """Computes another loss, but ignores the teacher where its confidence is low. Gold annotation
    is always used."""

    def __init__(
        self, loss: DistillationLoss, least_confidence: float, token_confidence: TokenConfidence
    ) -> None:
        """Create the loss.

        loss (DistillationLoss): The other loss: a mean over the tokens of all sentences.
        least_confidence (float): The minimum confidence, from 0 to 1.
        token_confidence (TokenConfidence): Computes what is compared with the minimum.
        RAISES (ValueError): The minimum is not from 0 to 1.
        """
        if not 0 <= least_confidence <= 1:
            raise ValueError(
                f"[D125] least_confidence={least_confidence} is not a probability: expected a "
                "number from 0 to 1. Correct the loss in the config."
            )
        self.loss = loss
        self.least_confidence = least_confidence
        self.token_confidence = token_confidence

    def advance(self) -> None:
        advance(self.loss)

    @property
    def parts(self) -> Dict[str, float]:
        """The parts of the other loss."""
        return getattr(self.loss, "parts", {})

    def __call__(
        self, student: LinearChain, teacher: LinearChain, allowed: ArrayXd
    ) -> Tuple[float, ChainCounts]:
        is_confident = self.token_confidence(teacher) >= self.least_confidence
        return self.loss(student, replace(teacher, known=is_confident & teacher.is_known), allowed)


def ConfidentSentences(loss: DistillationLoss, least_confidence: float = 0.5) -> DistillationLoss:
    """Create a loss that ignores the teacher in sentences with a low confidence.

    The confidence of a sentence is the probability of the teacher's best tag sequence. It falls
    with the length, so the geometric mean over the known tokens is compared with the minimum.

    loss (DistillationLoss): The loss that is computed: a mean over the tokens of all sentences.
    least_confidence (float): The minimum confidence, from 0 to 1.
    RETURNS (DistillationLoss): The loss.
    RAISES (ValueError): The minimum is not from 0 to 1.
    """
    return ConfidentLoss(
        loss, least_confidence, lambda chain: sentence_confidence(chain)[chain.sequence_ids]
    )


def ConfidentTokens(loss: DistillationLoss, least_confidence: float = 0.8) -> DistillationLoss:
    """Create a loss that ignores the teacher at tokens with a low confidence, as BOND does (Liang
    et al. 2020, "BOND: BERT-Assisted Open-Domain Named Entity Recognition with Distant
    Supervision").

    The confidence of a token is the highest of its tag probabilities.

    loss (DistillationLoss): The loss that is computed: a mean over the tokens of all sentences.
    least_confidence (float): The minimum confidence, from 0 to 1.
    RETURNS (DistillationLoss): The loss.
    RAISES (ValueError): The minimum is not from 0 to 1.
    """
    return ConfidentLoss(loss, least_confidence, lambda chain: chain.marginals().max(axis=1))


def sentence_confidence(chain: LinearChain) -> Floats1d:
    """RETURNS (Floats1d): (sequences,) the probability of the best tags of the known tokens, as a
    geometric mean over these tokens; 1 for a sentence without known tokens."""
    xp = get_array_module(chain.emissions)
    best = chain.restricted(chain.allowed(chain.argmax()))
    n_known = chain.sum_per_sequence(chain.is_known)
    possible = xp.isfinite(chain.log_partition)
    logarithms = xp.where(possible, best.log_partition, 0) - xp.where(
        possible, chain.log_partition, 0
    )
    return xp.where(possible, xp.exp(logarithms / xp.maximum(n_known, 1)), 0)
