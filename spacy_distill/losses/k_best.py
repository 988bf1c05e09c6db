"""The student against the teacher's best tag sequences."""

from typing import Tuple

from thinc.api import get_array_module

from ..chain import ChainCounts, LinearChain
from .likelihood import negative_log_likelihood
from .objective import DistillationLoss, Objective, Weight, sequence_ids


def KBestDistillation(
    alpha: Weight = 0.5, beta: Weight = 0.5, k: int = 5, fuzzy: bool = False
) -> DistillationLoss:
    """Create the loss whose targets are the teacher's k best tag sequences: the cross-entropy to
    them, each weighed by its share of their probability (Wang et al. 2020, "Structure-Level
    Knowledge Distillation For Multilingual Sequence Labeling"). The fuzzy form is that of Zhou et
    al. 2021 ("Multi-Grained Knowledge Distillation for Named Entity Recognition").

    alpha (Weight): Weight of the task, a number or a schedule (`Objective`).
    beta (Weight): Weight of the distillation, a number or a schedule.
    k (int): Sequences of each sentence, at least 1.
    fuzzy (bool): Whether to use the negative log-likelihood of all sequences that can be made of
        the tags of the k best ones instead.
    RETURNS (DistillationLoss): The loss.
    RAISES (ValueError): The weights make no loss, or k is below 1.
    """
    if not isinstance(k, int) or k < 1:
        raise ValueError(
            f"[D124] k={k} makes no loss: it has to be a whole number, 1 or more. Correct the loss "
            "in the config."
        )

    def compare(teacher: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
        return (fuzzy_likelihood if fuzzy else k_best_cross_entropy)(teacher, student, k)

    return Objective(alpha, beta, compare)


def k_best_cross_entropy(
    teacher: LinearChain, student: LinearChain, k: int
) -> Tuple[float, ChainCounts]:
    """Find the cross-entropy of the student to the teacher's best sequences. Unknown tokens are
    left open.

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
        of_sequence = student.restricted(teacher.allowed(sequence))
        there = share > 0
        likelihoods = xp.where(there, student.log_partition - of_sequence.log_partition, 0)
        value += float((share * likelihoods).sum())
        gradient -= of_sequence.expected_counts(share)
    return value, gradient


def fuzzy_likelihood(
    teacher: LinearChain, student: LinearChain, k: int
) -> Tuple[float, ChainCounts]:
    """Find the negative log-likelihood of all sequences that can be made of the tags of the
    teacher's best ones. Takes and returns what `k_best_cross_entropy` does."""
    tags, scores = teacher.topk(k)
    possible = get_array_module(scores).isfinite(scores)[:, sequence_ids(teacher)]
    allowed = ~teacher.is_known[:, None]
    for sequence, there in zip(tags, possible, strict=True):
        allowed = allowed | (teacher.allowed(sequence) & there[:, None])
    return negative_log_likelihood(student, allowed)
