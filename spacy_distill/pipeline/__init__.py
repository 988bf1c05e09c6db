"""The spaCy components `ner_student` and `ner_teacher`."""

from .chain_ner import ChainNER
from .ner_student import NERStudent
from .ner_teacher import NERTeacher

__all__ = ["ChainNER", "NERStudent", "NERTeacher"]
