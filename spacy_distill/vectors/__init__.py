"""Make static word vectors from a teacher's transformer and from files."""

from .distill_vectors import distill_vectors
from .make_vectors import make_vectors

__all__ = ["distill_vectors", "make_vectors"]
