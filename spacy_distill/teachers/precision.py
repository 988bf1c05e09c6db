"""A teacher that computes in another precision than torch's setting."""

from typing import Sequence, Tuple

from spacy.tokens import Doc

from ..chain import LinearChain
from ..encoders.matmul_precision import in_precision, require_precision
from .predictions import predict
from .protocol import Teacher


class TeacherInPrecision:
    """A teacher during whose predictions torch multiplies matrices in a chosen precision."""

    def __init__(self, teacher: Teacher, precision: str) -> None:
        """Create the teacher.

        teacher (Teacher): The teacher, or several as an ensemble.
        precision (str): The precision, as in `in_precision`.
        RAISES (ValueError): There is no such precision.
        """
        require_precision(precision)
        self.teacher = teacher
        self.precision = precision

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return tuple(self.teacher.labels)

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Predict the chain of documents.

        docs (Sequence[Doc]): The documents.
        RETURNS (LinearChain): The chain of the teacher.
        RAISES (ImportError): torch is not installed.
        """
        with in_precision(self.precision):
            return predict(self.teacher, docs)
