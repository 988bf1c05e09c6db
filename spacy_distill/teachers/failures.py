"""Distinguish errors of teachers by their cause: a document, the teacher, or the machine."""

import sqlite3
from typing import Iterator, Mapping, Optional, Sequence

from spacy.tokens import Doc

# Names of classes of torch, which may not be installed.
OUT_OF_MEMORY, DEVICE_LOST = "OutOfMemoryError", "AcceleratorError"


class DocumentsError(ValueError):
    """An error for documents whose predictions cannot be used for training.

    reasons (Mapping[int, str]): Reasons by the document's index in the batch; at least one.
    teacher (str): The teacher's name.
    """

    def __init__(self, message: str, reasons: Mapping[int, str], teacher: str = "") -> None:
        if not reasons:
            raise ValueError(
                "[D237] A DocumentsError must name the documents: found no reasons for "
                f"'{message}'. Give a reason for each document, by its index in the batch."
            )
        super().__init__(message)
        self.reasons = dict(reasons)
        self.teacher = teacher

    def __reduce__(self) -> tuple:
        return type(self), (str(self), self.reasons, self.teacher)


class TeacherError(ValueError):
    """An error in a teacher's settings or code. It concerns all documents, so the run ends."""


def documents_error(
    teacher: str, docs: Sequence[Doc], reasons: Mapping[int, str]
) -> DocumentsError:
    """RETURNS (DocumentsError): An error for documents; the message names the first one."""
    number = min(reasons)
    return DocumentsError(
        f"[D273] The teacher '{teacher}' cannot teach the document '{docs[number].text[:40]}': "
        f"{reasons[number]}. Remove the document, or use another precision or teacher.",
        reasons,
        teacher,
    )


def is_out_of_memory(error: BaseException) -> bool:
    """RETURNS (bool): Whether the memory was too small, perhaps only for the batch."""
    return any(
        isinstance(cause, MemoryError) or _is_of_torch(cause, OUT_OF_MEMORY)
        for cause in _causes(error)
    )


def ends_run(error: BaseException) -> bool:
    """RETURNS (bool): Whether an error was caused by the teacher's settings or code, or by the
    machine (such as a full disk), and not by a document."""
    return any(
        # Features of transformers may be kept in a database.
        isinstance(cause, (TeacherError, sqlite3.Error))
        or (isinstance(cause, OSError) and cause.errno is not None)
        or _is_of_torch(cause, DEVICE_LOST)
        for cause in _causes(error)
    )


def is_of_documents(error: BaseException, n_documents: int) -> bool:
    """RETURNS (bool): Whether an error may have been caused by one of the documents of a batch: not
    by the machine or the settings, and, for a single document, not by the memory."""
    return not (ends_run(error) or (n_documents == 1 and is_out_of_memory(error)))


def reason_of(error: Exception) -> str:
    """RETURNS (str): The message of an error, with its type if the message may not say enough."""
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return f"{kind}{error}"


def _is_of_torch(error: BaseException, name: str) -> bool:
    return isinstance(error, RuntimeError) and any(
        kind.__name__ == name for kind in type(error).__mro__
    )


def _causes(error: Optional[BaseException]) -> Iterator[BaseException]:
    """YIELDS (BaseException): An error, and the errors that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__
