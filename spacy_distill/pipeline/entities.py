"""Write entities to documents, which may have earlier entities."""

from functools import lru_cache
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy
from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from thinc.types import Floats1d, Ints1d, Ints2d

from ..chain import BiluoTags, LinearChain, n_tags
from ..chain.biluo import PREFIXES
from ..documents import BEGIN, INSIDE, OUTSIDE, token_values
from .confidences import CONFIDENCE, delete_confidence, set_confidence

# (first token, token after the last, label)
Entity = Tuple[int, int, str]


def exclude_taken_tokens(chain: LinearChain, docs: Sequence[Doc]) -> LinearChain:
    """Exclude entities on tokens that are blocked or already part of an entity.

    RETURNS (LinearChain): The chain of the documents, in which these tokens can only have O.
    """
    if not any(map(is_annotated, docs)):
        return chain
    taken = numpy.isin(token_values(docs, ENT_IOB), (INSIDE, BEGIN))
    if not taken.any():
        return chain
    is_outside = numpy.arange(len(chain.start)) == 0
    return chain.restricted(~taken[:, None] | is_outside)


def is_annotated(doc: Doc) -> bool:
    """RETURNS (bool): Whether a document has tokens for which it is known whether they are in
    entities."""
    return len(doc) > 0 and doc.has_annotation(ENT_IOB)


def set_first_entities(docs: Sequence[Doc], tag_ids: Ints1d, tags: BiluoTags) -> None:
    """Write entities to documents without annotation. For valid taggings it has the result of
    `set_entities`, and is several times as fast.

    docs (Sequence[Doc]): The documents, at least one, changed in place.
    tag_ids (Ints1d): (tokens,) the tags of all documents.
    tags (BiluoTags): The tags.
    """
    for vocab in {doc.vocab for doc in docs}:
        label_ids = tuple(vocab.strings.add(label) for label in tags.labels)
    values = _annotation_of_tags(label_ids)[tag_ids]
    start = 0
    for doc in docs:
        end = start + len(doc)
        # In an invalid tagging, an entity can go on that has not begun. `set_ents` corrects all
        # tokens but the first.
        if end > start and values[start, 0] == INSIDE:
            values[start, 0] = BEGIN
        doc.from_array([ENT_IOB, ENT_TYPE], values[start:end])
        doc.set_ents([], default="unmodified")
        start = end


@lru_cache(maxsize=64)
def _annotation_of_tags(label_ids: Tuple[int, ...]) -> Ints2d:
    """RETURNS (Ints2d): (tags, 2) the ENT_IOB and the ENT_TYPE of each tag, uint64."""
    values = numpy.full((n_tags(len(label_ids)), 2), (OUTSIDE, 0), dtype="uint64")
    values[1:, 0] = [BEGIN, INSIDE, INSIDE, BEGIN] * len(label_ids)
    values[1:, 1] = numpy.repeat(numpy.asarray(label_ids, dtype="uint64"), len(PREFIXES))
    return values


def set_entities(
    doc: Doc,
    entities: Iterable[Entity],
    confidences: Optional[Iterable[float]],
    *,
    overwrite: bool,
    confidence_attr: str = CONFIDENCE,
) -> None:
    """Write entities to a document.

    doc (Doc): The document, changed in place.
    entities (Iterable[Entity]): The new entities, which do not overlap.
    confidences (Optional[Iterable[float]]): The probability of each entity; None to write none, and
        to delete earlier ones.
    overwrite (bool): Whether new entities replace earlier entities and blocked tokens that they
        overlap. If not, new entities that overlap earlier ones are skipped.
    confidence_attr (str): The attribute for the probabilities.
    """
    spans = [Span(doc, start, end, label=label) for start, end, label in entities]
    if confidences is not None:
        for span, confidence in zip(spans, confidences, strict=True):
            set_confidence(span, confidence, confidence_attr)
    before: List[Span] = []
    blocked: List[Span] = []
    if is_annotated(doc):
        before, blocked = list(doc.ents), blocked_tokens(doc)
        if overwrite:
            before, blocked = without_overlaps(before, spans), without_overlaps(blocked, spans)
        else:
            spans = without_overlaps(spans, [*before, *blocked])
    if confidences is None and doc.user_data:
        for span in spans:
            delete_confidence(span, confidence_attr)
    doc.set_ents([*before, *spans], blocked=blocked)


def without_overlaps(spans: List[Span], earlier: Iterable[Span]) -> List[Span]:
    """RETURNS (List[Span]): The spans that share no token with the earlier spans."""
    taken = {token for span in earlier for token in range(span.start, span.end)}
    return [span for span in spans if taken.isdisjoint(range(span.start, span.end))]


def blocked_tokens(doc: Doc) -> List[Span]:
    """RETURNS (List[Span]): The tokens that `Doc.set_ents` has blocked for entities."""
    iob, types = doc.to_array([ENT_IOB, ENT_TYPE]).T
    return [doc[i : i + 1] for i in ((iob == BEGIN) & (types == 0)).nonzero()[0].tolist()]


def set_spans(doc: Doc, key: str, entities: Iterable[Entity], scores: Floats1d) -> None:
    """Write likely entities and their probabilities to `doc.spans[key]`, like spaCy's span
    categorizer. They can overlap."""
    spans = [Span(doc, start, end, label=label) for start, end, label in entities]
    doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs={"scores": scores})


def score_likely_spans(examples: Sequence[Example], key: str) -> Dict[str, Any]:
    """Compare predicted spans of a key with the gold spans of that key, or with the gold entities
    if there are none. Spans that contain a token with an unknown gold tag are ignored.

    RETURNS (Dict[str, Any]): `spans_KEY_p`, `_r`, `_f` and `_per_type`.
    """
    spans: Dict[int, List[Span]] = {}
    for example in examples:
        gold, found = example.reference, list(example.predicted.spans.get(key, []))
        if key not in gold.spans and gold.has_annotation("ENT_IOB"):
            tags = example.get_aligned_ner()
            found = [span for span in found if None not in tags[span.start : span.end]]
        spans[id(example.predicted)] = found
        spans[id(gold)] = list(gold.spans.get(key, gold.ents))
    return Scorer.score_spans(
        examples,
        f"spans_{key}",
        getter=lambda doc, _: spans[id(doc)],
        has_annotation=lambda doc: key in doc.spans or doc.has_annotation("ENT_IOB"),
        allow_overlap=True,
    )
