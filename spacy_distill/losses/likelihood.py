"""The loss of an annotation, be it complete, partial or missing."""

import warnings
from typing import Tuple

from thinc.api import get_array_module
from thinc.types import ArrayXd

from ..chain import ChainCounts, LinearChain


def negative_log_likelihood(chain: LinearChain, allowed: ArrayXd) -> Tuple[float, ChainCounts]:
    """Sum the negative log-probabilities of annotations.

    Unknown tokens leave all their tags open and are summed over, so that a sentence without any
    annotation has loss zero (Tsuboi et al. 2008, "Training Conditional Random Fields Using
    Incomplete Annotations").

    chain (LinearChain): The student's chain.
    allowed (ArrayXd): (tokens, tags), bool: the tags that the annotation leaves open.
    RETURNS (Tuple[float, ChainCounts]): The loss in nats, summed over the batch, and its gradient
        with respect to the chain's scores. Sentences whose annotation is no possible BILUO sequence
        count nothing and are warned of.
    """
    xp = get_array_module(chain.emissions)
    annotated = chain.restricted(allowed)
    # NaN scores are not the annotation's fault: the loss is NaN then.
    broken = ~xp.isfinite(chain.log_partition)
    possible = xp.isfinite(annotated.log_partition) | broken
    if not possible.all():
        warnings.warn(
            f"[D902] {int((~possible).sum())} of {len(possible)} documents in a batch have "
            "entities that cannot be written as BILUO tags; they are left out. Check the corpus "
            "with `python -m spacy debug data`.",
            stacklevel=2,
        )
    losses = xp.where(possible, chain.log_partition - annotated.log_partition, 0)
    gradient = chain.expected_counts(possible) - annotated.expected_counts(possible)
    return float(losses.sum()), gradient
