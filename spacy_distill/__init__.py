"""Distil large spaCy NER pipelines into compact ones that run fast on a CPU."""

from importlib import import_module
from typing import Any, List

from .pipeline import NERStudent, NERTeacher
from .pipeline.confidences import add_confidence_extension

# Functions that make students, and the modules that define them. They are imported on first use: an
# app that only runs a student does not need them.
LAZY = {
    "TeacherOptions": "teachers.sources",
    "annotate": "annotation.annotate",
    "calibrate": "training.calibrate",
    "compact": "training.compact",
    "distill": "training.distill",
    "distill_sizes": "training.sizes",
    "distill_vectors": "vectors.distill_vectors",
    "find_thresholds": "evaluation.thresholds",
    "load_teacher": "teachers.sources",
    "make_config": "configs",
    "make_vectors": "vectors.make_vectors",
    "prune": "training.prune",
    "report": "reports.make_report",
    "tag": "tagging.tag",
    "tag_batch": "tagging.tag_batch",
    "write_card": "evaluation.card",
}

__all__ = ["NERStudent", "NERTeacher", "add_confidence_extension", *LAZY]


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(import_module(f".{LAZY[name]}", __name__), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> List[str]:
    return sorted([*globals(), *LAZY])
