"""Documents that teachers fail on: leave them out, and count them up to a limit."""

from dataclasses import dataclass
from typing import IO, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from spacy.tokens import Doc
from spacy.training import Example
from wasabi import Printer

from ..chain import LinearChain
from ..documents import document_key
from ..teachers import CachedTeacher, Teacher
from ..teachers.failures import DocumentsError
from ..teachers.predictions import Failure, predict, predict_each


@dataclass(frozen=True, eq=False)
class BatchTeacher:
    """A teacher for one batch, with a chain that was predicted before."""

    labels: Tuple[str, ...]
    chain: LinearChain

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Return the chain of the batch."""
        return self.chain


class SkippedDocuments:
    """Counts the documents that teachers failed on. A document counts once, in all passes."""

    def __init__(self, max_errors: int, stderr: Optional[IO] = None) -> None:
        """Create the counter.

        max_errors (int): Maximum number of documents.
        stderr (Optional[IO]): Stream for a warning on each document; None for no warnings.
        """
        self.max_errors = max_errors
        self._stderr = stderr
        self._failures: Dict[bytes, Failure] = {}

    def __len__(self) -> int:
        return len(self._failures)

    def __contains__(self, doc: Doc) -> bool:
        return bool(self._failures) and document_key(doc) in self._failures

    def add(self, doc: Doc, failure: Failure) -> None:
        """Count a document, and warn of it. Raise ValueError if there are more than allowed."""
        if doc in self:
            return
        self._failures[document_key(doc)] = failure
        if len(self) > self.max_errors:
            raise ValueError(
                f"[D517] The teacher '{failure.teacher}' failed on the document "
                f"'{doc.text[:40]}': {failure.reason.rstrip('.')}. Failed documents: {len(self)}, "
                f"allowed: {self.max_errors}. Correct the teacher or the document, or allow more "
                "failures with --max-errors."
            )
        if self._stderr is not None:
            text = Printer(no_print=True).warn(
                f"[D518] The document '{doc.text[:40]}' is left out: the teacher "
                f"'{failure.teacher}' failed on it",
                failure.reason,
            )
            self._stderr.write(text + "\n")

    def listed(self) -> List[Dict[str, str]]:
        """List the documents by their keys, with the teacher and the reason of each failure."""
        return [
            {"document": key.hex(), "teacher": failure.teacher, "reason": failure.reason}
            for key, failure in self._failures.items()
        ]

    def restore(self, listed: Iterable[Mapping[str, str]]) -> None:
        """Count documents that an earlier run has listed, without a warning."""
        for one in listed:
            failure = Failure(0, one["teacher"], one["reason"])
            self._failures.setdefault(bytes.fromhex(one["document"]), failure)

    def predict(
        self, teacher: Teacher, docs: Sequence[Doc]
    ) -> Tuple[Optional[LinearChain], List[int]]:
        """Predict with a teacher, and leave out the documents that it fails on.

        teacher (Teacher): The teacher.
        docs (Sequence[Doc]): At least one document.
        RETURNS (Tuple[Optional[LinearChain], List[int]]): The chain of the other documents, or None
            without any, and the positions of these documents in `docs`.
        """
        if not isinstance(teacher, CachedTeacher):
            predictions = predict_each(teacher, docs)
            for failure in predictions.failures:
                self.add(docs[failure.number], failure)
            return predictions.chain, predictions.kept
        # A cached teacher remembers its failures, and raises an error for a batch that has any.
        left = list(range(len(docs)))
        while left:
            try:
                return predict(teacher, [docs[number] for number in left]), left
            except DocumentsError:
                for doc in [docs[number] for number in left]:
                    cached = teacher.failure_on(doc)
                    if cached is not None:
                        self.add(doc, cached)
                left = [number for number in left if docs[number] not in self]
        return None, left

    def predict_all(
        self, teachers: Mapping[str, Teacher], docs: Sequence[Doc]
    ) -> Tuple[Dict[str, LinearChain], List[int]]:
        """Predict with several teachers, and leave out the documents that one of them fails on.

        teachers (Mapping[str, Teacher]): The teachers by name.
        docs (Sequence[Doc]): At least one document.
        RETURNS (Tuple[Dict[str, LinearChain], List[int]]): The chain of the other documents by the
            teacher's name, and the positions of these documents in `docs`.
        """
        left = list(range(len(docs)))
        chains: Dict[str, LinearChain] = {}
        while left and len(chains) < len(teachers):
            chains = {}
            for name, teacher in teachers.items():
                chain, kept = self.predict(teacher, [docs[number] for number in left])
                if chain is None or len(kept) < len(left):
                    # The other teachers predict again, without the documents that failed.
                    left = [left[position] for position in kept]
                    break
                chains[name] = chain
        return (chains if left else {}), left

    def without(self, examples: Iterable[Example]) -> List[Example]:
        """List the examples with a reference document that no teacher failed on."""
        return [example for example in examples if example.reference not in self]
