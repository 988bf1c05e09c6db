"""The predictions for a batch of documents, and how they are written to the documents."""

from itertools import compress
from operator import not_
from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span
from thinc.api import to_numpy
from thinc.types import Ints1d

from ..chain import BiluoTags, LinearChain, likely_spans
from .confidences import CONFIDENCE, add_confidence_extension
from .entities import Entity, is_annotated, set_entities, set_first_entities, set_spans

# The id of the tag O.
OUTSIDE_TAG = 0


class Prediction(NamedTuple):
    """The prediction for a batch of documents.

    tags (Ints1d): (tokens,) the ids of the most probable tags of all documents, a numpy array.
    chain (Optional[LinearChain]): The calibrated distribution over tag sequences, which does not
        depend on earlier entities. None if no probabilities are needed.
    """

    tags: Ints1d
    chain: Optional[LinearChain] = None


def write_prediction(
    prediction: Prediction,
    docs: Sequence[Doc],
    tags: BiluoTags,
    *,
    confidence: bool,
    overwrite: bool,
    confidence_attr: str = CONFIDENCE,
    min_confidence: float = 0.0,
    spans_key: Optional[str] = None,
    threshold: float = 0.5,
) -> None:
    """Write entities to documents. Depending on the settings, write confidences and likely spans
    too.

    prediction (Prediction): The prediction. Without a chain, no probabilities are written.
    docs (Sequence[Doc]): The documents, changed in place.
    tags (BiluoTags): The tags of the prediction.
    confidence, overwrite, confidence_attr, min_confidence, spans_key, threshold: The settings of
        `ChainNER`.
    """
    tag_ids, chain = prediction
    lengths = [len(doc) for doc in docs]
    entities: List[Entity] = []
    probabilities: Optional[List[float]] = None
    if chain is not None and (confidence or min_confidence):
        entities = tags.spans(tag_ids)
        probabilities = to_numpy(chain.span_marginal(*tags.segments(entities))).tolist()
    if min_confidence and probabilities is not None:
        is_likely = [probability >= min_confidence for probability in probabilities]
        tag_ids = without_entities(tag_ids, compress(entities, map(not_, is_likely)))
        entities = list(compress(entities, is_likely))
        probabilities = list(compress(probabilities, is_likely))
    if confidence and probabilities is not None:
        # An app may have set `confidence` after loading. If it has an extension of this name, no
        # error is raised, because that would stop the processing of documents.
        if not Span.has_extension(confidence_attr):
            add_confidence_extension(confidence_attr)
        for doc, (part, own) in zip(docs, _split_by_document(entities, lengths), strict=True):
            set_entities(
                doc,
                own,
                probabilities[part],
                overwrite=overwrite,
                confidence_attr=confidence_attr,
            )
    elif any(doc.user_data or is_annotated(doc) for doc in docs):
        if probabilities is None:
            entities = tags.spans(tag_ids)
        for doc, (_, own) in zip(docs, _split_by_document(entities, lengths), strict=True):
            set_entities(doc, own, None, overwrite=overwrite, confidence_attr=confidence_attr)
    elif docs:
        set_first_entities(docs, tag_ids, tags)
    if spans_key is not None and chain is not None:
        spans, scores = likely_spans(chain, tags, threshold)
        for doc, (part, entities) in zip(docs, _split_by_document(spans, lengths), strict=True):
            set_spans(doc, spans_key, entities, scores[part])


def without_entities(tag_ids: Ints1d, entities: Iterable[Entity]) -> Ints1d:
    """RETURNS (Ints1d): A copy of tags with O in the place of some entities."""
    tag_ids = tag_ids.copy()
    for start, end, _ in entities:
        tag_ids[start:end] = OUTSIDE_TAG
    return tag_ids


def _split_by_document(
    spans: Sequence[Entity], lengths: Sequence[int]
) -> Iterator[Tuple[slice, List[Entity]]]:
    """YIELDS (Tuple[slice, List[Entity]]): The spans of each document: their slice in the sorted
    spans of the batch, and the spans with token indices of the document."""
    index = offset = 0
    for length in lengths:
        first, doc_spans = index, []
        while index < len(spans) and spans[index][1] <= offset + length:
            start, end, label = spans[index]
            # In an invalid tagging, an entity can end in a document without a beginning.
            doc_spans.append((max(start - offset, 0), end - offset, label))
            index += 1
        yield slice(first, index), doc_spans
        offset += length
