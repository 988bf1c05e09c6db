"""Losses of distillation: they compare the student's chain with a target, and return the value and
its gradient."""

from .chain_distillation import ChainDistillation
from .confidence import ConfidentSentences
from .k_best import KBestDistillation
from .likelihood import negative_log_likelihood
from .objective import DistillationLoss, advance
from .token_distillation import TokenDistillation

__all__ = [
    "ChainDistillation",
    "ConfidentSentences",
    "DistillationLoss",
    "KBestDistillation",
    "TokenDistillation",
    "advance",
    "negative_log_likelihood",
]
