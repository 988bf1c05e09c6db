"""A teacher that reads every document once."""

import hashlib
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import get_current_ops
from thinc.types import Floats1d, Floats2d

from ..chain import LinearChain
from .protocol import Teacher


class CachedTeacher:
    """Keeps a teacher's emissions by the documents' words, in memory: 4 bytes a token and tag."""

    def __init__(self, teacher: Teacher, *, batch_size: int = 64) -> None:
        """Wrap a teacher.

        teacher (Teacher): The teacher. Its transitions have to be the same for all documents.
        batch_size (int): Documents that it reads at once.
        """
        self.teacher = teacher
        self.batch_size = batch_size
        self._emissions: Dict[bytes, Floats2d] = {}
        self._known: Dict[bytes, numpy.ndarray] = {}
        self._scores: Optional[Tuple[Floats2d, Floats1d, Floats1d]] = None

    @property
    def labels(self) -> Tuple[str, ...]:
        """The teacher's labels."""
        return self.teacher.labels

    def __len__(self) -> int:
        """Documents that the teacher has read."""
        return len(self._emissions)

    def unread(self, docs: Sequence[Doc]) -> List[Doc]:
        """RETURNS (List[Doc]): The different documents that the teacher has not read."""
        different = {_key(doc): doc for doc in docs if len(doc)}
        return [doc for key, doc in different.items() if key not in self._emissions]

    def read(self, docs: Sequence[Doc], on_batch: Callable[[int], None] = lambda n: None) -> None:
        """Let the teacher read the documents that are new to it.

        docs (Sequence[Doc]): The documents.
        on_batch (Callable[[int], None]): Called after each batch with the number of its documents.
        """
        # Neighbours in length make batches with little padding.
        for batch in minibatch(sorted(self.unread(docs), key=len), self.batch_size):
            chain = self.teacher.predict_chain(batch)
            emissions = _to_numpy(chain.emissions)
            known = None if chain.known is None else _to_numpy(chain.known)
            self._scores = chain.transitions, chain.start, chain.end
            end = 0
            for doc in batch:
                start, end = end, end + len(doc)
                self._emissions[_key(doc)] = emissions[start:end].copy()
                if known is not None and not known[start:end].all():
                    self._known[_key(doc)] = known[start:end].copy()
            on_batch(len(batch))

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Give what the teacher thinks of documents, out of the cache where it can.

        docs (Sequence[Doc]): The documents.
        RETURNS (LinearChain): One sequence a document, on the current device.
        """
        self.read(docs)
        if self._scores is None:
            return self.teacher.predict_chain(docs)
        xp = get_current_ops().xp
        rows = [self._emissions[_key(doc)] for doc in docs if len(doc)]
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        transitions, start, end = (xp.asarray(array) for array in self._scores)
        if not rows:
            rows = [numpy.zeros((0, len(start)), dtype="float32")]
        emissions = xp.asarray(numpy.concatenate(rows))
        return LinearChain(emissions, lengths, transitions, start, end, self._all_known(docs))

    def _all_known(self, docs: Sequence[Doc]):
        keys = [_key(doc) for doc in docs if len(doc)]
        if not any(key in self._known for key in keys):
            return None
        known = [
            self._known.get(key, numpy.ones(len(self._emissions[key]), dtype=bool)) for key in keys
        ]
        return get_current_ops().xp.asarray(numpy.concatenate(known))


def _key(doc: Doc) -> bytes:
    """What a pipeline may see of a document that has words only: these, and the spaces."""
    attributes = doc.to_array(["ORTH", "SPACY"])
    return hashlib.blake2b(attributes.tobytes(), digest_size=16).digest()


def _to_numpy(array) -> numpy.ndarray:
    return array.get() if hasattr(array, "get") else array
