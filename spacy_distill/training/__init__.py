"""Distillation, annotation, calibration and compact students."""

from .distill import distill

__all__ = ["distill"]
