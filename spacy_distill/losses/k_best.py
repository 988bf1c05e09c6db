"""The student against the teacher's best tag sequences."""

from typing import Tuple

from thinc.api import get_array_module
from thinc.types import ArrayXd

from ..chain import ChainCounts, LinearChain
from .likelihood import negative_log_likelihood
from .objective import DistillationLoss, Objective, Weight, sequence_numbers


def KBestDistillation(
    alpha: Weight = 0.5, beta: Weight = 0.5, k: int = 5, fuzzy: bool = False
) -> DistillationLoss:
    """The teacher's k best tag sequences as targets: the student's cross-entropy to them, each
    weighed by its share of their probability (Wang et al. 2020, "Structure-Level Knowledge
    Distillation For Multilingual Sequence Labeling"), or fuzzy learning from them; Zhou et al. 2021
    ("Multi-Grained Knowledge Distillation for Named Entity Recognition") have both.

    alpha (Weight): Weight of the task, a number or a schedule (`Objective`).
    beta (Weight): Weight of the distillation, a number or a schedule.
    k (int): Sequences of each sentence, at least 1.
    fuzzy (bool): Instead, at each token all tags that one of the k sequences has there are right:
        the negative log-likelihood of all sequences that are made of them.
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
    """Compare a chain with another one's best sequences.

    teacher (LinearChain): The chain to learn from; tokens that it does not know are left open.
    student (LinearChain): The chain that learns.
    k (int): How many sequences.
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
        allowed = sequence[:, None] == xp.arange(student.emissions.shape[1])
        of_sequence = student.restricted(_or_open(allowed, teacher))
        there = share > 0
        likelihoods = xp.where(there, student.log_partition - of_sequence.log_partition, 0)
        value += float((share * likelihoods).sum())
        gradient -= of_sequence.expected_counts(share)
    return value, gradient


def fuzzy_likelihood(
    teacher: LinearChain, student: LinearChain, k: int
) -> Tuple[float, ChainCounts]:
    """Find the likelihood of all sequences out of the tags of another chain's best ones.

    Takes and returns what `k_best_cross_entropy` does.
    """
    xp = get_array_module(student.emissions)
    tags, scores = teacher.topk(k)
    possible = xp.isfinite(scores)[:, sequence_numbers(teacher)]
    allowed = xp.zeros(student.emissions.shape, dtype=bool)
    for sequence, there in zip(tags, possible, strict=True):
        allowed |= (sequence[:, None] == xp.arange(allowed.shape[1])) & there[:, None]
    return negative_log_likelihood(student, _or_open(allowed, teacher))


def _or_open(allowed: ArrayXd, teacher: LinearChain) -> ArrayXd:
    """RETURNS (ArrayXd): (tokens, tags), bool: all tags where the teacher has no opinion."""
    if teacher.known is None:
        return allowed
    return allowed | ~get_array_module(allowed).asarray(teacher.known)[:, None]
