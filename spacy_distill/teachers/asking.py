"""How teachers are asked: chains that nothing can be learnt from are found where they come from."""

from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy
from spacy.tokens import Doc
from spacy.util import logger
from thinc.api import get_array_module, to_numpy
from thinc.types import Floats2d

from ..chain import LinearChain, n_tags
from .protocol import Teacher, misfits_by_part, parts_of


class DocumentsError(ValueError):
    """Nothing can be learnt from what a teacher says of some documents.

    reasons (Mapping[int, str]): Why, by the number of the document in the batch.
    teacher (str): The teacher's name.
    """

    def __init__(
        self, message: str, reasons: Optional[Mapping[int, str]] = None, teacher: str = ""
    ) -> None:
        super().__init__(message)
        self.reasons = dict(reasons or {})
        self.teacher = teacher


class Failure(NamedTuple):
    """A document that a teacher failed on.

    number (int): Its number in the batch.
    teacher (str): The teacher's name; of several, that of the one which failed.
    reason (str): What it failed of.
    """

    number: int
    teacher: str
    reason: str


class Answer(NamedTuple):
    """What a teacher says of a batch.

    chain (Optional[LinearChain]): One sequence for each document that is left; None if none is.
    left (List[int]): The numbers of these documents in the batch.
    failures (List[Failure]): The others, in the order of the batch.
    """

    chain: Optional[LinearChain]
    left: List[int]
    failures: List[Failure]


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


def ask(teacher: Teacher, docs: Sequence[Doc], name: Optional[str] = None) -> LinearChain:
    """Ask a teacher, and make sure that its chain can be learnt from.

    teacher (Teacher): The teacher.
    docs (Sequence[Doc]): At least one document.
    name (Optional[str]): What to call the teacher in errors; by default its own name.
    RETURNS (LinearChain): One sequence a document.
    RAISES (DocumentsError): Scores that are NaN or infinite, or a document without a possible
        sequence. It has the number of each such document.
    RAISES (ValueError): The chain is not one of these documents and the teacher's labels.
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
        raise ValueError(
            f"[D274] The teacher '{name or name_of(teacher)}' returned a chain that does not fit: "
            f"found {len(chain.lengths)} documents of {int(chain.lengths.sum())} tokens and "
            f"{len(chain.start)} tags, expected {len(lengths)} of {sum(lengths)} and {size}. "
            "Correct its `predict_chain`."
        )
    reasons = unusable(chain, docs)
    if reasons:
        raise documents_error(name or name_of(teacher), docs, reasons)
    return chain


def ask_each(teacher: Teacher, docs: Sequence[Doc]) -> Answer:
    """Ask a teacher, and find the documents that it fails on.

    If it raises an error, it reads the batch document by document. What it says of the others does
    then not depend on those.

    teacher (Teacher): The teacher.
    docs (Sequence[Doc]): At least one document.
    RETURNS (Answer): What it says of the documents that are left.
    RAISES (ValueError): It fails on all documents together, and on none alone.
    """
    left = list(range(len(docs)))
    failures: List[Failure] = []
    while left:
        batch = [docs[number] for number in left]
        misfits = misfits_by_part(teacher)
        try:
            return Answer(ask(teacher, batch), left, sorted(failures))
        except DocumentsError as error:
            found = [Failure(n, error.teacher, reason) for n, reason in error.reasons.items()]
        except Exception as error:
            # Components and models raise whatever they like.
            found = _failing(teacher, batch, error)
        # What was read in vain is read again without them, and counts once.
        for part, n_misfits in misfits:
            part.n_misfits = n_misfits
        failures += [failure._replace(number=left[failure.number]) for failure in found]
        failed = {failure.number for failure in failures}
        left = [number for number in left if number not in failed]
    return Answer(None, [], sorted(failures))


def _failing(teacher: Teacher, docs: Sequence[Doc], error: Exception) -> List[Failure]:
    """RETURNS (List[Failure]): The documents that the teacher cannot read alone either."""
    if len(docs) == 1:
        return [_failure(0, teacher, error)]
    found: List[Failure] = []
    for number, doc in enumerate(docs):
        try:
            ask(teacher, [doc])
        except Exception as own_error:
            found.append(_failure(number, teacher, own_error))
    if not found:
        raise ValueError(
            f"[D275] The teacher '{name_of(teacher)}' failed on {len(docs)} documents together, "
            f"from '{docs[0].text[:40]}' to '{docs[-1].text[:40]}', and on none of them alone: "
            f"{error}. Let it read fewer at once."
        ) from error
    return found


def _failure(number: int, teacher: Teacher, error: Exception) -> Failure:
    # With --verbose, commands show where it came from.
    logger.debug("The teacher '%s' failed", name_of(teacher), exc_info=error)
    if isinstance(error, DocumentsError):
        return Failure(number, error.teacher, error.reasons[0])
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return Failure(number, name_of(teacher), f"{kind}{error}")


def unusable(chain: LinearChain, docs: Sequence[Doc]) -> Dict[int, str]:
    """Find the documents of a chain that nothing can be learnt from.

    chain (LinearChain): The chain; -inf marks what is impossible, and is right.
    docs (Sequence[Doc]): Its documents.
    RETURNS (Dict[int, str]): What is wrong, by the document's number.
    """
    xp = get_array_module(chain.emissions)
    others = chain.transitions, chain.start, chain.end
    if not all(bool((part < xp.inf).all()) for part in others):
        return dict.fromkeys(range(len(docs)), "its transition scores are NaN or infinite")
    reasons = not_finite(chain.emissions, docs)
    # Mostly all tokens may be outside, and a sequence is possible.
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
    # False for NaN as well.
    right = scores < xp.inf
    if bool(right.all()):
        return {}
    ends = numpy.cumsum([len(doc) for doc in docs])
    reasons: Dict[int, str] = {}
    for row in numpy.flatnonzero(~to_numpy(right).all(axis=1)).tolist():
        number = int(numpy.searchsorted(ends, row, side="right"))
        token = docs[number][row - int(ends[number])].text
        value = "NaN" if bool(xp.isnan(scores[row]).any()) else "infinite"
        reasons.setdefault(number, f"a score of the token '{token}' is {value}")
    return reasons


def name_of(teacher: object) -> str:
    """RETURNS (str): What a teacher is called, or those that it is made of."""
    names = [
        str(getattr(part, "name", None) or type(part).__name__)
        for part in parts_of(teacher)
        if not is_composite(part)
    ]
    return ", ".join(dict.fromkeys(names))


def is_composite(teacher: object) -> bool:
    """RETURNS (bool): Whether a teacher is made of others."""
    return len(list(parts_of(teacher))) > 1
