"""Join the chains of several batches."""

from typing import Sequence

import numpy
from thinc.api import get_array_module

from .from_marginals import chain_from_marginals
from .linear_chain import LinearChain


def join_chains(chains: Sequence[LinearChain]) -> LinearChain:
    """Join chains over the same tags into one batch.

    chains (Sequence[LinearChain]): The chains, at least one.
    RETURNS (LinearChain): A chain over all their sequences. If their transition scores differ, only
        the marginals are kept.
    """
    first = chains[0]
    if len(chains) == 1:
        return first
    xp = get_array_module(first.emissions)
    lengths = numpy.concatenate([chain.lengths for chain in chains])
    known = None
    if any(chain.known is not None for chain in chains):
        known = xp.concatenate([chain.is_known for chain in chains])
    names = ("transitions", "start", "end")
    if all(
        xp.array_equal(getattr(chain, name), getattr(first, name))
        for chain in chains[1:]
        for name in names
    ):
        emissions = xp.concatenate([chain.emissions for chain in chains])
        return LinearChain(emissions, lengths, first.transitions, first.start, first.end, known)
    marginals = xp.concatenate([chain.marginals() for chain in chains])
    return chain_from_marginals(marginals, lengths, known)
