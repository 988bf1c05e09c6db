"""Losses of distillation: what the student's chain is compared with, and the gradient of that."""

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
