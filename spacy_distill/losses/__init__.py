"""Losses of distillation and their gradients."""

from .chain_distillation import ChainDistillation
from .confidence import ConfidentSentences, ConfidentTokens
from .k_best import KBestDistillation
from .likelihood import negative_log_likelihood
from .objective import DistillationLoss, Objective, advance
from .token_distillation import TokenDistillation

__all__ = [
    "ChainDistillation",
    "ConfidentSentences",
    "ConfidentTokens",
    "DistillationLoss",
    "KBestDistillation",
    "Objective",
    "TokenDistillation",
    "advance",
    "negative_log_likelihood",
]
