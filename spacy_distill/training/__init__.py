"""The distillation loop."""

from .distill import distill

__all__ = ["distill"]
