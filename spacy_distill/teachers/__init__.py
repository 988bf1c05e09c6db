"""Sources of knowledge: from documents to chains."""

from .cache import CachedTeacher
from .ensemble import EnsembleTeacher
from .pipeline_teacher import PipelineTeacher
from .protocol import Teacher, match_labels

__all__ = ["CachedTeacher", "EnsembleTeacher", "PipelineTeacher", "Teacher", "match_labels"]
