"""Compare a student with an earlier copy of itself, which may have fewer labels."""

from typing import Tuple

from thinc.api import get_array_module

from ..chain import ChainCounts, LinearChain
from .chain_distillation import kl_divergence
from .token_distillation import divergence_from_marginals

# A lower bound, to avoid a division by 0.
MIN_TOTAL = 1e-9


def rehearsal_divergence(former: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
    """Compute the Kullback-Leibler divergence of a student from the former student.

    With the same labels, whole tag sequences are compared. With new labels, the tags of each token
    are compared. Tags of new labels count as O, because the former student predicts O for them.

    former (LinearChain): The chain of the former student, over the first of the student's tags.
    student (LinearChain): The student's chain.
    RETURNS (Tuple[float, ChainCounts]): The sum over the batch, and the gradient with respect to
        the student's scores.
    """
    n_former = len(former.start)
    if n_former == len(student.start):
        return kl_divergence(former, student)
    xp = get_array_module(student.emissions)
    before, now = former.marginals(), student.marginals()
    # The former student's probability of O is the target of O and the new labels together. It is
    # divided among them in the student's proportions.
    outside = [0, *range(n_former, now.shape[1])]
    total = xp.maximum(now[:, outside].sum(axis=1, keepdims=True), MIN_TOTAL)
    target = xp.zeros_like(now)
    target[:, :n_former] = before
    target[:, outside] = before[:, :1] * now[:, outside] / total
    return divergence_from_marginals(target, student)
