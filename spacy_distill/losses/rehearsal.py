"""A student against what it was before it had its latest labels."""

from typing import Tuple

from thinc.api import get_array_module

from ..chain import ChainCounts, LinearChain
from .chain_distillation import kl_divergence
from .token_distillation import divergence_from_marginals

# Shares of less than that are not divided.
MIN_TOTAL = 1e-9


def rehearsal_divergence(former: LinearChain, student: LinearChain) -> Tuple[float, ChainCounts]:
    """Find the Kullback-Leibler divergence of a student from the former student.

    With the same labels, whole tag sequences are compared. With new labels, the tags of each token
    are compared, and new labels count as O: the former student may take their entities for O.

    former (LinearChain): The chain of the former student, over the first ones of the tags.
    student (LinearChain): The student's chain.
    RETURNS (Tuple[float, ChainCounts]): The sum over the batch, and the gradient with respect to
        the student's scores.
    """
    n_former = len(former.start)
    if n_former == len(student.start):
        return kl_divergence(former, student)
    xp = get_array_module(student.emissions)
    before, now = former.marginals(), student.marginals()
    # O and the new labels share what the former student has for O, in the student's proportions.
    outside = [0, *range(n_former, now.shape[1])]
    total = xp.maximum(now[:, outside].sum(axis=1, keepdims=True), MIN_TOTAL)
    wanted = xp.zeros_like(now)
    wanted[:, :n_former] = before
    wanted[:, outside] = before[:, :1] * now[:, outside] / total
    return divergence_from_marginals(wanted, student)
