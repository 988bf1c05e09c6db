"""A teacher that reads every document once."""

import hashlib
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import get_current_ops
from thinc.types import Floats1d, Floats2d, Ints1d

from ..chain import LinearChain, chain_from_marginals
from .asking import Failure, ask_each, documents_error
from .protocol import Teacher

# Called with a document that the teacher fails on, and why it does.
OnFailure = Callable[[Doc, Failure], object]


class _Entry(NamedTuple):
    """What is kept of a document: emissions (tokens, tags), which tokens are known (tokens,), None
    if all are, and the number of the transition scores that belong to them."""

    emissions: Floats2d
    known: Optional[numpy.ndarray]
    scores: int


class CachedTeacher:
    """Keeps a teacher's emissions by the documents' words, in memory: 4 bytes a token and tag."""

    def __init__(self, teacher: Teacher, *, batch_size: int = 64) -> None:
        """Wrap a teacher.

        teacher (Teacher): The teacher.
        batch_size (int): Documents that it reads at once.
        """
        self.teacher = teacher
        self.batch_size = batch_size
        self._entries: Dict[bytes, _Entry] = {}
        self._failures: Dict[bytes, Failure] = {}
        # Most teachers have one set of transition scores; those that carry some documents over to
        # other tokens have two.
        self._scores: List[Tuple[Floats2d, Floats1d, Floats1d]] = []

    @property
    def labels(self) -> Tuple[str, ...]:
        """The teacher's labels."""
        return self.teacher.labels

    def __len__(self) -> int:
        """Documents that the teacher has read."""
        return len(self._entries)

    def unread(self, docs: Sequence[Doc]) -> List[Doc]:
        """RETURNS (List[Doc]): The different documents that the teacher has not read."""
        different = {document_key(doc): doc for doc in docs if len(doc)}
        known = self._entries.keys() | self._failures.keys()
        return [doc for key, doc in different.items() if key not in known]

    def read(
        self,
        docs: Sequence[Doc],
        on_batch: Callable[[int], object] = lambda n: None,
        on_failure: OnFailure = lambda doc, failure: None,
    ) -> None:
        """Let the teacher read the documents that are new to it.

        docs (Sequence[Doc]): The documents.
        on_batch (Callable[[int], object]): Called after each batch with the number of its
            documents.
        on_failure (OnFailure): Called with each document that the teacher fails on, and why. It
            is not asked again; `predict_chain` raises an error for such a document.
        """
        # Neighbours in length make batches with little padding.
        for batch in minibatch(sorted(self.unread(docs), key=len), self.batch_size):
            answer = ask_each(self.teacher, batch)
            for failure in answer.failures:
                self._failures[document_key(batch[failure.number])] = failure
                on_failure(batch[failure.number], failure)
            if answer.chain is not None:
                self._keep([batch[number] for number in answer.left], answer.chain)
            on_batch(len(batch))

    def _keep(self, docs: Sequence[Doc], chain: LinearChain) -> None:
        ops = get_current_ops()
        emissions = ops.to_numpy(chain.emissions)
        known = None if chain.known is None else ops.to_numpy(chain.known)
        scores = self._number_of(chain)
        end = 0
        for doc in docs:
            start, end = end, end + len(doc)
            doc_known = None
            if known is not None and not known[start:end].all():
                doc_known = known[start:end].copy()
            entry = _Entry(emissions[start:end].copy(), doc_known, scores)
            self._entries[document_key(doc)] = entry

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Give what the teacher thinks of documents, out of the cache where it can.

        docs (Sequence[Doc]): The documents.
        RETURNS (LinearChain): One sequence a document, on the current device.
        RAISES (DocumentsError): The teacher fails on some of the documents.
        """
        self.read(docs)
        if self._failures:
            self._require_no_failure(docs)
        entries = [self._entries[document_key(doc)] for doc in docs if len(doc)]
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        kinds = sorted({entry.scores for entry in entries})
        if not self._scores:
            return self.teacher.predict_chain(docs)
        if len(kinds) <= 1:
            return self._chain(entries, lengths, kinds[0] if kinds else 0)
        marginals = numpy.empty((lengths.sum(), len(self._scores[0][1])), dtype="float32")
        row_kinds = numpy.repeat([entry.scores for entry in entries], lengths[lengths > 0])
        for kind in kinds:
            chosen = [entry for entry in entries if entry.scores == kind]
            n_tokens = numpy.asarray([len(entry.emissions) for entry in chosen])
            chain = self._chain(chosen, n_tokens, kind)
            marginals[row_kinds == kind] = get_current_ops().to_numpy(chain.marginals())
        xp = get_current_ops().xp
        return chain_from_marginals(xp.asarray(marginals), lengths, _all_known(entries))

    def failure_on(self, doc: Doc) -> Optional[Failure]:
        """RETURNS (Optional[Failure]): How the teacher failed on a document; None if it did not."""
        return self._failures.get(document_key(doc))

    def _require_no_failure(self, docs: Sequence[Doc]) -> None:
        found = [(number, self.failure_on(doc)) for number, doc in enumerate(docs)]
        reasons = {number: failure.reason for number, failure in found if failure is not None}
        if reasons:
            first = next(failure for _, failure in found if failure is not None)
            raise documents_error(first.teacher, docs, reasons)

    def _number_of(self, chain: LinearChain) -> int:
        parts = (chain.transitions, chain.start, chain.end)
        xp = get_current_ops().xp
        for number, known in enumerate(self._scores):
            if all(xp.array_equal(old, new) for old, new in zip(known, parts, strict=True)):
                return number
        self._scores.append(parts)
        return len(self._scores) - 1

    def _chain(self, entries: Sequence[_Entry], lengths: Ints1d, kind: int) -> LinearChain:
        xp = get_current_ops().xp
        nothing = numpy.zeros((0, len(self._scores[kind][1])), dtype="float32")
        emissions = numpy.concatenate([nothing, *(entry.emissions for entry in entries)])
        transitions, start, end = (xp.asarray(array) for array in self._scores[kind])
        known = _all_known(entries)
        return LinearChain(xp.asarray(emissions), lengths, transitions, start, end, known)


def _all_known(entries: Sequence[_Entry]):
    if all(entry.known is None for entry in entries):
        return None
    known = [
        numpy.ones(len(entry.emissions), dtype=bool) if entry.known is None else entry.known
        for entry in entries
    ]
    return get_current_ops().xp.asarray(numpy.concatenate(known))


def document_key(doc: Doc) -> bytes:
    """RETURNS (bytes): What tells documents apart that have words only: these, and the spaces."""
    attributes = doc.to_array(["ORTH", "SPACY"])
    return hashlib.blake2b(attributes.tobytes(), digest_size=16).digest()
