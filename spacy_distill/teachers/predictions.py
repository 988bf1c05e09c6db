"""Predict with teachers, and check that a student can learn from the predictions."""

import warnings
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy
from spacy.tokens import Doc
from spacy.util import logger
from thinc.api import get_array_module, to_numpy
from thinc.types import Floats2d

from ..chain import LinearChain, n_tags
from ..chain.joining import join_chains
from .failures import DocumentsError, TeacherError, documents_error, is_of_documents, reason_of
from .protocol import Teacher, misfits_by_part, parts_of


class Failure(NamedTuple):
    """A document that a teacher failed on.

    number (int): The index of the document in the batch.
    teacher (str): The name of the teacher. In an ensemble, the name of the teacher that failed.
    reason (str): The reason of the failure.
    """

    number: int
    teacher: str
    reason: str


class Predictions(NamedTuple):
    """A teacher's predictions for a batch.

    chain (Optional[LinearChain]): One sequence per document that the teacher did not fail on; None
        if it failed on all.
    kept (List[int]): The indices of these documents in the batch.
    failures (List[Failure]): The documents that the teacher failed on, in the order of the batch.
    """

    chain: Optional[LinearChain]
    kept: List[int]
    failures: List[Failure]


def predict(teacher: Teacher, docs: Sequence[Doc], name: Optional[str] = None) -> LinearChain:
    """Predict the chain of documents, and raise an error if a student cannot learn from it.

    teacher (Teacher): The teacher.
    docs (Sequence[Doc]): At least one document.
    name (Optional[str]): The teacher's name in error messages; by default that of the teacher.
    RETURNS (LinearChain): One sequence per document.
    RAISES (DocumentsError): Scores of some documents are NaN or infinite, or a document has no
        possible sequence.
    RAISES (TeacherError): The shape of the chain does not match the documents and labels.
    """
    try:
        chain = teacher.predict_chain(docs)
    except DocumentsError as error:
        # In an ensemble, the error already names the teacher that failed.
        if name is None and is_composite(teacher):
            raise
        raise documents_error(name or name_of(teacher), docs, error.reasons) from error
    lengths = [len(doc) for doc in docs]
    size = n_tags(len(teacher.labels))
    if chain.lengths.tolist() != lengths or len(chain.start) != size:
        raise TeacherError(
            f"[D274] The teacher '{name or name_of(teacher)}' returned a chain that does not fit: "
            f"found {len(chain.lengths)} documents of {int(chain.lengths.sum())} tokens and "
            f"{len(chain.start)} tags, expected {len(lengths)} of {sum(lengths)} and {size}. "
            "Correct its `predict_chain`."
        )
    reasons = _find_unusable(chain, docs)
    if reasons:
        raise documents_error(name or name_of(teacher), docs, reasons)
    return chain


def predict_each(teacher: Teacher, docs: Sequence[Doc]) -> Predictions:
    """Predict the chain of documents, and find the documents that the teacher fails on.

    If the teacher raises an error, the batch is halved until the failing documents are found. So a
    failure on one document does not affect the predictions of others.

    teacher (Teacher): The teacher.
    docs (Sequence[Doc]): At least one document.
    RETURNS (Predictions): The predictions, and the failures.
    RAISES (Exception): The teacher's error, if it was not caused by a document: a TeacherError, a
        MemoryError for a single document, or an OSError of the operating system.
    """
    chains: List[LinearChain] = []
    kept: List[int] = []
    failures: List[Failure] = []
    batch_error: Optional[Exception] = None
    waiting = [list(range(len(docs)))]
    while waiting:
        numbers = waiting.pop()
        misfits = misfits_by_part(teacher)
        try:
            chains.append(predict(teacher, [docs[number] for number in numbers]))
            kept += numbers
            continue
        except DocumentsError as error:
            found = [Failure(numbers[n], error.teacher, error.reasons[n]) for n in error.reasons]
        except Exception as error:
            # Components and models raise errors of any type.
            if not is_of_documents(error, len(numbers)):
                raise
            is_alone = len(numbers) == 1
            found = [_failure(numbers[0], teacher, error)] if is_alone else []
            batch_error = batch_error or (None if is_alone else error)
        # The batch is read again, so do not count its misfits twice.
        for part, n_misfits in misfits:
            part.n_misfits = n_misfits
        failures += found
        failed = {failure.number for failure in found}
        if failed:
            rest = [[number for number in numbers if number not in failed]]
        else:
            half = (len(numbers) + 1) // 2
            rest = [numbers[half:], numbers[:half]]
        waiting += [part for part in rest if part]
    if batch_error is not None and not failures:
        warnings.warn(
            f"[D275] The teacher '{name_of(teacher)}' failed on a batch of {len(docs)} documents, "
            f"from '{docs[0].text[:40]}' to '{docs[-1].text[:40]}', but not on smaller batches: "
            f"{type(batch_error).__name__}: {batch_error}. Use a smaller batch size, which is "
            "faster.",
            stacklevel=2,
        )
    return Predictions(join_chains(chains) if chains else None, kept, sorted(failures))


def _failure(number: int, teacher: Teacher, error: Exception) -> Failure:
    # With --verbose, commands show the traceback.
    logger.debug("The teacher '%s' failed", name_of(teacher), exc_info=error)
    return Failure(number, name_of(teacher), reason_of(error))


def _find_unusable(chain: LinearChain, docs: Sequence[Doc]) -> Dict[int, str]:
    """Find documents that a student cannot learn from, with reasons. -inf is allowed."""
    xp = get_array_module(chain.emissions)
    if not all(bool((part < xp.inf).all()) for part in (chain.transitions, chain.start, chain.end)):
        return dict.fromkeys(range(len(docs)), "its transition scores are NaN or infinite")
    reasons = find_not_finite(chain.emissions, docs)
    # If O is possible at all tokens, as is usual, a sequence is possible.
    outside = (chain.emissions[:, 0], chain.transitions[0, 0], chain.start[0], chain.end[0])
    if not reasons and not all(bool(xp.isfinite(part).all()) for part in outside):
        impossible = numpy.flatnonzero(~numpy.isfinite(to_numpy(chain.log_partition)))
        reasons = dict.fromkeys(impossible.tolist(), "no sequence of tags is possible")
    return reasons


def find_not_finite(scores: Floats2d, docs: Sequence[Doc]) -> Dict[int, str]:
    """Find documents with scores that are NaN or infinite.

    scores (Floats2d): (tokens, tags) of all documents, a numpy or cupy array; -inf is allowed.
    docs (Sequence[Doc]): The documents.
    RETURNS (Dict[int, str]): The first such token of a document, by the document's index.
    """
    xp = get_array_module(scores)
    # The comparison is False for NaN too.
    is_usable = scores < xp.inf
    if bool(is_usable.all()):
        return {}
    ends = numpy.cumsum([len(doc) for doc in docs])
    reasons: Dict[int, str] = {}
    for row in numpy.flatnonzero(~to_numpy(is_usable).all(axis=1)).tolist():
        number = int(numpy.searchsorted(ends, row, side="right"))
        token = docs[number][row - int(ends[number])].text
        value = "NaN" if bool(xp.isnan(scores[row]).any()) else "infinite"
        reasons.setdefault(number, f"a score of the token '{token}' is {value}")
    return reasons


def name_of(teacher: object) -> str:
    """RETURNS (str): The name of a teacher, or the names of its parts if it has several."""
    names = [
        str(getattr(part, "name", None) or type(part).__name__)
        for part in parts_of(teacher)
        if not is_composite(part)
    ]
    return ", ".join(dict.fromkeys(names))


def is_composite(teacher: object) -> bool:
    """RETURNS (bool): Whether a teacher contains other teachers."""
    return len(list(parts_of(teacher))) > 1
