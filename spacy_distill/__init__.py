"""Distil large spaCy NER pipelines into compact ones that run fast on a CPU."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, List

from .pipeline import NERStudent, NERTeacher
from .pipeline.confidences import add_confidence_extension

if TYPE_CHECKING:  # the names of LAZY, for type checkers and editors
    from .annotation.annotate import annotate
    from .configs import make_config
    from .evaluation.card import write_card
    from .evaluation.thresholds import find_thresholds
    from .reports.make_report import report
    from .tagging.tag import tag
    from .tagging.tag_batch import tag_batch
    from .teachers.sources import TeacherOptions, load_teacher
    from .training.calibrate import calibrate
    from .training.compact import compact
    from .training.distill import distill
    from .training.prune import prune
    from .training.sizes import distill_sizes
    from .vectors.distill_vectors import distill_vectors
    from .vectors.make_vectors import make_vectors

    __version__: str

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

__all__ = [
    "NERStudent",
    "NERTeacher",
    "TeacherOptions",
    "__version__",
    "add_confidence_extension",
    "annotate",
    "calibrate",
    "compact",
    "distill",
    "distill_sizes",
    "distill_vectors",
    "find_thresholds",
    "load_teacher",
    "make_config",
    "make_vectors",
    "prune",
    "report",
    "tag",
    "tag_batch",
    "write_card",
]


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(import_module(f".{LAZY[name]}", __name__), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("spacy-distill")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
