"""Static word vectors out of a teacher's transformer."""

from .distill_vectors import distill_vectors

__all__ = ["distill_vectors"]
