"""Checked predictions of teachers: chains that a student cannot learn from are found at their
source."""

import warnings
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy
from spacy.tokens import Doc
from spacy.util import logger
from thinc.api import get_array_module, to_numpy
from thinc.types import Floats2d

from ..chain import LinearChain, n_tags
from ..chain.joining import join_chains
from .failures import DocumentsError, TeacherError, documents_error, ends_run, is_out_of_memory
from .protocol import Teacher, misfits_by_part, parts_of


class Failure(NamedTuple):
    """A document that a teacher failed on.

    number (int): Its number in the batch.
    teacher (str): The teacher's name; of several, that of the one which failed.
    reason (str): The reason.
    """

    number: int
    teacher: str
    reason: str


class Predictions(NamedTuple):
    """A teacher's predictions of a batch.

    chain (Optional[LinearChain]): One sequence for each document that is kept; None if none is.
    kept (List[int]): The numbers of these documents in the batch.
    failures (List[Failure]): The documents that the teacher failed on, in the order of the batch.
    """

    chain: Optional[LinearChain]
    kept: List[int]
    failures: List[Failure]


def predict(teacher: Teacher, docs: Sequence[Doc], name: Optional[str] = None) -> LinearChain:
    """Predict the chain of documents, and check that a student can learn from it.

    teacher (Teacher): The teacher.
    docs (Sequence[Doc]): At least one document.
    name (Optional[str]): The teacher's name in errors; by default its own.
    RETURNS (LinearChain): One sequence a document.
    RAISES (DocumentsError): Scores that are NaN or infinite, or a document without a possible
        sequence. It has the number of each such document.
    RAISES (TeacherError): The chain is not one of these documents and the teacher's labels.
    """
    try:
        chain = teacher.predict_chain(docs)
    except DocumentsError as error:
        # Of several teachers in one, the error names the one that it comes from.
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
    reasons = _unusable(chain, docs)
    if reasons:
        raise documents_error(name or name_of(teacher), docs, reasons)
    return chain


def predict_each(teacher: Teacher, docs: Sequence[Doc]) -> Predictions:
    """Predict the chain of documents, and find those that the teacher fails on.

    If the teacher raises an error, it reads the halves of the batch, until a document fails alone.
    So the predictions of a document do not depend on the failures of another.

    teacher (Teacher): The teacher.
    docs (Sequence[Doc]): At least one document.
    RETURNS (Predictions): The predictions of the documents that are kept.
    RAISES (Exception): An error that no document causes, as it is: a TeacherError, a MemoryError on
        a single document, an OSError of the system.
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
            # Components and models raise whatever they like.
            is_alone = len(numbers) == 1
            if ends_run(error) or (is_alone and is_out_of_memory(error)):
                raise
            found = [_failure(numbers[0], teacher, error)] if is_alone else []
            batch_error = batch_error or (None if is_alone else error)
        # Count the misfits of a batch that is read again once.
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
            f"[D275] The teacher '{name_of(teacher)}' failed on {len(docs)} documents together, "
            f"from '{docs[0].text[:40]}' to '{docs[-1].text[:40]}', and on none of them in smaller "
            f"batches: {type(batch_error).__name__}: {batch_error}. Let it read fewer at once: "
            "that is quicker.",
            stacklevel=2,
        )
    return Predictions(join_chains(chains) if chains else None, kept, sorted(failures))


def _failure(number: int, teacher: Teacher, error: Exception) -> Failure:
    # Commands show the traceback with --verbose.
    logger.debug("The teacher '%s' failed", name_of(teacher), exc_info=error)
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return Failure(number, name_of(teacher), f"{kind}{error}")


def _unusable(chain: LinearChain, docs: Sequence[Doc]) -> Dict[int, str]:
    """RETURNS (Dict[int, str]): Why a student cannot learn from documents, by their numbers. -inf
    marks impossible tags, which is right."""
    xp = get_array_module(chain.emissions)
    if not all(bool((part < xp.inf).all()) for part in (chain.transitions, chain.start, chain.end)):
        return dict.fromkeys(range(len(docs)), "its transition scores are NaN or infinite")
    reasons = not_finite(chain.emissions, docs)
    # If all tokens may be outside, as nearly always, a sequence is possible.
    outside = (chain.emissions[:, 0], chain.transitions[0, 0], chain.start[0], chain.end[0])
    if not reasons and not all(bool(xp.isfinite(part).all()) for part in outside):
        impossible = numpy.flatnonzero(~numpy.isfinite(to_numpy(chain.log_partition)))
        reasons = dict.fromkeys(impossible.tolist(), "no sequence of tags is possible")
    return reasons


def not_finite(scores: Floats2d, docs: Sequence[Doc]) -> Dict[int, str]:
    """Find documents with scores that are NaN or infinite.

    scores (Floats2d): (tokens, tags) of all documents, numpy's or cupy's; -inf is allowed.
    docs (Sequence[Doc]): The documents.
    RETURNS (Dict[int, str]): Their first such token, by the document's number.
    """
    xp = get_array_module(scores)
    # The comparison is false for NaN too.
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
    """RETURNS (str): A teacher's name, or the names of the teachers that it is made of."""
    names = [
        str(getattr(part, "name", None) or type(part).__name__)
        for part in parts_of(teacher)
        if not is_composite(part)
    ]
    return ", ".join(dict.fromkeys(names))


def is_composite(teacher: object) -> bool:
    """RETURNS (bool): Whether a teacher is made of several."""
    return len(list(parts_of(teacher))) > 1
