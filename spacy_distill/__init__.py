"""Distil large spaCy NER pipelines into compact ones that run fast on a CPU."""

from .pipeline import NERStudent, NERTeacher
from .pipeline.confidences import add_confidence_extension

__all__ = ["NERStudent", "NERTeacher", "add_confidence_extension", "distill"]


def __getattr__(name: str):
    # The training loop is imported when it is used: an app that runs a student needs none of it.
    if name == "distill":
        from .training import distill

        return distill
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
