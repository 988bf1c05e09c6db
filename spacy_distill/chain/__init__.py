"""Linear chains over BILUO tags: the common form of gold annotation and of all predictions."""

from .biluo import BiluoTags, constraints, n_tags
from .from_marginals import chain_from_marginals, chain_with_best
from .likely_spans import likely_spans
from .linear_chain import ChainCounts, LinearChain
from .packing import Packing, pack

__all__ = [
    "BiluoTags",
    "ChainCounts",
    "LinearChain",
    "Packing",
    "chain_from_marginals",
    "chain_with_best",
    "constraints",
    "likely_spans",
    "n_tags",
    "pack",
]
