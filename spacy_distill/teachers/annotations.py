"""A teacher that reads the entities or spans of documents."""

import math
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc, Span
from thinc.api import get_current_ops
from thinc.types import Floats2d

from ..chain import BiluoTags, LinearChain, chain_from_marginals
from ..documents import MISSING
from .failures import DocumentsError, TeacherError, documents_error

# Tolerance for probabilities outside of 0 to 1, which come from rounding in half precision.
ROUNDING = 1e-3
# The extension attribute in which gliner-spacy and others keep the score of a span.
SCORE_ATTR = "score"


class AnnotationTeacher:
    """Reads the entities of documents, and gives each a probability. The entities may come from
    rules, GLiNER, language models or people.

    The probability of an entity is its score, or a confidence for all entities without one, and the
    remaining probability goes to O. Other tokens are O with certainty; with `partial`, they are
    unknown. In documents with entity annotation, tokens whose annotation is missing are unknown.
    """

    def __init__(
        self,
        labels: Sequence[str],
        *,
        spans_key: Optional[str] = None,
        score_attr: Optional[str] = None,
        confidence: float = 0.9,
        partial: bool = False,
    ) -> None:
        """Create the teacher.

        labels (Sequence[str]): The labels, in the order of their tags. Other labels are errors.
        spans_key (Optional[str]): Read `doc.spans[spans_key]`; if None, read `doc.ents`. Of spans
            that overlap, the one with the highest score is used, and of equal scores the longest.
        score_attr (Optional[str]): The extension attribute of entities and spans that has their
            scores, from 0 to 1. If None, scores of spans are read from
            `doc.spans[spans_key].attrs["scores"]`, where `spancat` writes them, and otherwise from
            `Span._.score`, if there is such an extension.
        confidence (float): The probability of entities without a score, above 0 and at most 1.
        partial (bool): Whether entities may be missing. Then other tokens are unknown.
        RAISES (ValueError): The confidence is not a probability.
        """
        if not 0 < confidence <= 1:
            raise ValueError(
                f"[D215] The confidence {confidence} is not a probability: expected a number above "
                "0 and at most 1."
            )
        self.labels: Tuple[str, ...] = tuple(dict.fromkeys(labels))
        # The name in error messages.
        self.name = "entities" if spans_key is None else f"spans '{spans_key}'"
        self.spans_key = spans_key
        self.score_attr = score_attr
        self.confidence = confidence
        self.partial = partial

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Read the annotation of documents.

        docs (Sequence[Doc]): The documents.
        RETURNS (LinearChain): One sequence per document.
        RAISES (TeacherError): A label is not one of `labels`, a score is not a probability, the
            documents have spans only under other keys, or there is no extension `score_attr`.
        RAISES (DocumentsError): A score is NaN.
        """
        self._require_key(docs)
        self._require_attr()
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        read: List[Tuple[Floats2d, numpy.ndarray]] = []
        reasons: Dict[int, str] = {}
        for number, doc in enumerate(docs):
            try:
                read.append(self.marginals(doc))
            except DocumentsError as error:
                reasons[number] = error.reasons[0]
        if reasons:
            raise documents_error(self.name, docs, reasons)
        marginals = numpy.concatenate([marginals for marginals, _ in read])
        known = numpy.concatenate([known for _, known in read])
        xp = get_current_ops().xp
        mask = None if known.all() else xp.asarray(known)
        return chain_from_marginals(xp.asarray(marginals), lengths, mask)

    def marginals(self, doc: Doc) -> Tuple[Floats2d, numpy.ndarray]:
        """Read the annotation of a document.

        doc (Doc): The document.
        RETURNS (Tuple[Floats2d, numpy.ndarray]): Probabilities, (tokens, tags) float32, and which
            tokens are known, (tokens,) bool.
        """
        tags = BiluoTags(self.labels)
        marginals = numpy.zeros((len(doc), len(tags)), dtype="float32")
        marginals[:, 0] = 1
        for span, score in self._scored_spans(doc):
            if span.label_ not in self.labels:
                raise TeacherError(
                    f"[D236] The teacher found '{span.text[:40]}' ({span.label_}) in the document "
                    f"'{doc.text[:40]}', but its labels are: {', '.join(self.labels)}. Name all "
                    "labels that it writes with --labels, or the argument `labels`."
                )
            rows = numpy.arange(span.start, span.end)
            marginals[rows, tags.span_tags(len(span), span.label_)] = score
            marginals[rows, 0] = 1 - score
        known = numpy.full(len(doc), not self.partial)
        if self.partial:
            known |= marginals[:, 0] < 1
        elif self.spans_key is None and doc.has_annotation("ENT_IOB"):
            known = doc.to_array("ENT_IOB") != MISSING
        return marginals, known

    def _require_key(self, docs: Sequence[Doc]) -> None:
        keys = sorted({key for doc in docs for key in doc.spans})
        if self.spans_key is not None and keys and self.spans_key not in keys:
            raise TeacherError(
                f"[D216] The teacher writes no spans under the key '{self.spans_key}': found "
                f"{', '.join(keys)}. Correct --spans-key."
            )

    def _require_attr(self) -> None:
        if self.score_attr is not None and not Span.has_extension(self.score_attr):
            raise TeacherError(
                f"[D218] The teacher's scores cannot be read from `ent._.{self.score_attr}`: spans "
                "have no such extension. Correct --score-attr, or let the component that writes "
                f'them call `Span.set_extension("{self.score_attr}", default=None)`.'
            )

    def _scored_spans(self, doc: Doc) -> List[Tuple[Span, float]]:
        if self.spans_key is None:
            return list(zip(doc.ents, self._scores(doc, doc.ents, None), strict=True))
        if self.spans_key not in doc.spans:
            return []
        group = doc.spans[self.spans_key]
        scores = self._scores(doc, group, group.attrs.get("scores"))
        pairs = sorted(
            zip(group, scores, strict=True),
            key=lambda pair: (-pair[1], -len(pair[0]), pair[0].start),
        )
        chosen: List[Tuple[Span, float]] = []
        taken: set = set()
        for span, score in pairs:
            if len(span) and taken.isdisjoint(range(span.start, span.end)):
                taken.update(range(span.start, span.end))
                chosen.append((span, score))
        return chosen

    def _scores(self, doc: Doc, spans: Iterable[Span], of_group: Any) -> List[float]:
        """RETURNS (List[float]): The probability of each span. `of_group` are the scores of a span
        group, or None."""
        spans = list(spans)
        if self.score_attr is None and of_group is not None:
            place = f"doc.spans['{self.spans_key}'].attrs['scores']"
            where = f"{place} of the document '{doc.text[:40]}'"
            return _group_scores(spans, of_group, where, self.name)
        attr = self.score_attr or SCORE_ATTR
        if not Span.has_extension(attr):
            return [self.confidence] * len(spans)
        scores = [_extension_score(span, attr, self.name) for span in spans]
        return [self.confidence if score is None else score for score in scores]


def _group_scores(spans: Sequence[Span], written: Any, where: str, name: str) -> List[float]:
    """RETURNS (List[float]): The probabilities that `attrs["scores"]` of a span group has."""
    scores = _as_floats(written)
    if scores is None or len(scores) != len(spans):
        found = f"{written!r:.60}" if scores is None else f"{len(scores)} numbers"
        raise TeacherError(
            f"[D277] Expected one number for each of {len(spans)} spans in {where}: found {found}. "
            "Write a list of probabilities, one for each span in their order."
        )
    return [
        _as_probability(span, score, where, name) for span, score in zip(spans, scores, strict=True)
    ]


def _extension_score(span: Span, attr: str, name: str) -> Optional[float]:
    """RETURNS (Optional[float]): The probability that an extension attribute of a span has; None if
    nothing was written there."""
    *_, getter, _ = Span.get_extension(attr)
    # The default of an attribute is not a score: other components' entities have it too.
    if getter is None and ("._.", attr, span.start_char, span.end_char) not in span.doc.user_data:
        return None
    written = span._.get(attr)
    if written is None:
        return None
    scores = _as_floats([written])
    where = f"ent._.{attr} of the document '{span.doc.text[:40]}'"
    if scores is None:
        raise TeacherError(
            f"[D219] The score of the span '{span.text[:40]}' ({span.label_}) in {where} is no "
            f"number: found {written!r:.60}. Write a probability from 0 to 1, or None; or choose "
            "another extension with --score-attr."
        )
    return _as_probability(span, scores[0], where, name)


def _as_probability(span: Span, score: float, where: str, name: str) -> float:
    """RETURNS (float): A score, without the errors of rounding."""
    if math.isnan(score):
        reason = f"the score of the span '{span.text[:40]}' ({span.label_}) is NaN"
        raise documents_error(name, [span.doc], {0: reason})
    if not -ROUNDING <= score <= 1 + ROUNDING:
        raise TeacherError(
            f"[D278] The span '{span.text[:40]}' ({span.label_}) has the score {score:g} in "
            f"{where}, which is not a probability: expected a number from 0 to 1. Map the "
            "scores in the component that writes them: divide a percentage by 100, and put "
            "other scores through a sigmoid, 1 / (1 + exp(-score))."
        )
    return min(max(score, 0.0), 1.0)


def _as_floats(written: Any) -> Optional[List[float]]:
    """Convert a list, or a numpy, cupy or torch array; return None for other types."""
    values = written.tolist() if hasattr(written, "tolist") else written
    if not isinstance(values, (list, tuple)):
        return None
    # A list may contain arrays with a single value. spaCy's spancat_singlelabel writes a column.
    values = [value.item() if _is_single_value(value) else value for value in values]
    values = [v[0] if isinstance(v, (list, tuple)) and len(v) == 1 else v for v in values]
    if not all(isinstance(value, (int, float)) for value in values):
        return None
    return [float(value) for value in values]


def _is_single_value(value: Any) -> bool:
    return hasattr(value, "item") and math.prod(getattr(value, "shape", (0,))) == 1
