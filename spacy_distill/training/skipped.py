"""Documents that teachers fail on: they are left out and counted, up to a limit."""

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
    """A teacher of one batch, whose chain has been predicted already."""

    labels: Tuple[str, ...]
    chain: LinearChain

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """RETURNS (LinearChain): The chain of the batch."""
        return self.chain


class SkippedDocuments:
    """Counts the documents of a run that teachers failed on, each once, however often it comes."""

    def __init__(self, max_errors: int, stderr: Optional[IO] = None) -> None:
        """Begin to count.

        max_errors (int): How many there may be.
        stderr (Optional[IO]): Where each is named; nowhere if None.
        """
        self.max_errors = max_errors
        self._stderr = stderr
        self._failures: Dict[bytes, Failure] = {}

    def __len__(self) -> int:
        return len(self._failures)

    def __contains__(self, doc: Doc) -> bool:
        return bool(self._failures) and document_key(doc) in self._failures

    def add(self, doc: Doc, failure: Failure) -> None:
        """Count a document, and name it; raise ValueError if there are more than there may be."""
        if doc in self:
            return
        self._failures[document_key(doc)] = failure
        if len(self) > self.max_errors:
            raise ValueError(
                f"[D517] The teacher '{failure.teacher}' failed on the document "
                f"'{doc.text[:40]}': {failure.reason.rstrip('.')}. Failed documents: {len(self)}, "
                f"allowed: {self.max_errors}. Mend the teacher or the document, or let more be "
                "left out with --max-errors."
            )
        if self._stderr is not None:
            text = Printer(no_print=True).warn(
                f"[D518] The document '{doc.text[:40]}' is left out: the teacher "
                f"'{failure.teacher}' failed on it",
                failure.reason,
            )
            self._stderr.write(text + "\n")

    def ask(self, teacher: Teacher, docs: Sequence[Doc]) -> Tuple[Optional[LinearChain], List[int]]:
        """Ask a teacher, and leave out what it fails on.

        teacher (Teacher): The teacher.
        docs (Sequence[Doc]): At least one document.
        RETURNS (Tuple[Optional[LinearChain], List[int]]): The chain of the documents that are left,
            None if none is, and the numbers of these documents.
        """
        if not isinstance(teacher, CachedTeacher):
            predictions = predict_each(teacher, docs)
            for failure in predictions.failures:
                self.add(docs[failure.number], failure)
            return predictions.chain, predictions.kept
        # It keeps its failures, and raises an error for each batch that has any.
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

    def ask_all(
        self, teachers: Mapping[str, Teacher], docs: Sequence[Doc]
    ) -> Tuple[Dict[str, LinearChain], List[int]]:
        """Ask several teachers, and leave out what one of them fails on.

        teachers (Mapping[str, Teacher]): The teachers by name.
        docs (Sequence[Doc]): At least one document.
        RETURNS (Tuple[Dict[str, LinearChain], List[int]]): The chains of the documents that are
            left, by the teacher's name, and the numbers of these documents.
        """
        left = list(range(len(docs)))
        chains: Dict[str, LinearChain] = {}
        while left and len(chains) < len(teachers):
            chains = {}
            for name, teacher in teachers.items():
                chain, answered = self.ask(teacher, [docs[number] for number in left])
                if chain is None or len(answered) < len(left):
                    # The other teachers are asked again, without these.
                    left = [left[place] for place in answered]
                    break
                chains[name] = chain
        return (chains if left else {}), left

    def without(self, examples: Iterable[Example]) -> List[Example]:
        """RETURNS (List[Example]): The examples of which no teacher failed on the reference."""
        return [example for example in examples if example.reference not in self]
