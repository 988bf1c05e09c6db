"""Compute the negative log-likelihood of complete, partial or missing annotation."""

import warnings
from typing import Tuple

from thinc.api import get_array_module
from thinc.types import ArrayXd

from ..chain import ChainCounts, LinearChain


def negative_log_likelihood(chain: LinearChain, allowed: ArrayXd) -> Tuple[float, ChainCounts]:
    """Compute the negative log-likelihood of annotations that may be partial.

    The probability is summed over all tags of unannotated tokens. So a sentence without annotation
    has the loss 0 (Tsuboi et al. 2008, "Training Conditional Random Fields Using Incomplete
    Annotations"). Sentences whose annotation is not a valid BILUO sequence are ignored, with a
    warning.

    chain (LinearChain): The student's chain.
    allowed (ArrayXd): (tokens, tags) bool: the tags that the annotation allows.
    RETURNS (Tuple[float, ChainCounts]): The loss in nats, summed over the batch, and its gradient
        with respect to the chain's scores.
    """
    xp = get_array_module(chain.emissions)
    annotated = chain.restricted(allowed)
    # If the scores are NaN, the annotation is not the cause. The loss is NaN then.
    is_broken = ~xp.isfinite(chain.log_partition)
    possible = xp.isfinite(annotated.log_partition) | is_broken
    if not possible.all():
        warnings.warn(
            f"[D902] {int((~possible).sum())} of {len(possible)} documents in a batch have "
            "entities that are not valid BILUO sequences. They are ignored. Check the corpus with "
            "`python -m spacy debug data`.",
            stacklevel=2,
        )
    losses = xp.where(possible, chain.log_partition - annotated.log_partition, 0)
    gradient = chain.expected_counts(possible) - annotated.expected_counts(possible)
    return float(losses.sum()), gradient
