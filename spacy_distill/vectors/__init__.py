"""Static word vectors: out of a teacher's transformer, and out of files."""

from .distill_vectors import distill_vectors
from .make_vectors import make_vectors

__all__ = ["distill_vectors", "make_vectors"]
