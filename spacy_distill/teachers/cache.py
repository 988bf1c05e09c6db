"""A cache of a teacher's chains."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import get_current_ops
from thinc.types import ArrayXd, Floats1d, Floats2d, Ints1d

from ..chain import LinearChain, chain_from_marginals
from ..documents import document_key
from ..encoders.feature_cache import read_once
from .array_store import ArrayStore, Stored
from .failures import documents_error
from .predictions import Failure, predict_each
from .protocol import Teacher

# Called with each document that the teacher fails on, and with the reason.
OnFailure = Callable[[Doc, Failure], object]

# Enough for 3.7 million tokens of a teacher with 18 labels.
MAX_BYTES = 2**29
# If half precision changes a probability by more than this, single precision is used.
TOLERANCE = 1e-3
# The lowest finite emission: half precision can represent it.
LOWEST = -60000.0


class _Entry(NamedTuple):
    """The chain of a document.

    emissions (Stored): (tokens, tags) float16 or float32; the maximum of each token is 0.
    known (Optional[numpy.ndarray]): (tokens,) bool, which tokens are known; None if all are.
    transition_set (int): The index of the chain's transition scores in the cache.
    """

    emissions: Stored
    known: Optional[numpy.ndarray]
    transition_set: int


class CachedTeacher:
    """Caches a teacher's chains, so that the teacher predicts each document only once. Documents
    are identified by their words and spaces.

    Emissions are stored in half precision, with 2 bytes per token and tag: in memory up to a limit,
    then in a temporary file. The probability of a tag differs from the teacher's by at most 0.001.
    Transition scores are stored exactly, so the cache works for any temperature and loss.
    """

    def __init__(
        self,
        teacher: Teacher,
        *,
        batch_size: int = 64,
        max_bytes: int = MAX_BYTES,
        keeps_features: bool = True,
    ) -> None:
        """Create an empty cache.

        teacher (Teacher): The teacher.
        batch_size (int): The number of documents that the teacher reads at once.
        max_bytes (int): The maximum number of bytes of emissions in memory.
        keeps_features (bool): Whether the features of a frozen transformer stay in memory, as far
            as there is room, since others read the same documents with it.
        """
        self.teacher = teacher
        self.batch_size = batch_size
        self.keeps_features = keeps_features
        self.store = ArrayStore(max_bytes)
        self._entries: Dict[bytes, _Entry] = {}
        self._failures: Dict[bytes, Failure] = {}
        # Most teachers have a single set of transition scores. Chains that were carried over to
        # other tokens may have another one.
        self._transition_sets: List[Tuple[Floats2d, Floats1d, Floats1d]] = []

    @property
    def labels(self) -> Tuple[str, ...]:
        """The teacher's labels."""
        return self.teacher.labels

    def __len__(self) -> int:
        """RETURNS (int): The number of documents in the cache."""
        return len(self._entries)

    def unread(self, docs: Sequence[Doc]) -> List[Doc]:
        """RETURNS (List[Doc]): The distinct documents that the teacher has not read yet."""
        different = {document_key(doc): doc for doc in docs if len(doc)}
        return [
            doc
            for key, doc in different.items()
            if key not in self._entries and key not in self._failures
        ]

    def read(
        self,
        docs: Sequence[Doc],
        on_batch: Callable[[int], object] = lambda n: None,
        on_failure: OnFailure = lambda doc, failure: None,
    ) -> None:
        """Predict and store the chains of documents that are not in the cache.

        docs (Sequence[Doc]): The documents.
        on_batch (Callable[[int], object]): Called after each batch with its number of documents.
        on_failure (OnFailure): Called with each document that the teacher fails on, now or in an
            earlier call, and with the reason. The teacher does not read such a document again, and
            `predict_chain` raises an error for it.
        """
        if self._failures:  # of earlier calls
            for doc in docs:
                known = self.failure_on(doc)
                if known is not None:
                    on_failure(doc, known)
        # Documents of similar length need little padding.
        for batch in minibatch(sorted(self.unread(docs), key=len), self.batch_size):
            with nullcontext() if self.keeps_features else read_once():
                predictions = predict_each(self.teacher, batch)
            for failure in predictions.failures:
                self._failures[document_key(batch[failure.number])] = failure
                on_failure(batch[failure.number], failure)
            if predictions.chain is not None:
                self._keep([batch[number] for number in predictions.kept], predictions.chain)
            on_batch(len(batch))

    def _keep(self, docs: Sequence[Doc], chain: LinearChain) -> None:
        ops = get_current_ops()
        emissions = ops.to_numpy(chain.emissions)
        # Subtracting the maximum of each token does not change the distribution.
        exact = emissions - emissions.max(axis=1, keepdims=True)
        finite = numpy.isfinite(exact)
        rounded = numpy.where(finite, numpy.maximum(exact, LOWEST), exact).astype("float16")
        changed = replace(chain, emissions=ops.xp.asarray(rounded.astype("float32"))).marginals()
        differences = ops.to_numpy(abs(changed - chain.marginals()).max(axis=1))
        known = ops.to_numpy(chain.is_known)
        transition_set = self._add_transition_set(chain)
        ends = numpy.cumsum([len(doc) for doc in docs])
        for doc, end in zip(docs, ends.tolist(), strict=True):
            rows = slice(end - len(doc), end)
            is_close = differences[rows].max(initial=0) <= TOLERANCE
            kept = self.store.put((rounded if is_close else exact)[rows])
            mask = None if known[rows].all() else known[rows].copy()
            self._entries[document_key(doc)] = _Entry(kept, mask, transition_set)

    def close(self) -> None:
        """Delete the temporary file."""
        self.store.close()

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Return the teacher's chain of documents, after predicting those that are not in the
        cache.

        docs (Sequence[Doc]): The documents.
        RETURNS (LinearChain): One sequence per document, on the current device.
        RAISES (DocumentsError): The teacher fails on some of the documents.
        """
        self.read(docs)
        if self._failures:
            self._require_no_failure(docs)
        entries = [self._entries[document_key(doc)] for doc in docs if len(doc)]
        if not self._transition_sets:
            return self.teacher.predict_chain(docs)
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        emissions = [self.store.get(entry.emissions) for entry in entries]
        known: Optional[ArrayXd] = None
        if any(entry.known is not None for entry in entries):
            masks = [
                numpy.ones(len(rows), dtype=bool) if entry.known is None else entry.known
                for rows, entry in zip(emissions, entries, strict=True)
            ]
            known = get_current_ops().xp.asarray(numpy.concatenate(masks))
        used_sets = sorted({entry.transition_set for entry in entries})
        if len(used_sets) <= 1:
            return self._chain(emissions, lengths, used_sets[0] if used_sets else 0, known)
        marginals = numpy.empty((lengths.sum(), len(self._transition_sets[0][1])), dtype="float32")
        row_sets = numpy.repeat([entry.transition_set for entry in entries], lengths[lengths > 0])
        for transition_set in used_sets:
            chosen = [
                rows
                for rows, entry in zip(emissions, entries, strict=True)
                if entry.transition_set == transition_set
            ]
            own_lengths = numpy.asarray([len(rows) for rows in chosen])
            own_known = None if known is None else known[row_sets == transition_set]
            chain = self._chain(chosen, own_lengths, transition_set, own_known)
            marginals[row_sets == transition_set] = get_current_ops().to_numpy(chain.marginals())
        xp = get_current_ops().xp
        return chain_from_marginals(xp.asarray(marginals), lengths, known)

    def failure_on(self, doc: Doc) -> Optional[Failure]:
        """RETURNS (Optional[Failure]): The teacher's failure on a document, if it failed."""
        return self._failures.get(document_key(doc))

    def _require_no_failure(self, docs: Sequence[Doc]) -> None:
        found = [(number, self.failure_on(doc)) for number, doc in enumerate(docs)]
        reasons = {number: failure.reason for number, failure in found if failure is not None}
        if reasons:
            first = next(failure for _, failure in found if failure is not None)
            raise documents_error(first.teacher, docs, reasons)

    def _add_transition_set(self, chain: LinearChain) -> int:
        """RETURNS (int): The index of a chain's transition scores, which are added if new."""
        parts = (chain.transitions, chain.start, chain.end)
        xp = get_current_ops().xp
        for index, scores in enumerate(self._transition_sets):
            if all(xp.array_equal(old, new) for old, new in zip(scores, parts, strict=True)):
                return index
        self._transition_sets.append(parts)
        return len(self._transition_sets) - 1

    def _chain(
        self,
        emissions: Sequence[Floats2d],
        lengths: Ints1d,
        transition_set: int,
        known: Optional[ArrayXd],
    ) -> LinearChain:
        xp = get_current_ops().xp
        no_rows = numpy.zeros((0, len(self._transition_sets[transition_set][1])), dtype="float32")
        rows = numpy.concatenate([no_rows, *emissions])
        transitions, start, end = (
            xp.asarray(array) for array in self._transition_sets[transition_set]
        )
        return LinearChain(xp.asarray(rows), lengths, transitions, start, end, known)
