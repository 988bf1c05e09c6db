"""Teachers, which predict the chains of documents."""

from .annotations import AnnotationTeacher
from .cache import CachedTeacher
from .ensemble import EnsembleTeacher
from .label_map import MappedTeacher
from .pipeline_teacher import PipelineTeacher
from .protocol import Teacher, TeacherSource, match_labels
from .soft_teacher import SoftTeacher
from .sources import TeacherOptions, load_teacher
from .token_classification import TokenClassificationTeacher

__all__ = [
    "AnnotationTeacher",
    "CachedTeacher",
    "EnsembleTeacher",
    "MappedTeacher",
    "PipelineTeacher",
    "SoftTeacher",
    "Teacher",
    "TeacherOptions",
    "TeacherSource",
    "TokenClassificationTeacher",
    "load_teacher",
    "match_labels",
]
