"""Errors of teachers: which are the fault of a document, of the teacher, or of the machine."""

from typing import Mapping, Optional, Sequence

from spacy.tokens import Doc

# Classes of torch, which need not be installed: memory that is over, and a device that is lost.
DEVICE_ERRORS = ("OutOfMemoryError", "AcceleratorError")


class DocumentsError(ValueError):
    """Nothing can be learnt from what a teacher says of some documents.

    reasons (Mapping[int, str]): Why, by the number of the document in the batch; at least one.
    teacher (str): The teacher's name.
    """

    def __init__(self, message: str, reasons: Mapping[int, str], teacher: str = "") -> None:
        if not reasons:
            raise ValueError(
                f"[D237] A DocumentsError has to name the documents: found no reasons for "
                f"'{message}'. Give a reason for each document, by its number in the batch."
            )
        super().__init__(message)
        self.reasons = dict(reasons)
        self.teacher = teacher

    def __reduce__(self) -> tuple:
        return type(self), (str(self), self.reasons, self.teacher)


class TeacherError(ValueError):
    """A teacher's settings or code are wrong, so no document can be trusted: the run ends."""


def documents_error(
    teacher: str, docs: Sequence[Doc], reasons: Mapping[int, str]
) -> DocumentsError:
    """RETURNS (DocumentsError): To raise where a teacher cannot be learnt from; it names the
    first of the documents."""
    number = min(reasons)
    return DocumentsError(
        f"[D273] The teacher '{teacher}' cannot teach the document '{docs[number].text[:40]}': "
        f"{reasons[number]}. Leave the document out, or read it with another precision or teacher.",
        reasons,
        teacher,
    )


def is_out_of_memory(error: BaseException) -> bool:
    """RETURNS (bool): Whether memory was not enough, which may be so of a batch alone."""
    return any(
        isinstance(cause, MemoryError) or _is_named(cause, DEVICE_ERRORS[:1])
        for cause in _causes(error)
    )


def ends_run(error: BaseException) -> bool:
    """RETURNS (bool): Whether an error is none of a document: it is the teacher's settings or code,
    or the machine's, as a full disk is."""
    return any(
        isinstance(cause, TeacherError)
        or (isinstance(cause, OSError) and cause.errno is not None)
        or _is_named(cause, DEVICE_ERRORS[1:])
        for cause in _causes(error)
    )


def _is_named(error: BaseException, names: Sequence[str]) -> bool:
    return isinstance(error, RuntimeError) and any(
        kind.__name__ in names for kind in type(error).__mro__
    )


def _causes(error: Optional[BaseException]):
    """YIELDS (BaseException): An error, and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__
