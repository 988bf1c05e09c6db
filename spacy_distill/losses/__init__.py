"""Losses of distillation: what the student's chain is compared with, and the gradient of that."""

from .chain_distillation import ChainDistillation, DistillationLoss
from .likelihood import negative_log_likelihood

__all__ = ["ChainDistillation", "DistillationLoss", "negative_log_likelihood"]
