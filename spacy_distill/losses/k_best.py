"""Train the student on the teacher's k best tag sequences."""

from typing import Tuple

from thinc.api import get_array_module

from ..chain import ChainCounts, LinearChain
from .likelihood import negative_log_likelihood
from .objective import DistillationLoss, Objective
from .weights import Weight


def KBestDistillation(
    alpha: Weight = 0.5, beta: Weight = 0.5, k: int = 5, fuzzy: bool = False
) -> DistillationLoss:
    """Create the loss whose targets are the teacher's k best tag sequences (Wang et al. 2020,
    "Structure-Level Knowledge Distillation For Multilingual Sequence Labeling").

    It is the cross-entropy. The weight of a sequence is its share of the total probability of the k
    sequences. The fuzzy variant is that of Zhou et al. 2021 ("Multi-Grained Knowledge Distillation
    for Named Entity Recognition").

    alpha (Weight): The weight of the task, a number or a schedule (`Objective`).
    beta (Weight): The weight of the distillation, a number or a schedule.
    k (int): The number of sequences of each sentence, at least 1.
    fuzzy (bool): Whether to allow at each token all tags that it has in any of the k sequences. The
        loss is then the negative log-likelihood of all sequences of allowed tags.
    RETURNS (DistillationLoss): The loss.
    RAISES (ValueError): The weights are invalid, or k is below 1.
    """
    if not isinstance(k, int) or k < 1:
        raise ValueError(
            f"[D124] k={k} cannot be used: expected a whole number, 1 or more. Correct the loss in "
            "the config."
        )

    def compare(teacher: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
        return (fuzzy_likelihood if fuzzy else k_best_cross_entropy)(teacher, student, k)

    return Objective(alpha, beta, compare)


def k_best_cross_entropy(
    teacher: LinearChain, student: LinearChain, k: int
) -> Tuple[float, ChainCounts]:
    """Compute the cross-entropy of the student with the teacher's k best sequences. All tags are
    allowed at unknown tokens.

    RETURNS (Tuple[float, ChainCounts]): The sum over sentences, and the gradient with respect to
        the student's scores.
    """
    xp = get_array_module(student.emissions)
    tags, scores = teacher.topk(k)
    possible = xp.isfinite(scores)
    shares = xp.exp(scores - xp.where(possible[0], scores[0], 0))
    shares /= xp.maximum(shares.sum(axis=0), 1)
    # Where the teacher has no possible sequence, the shares are 0.
    gradient = student.expected_counts(shares.sum(axis=0))
    value = 0.0
    for sequence, share in zip(tags, shares, strict=True):
        target = student.restricted(teacher.allowed(sequence))
        likelihoods = xp.where(share > 0, student.log_partition - target.log_partition, 0)
        value += float((share * likelihoods).sum())
        gradient -= target.expected_counts(share)
    return value, gradient


def fuzzy_likelihood(
    teacher: LinearChain, student: LinearChain, k: int
) -> Tuple[float, ChainCounts]:
    """Compute the negative log-likelihood of all sequences of allowed tags. A tag is allowed at a
    token if one of the teacher's k best sequences has it there."""
    tags, scores = teacher.topk(k)
    possible = get_array_module(scores).isfinite(scores)[:, teacher.sequence_ids]
    allowed = ~teacher.is_known[:, None]
    for sequence, is_possible in zip(tags, possible, strict=True):
        allowed = allowed | (teacher.allowed(sequence) & is_possible[:, None])
    return negative_log_likelihood(student, allowed)
