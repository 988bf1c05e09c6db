"""The predictions for a batch of documents, and how they are written to the documents."""

from itertools import compress
from operator import not_
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

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
    chain = prediction.chain
    lengths = [len(doc) for doc in docs]
    if chain is None or not (confidence or min_confidence):
        likely = LikelyEntities(prediction.tags)
    else:
        likely = likely_entities(prediction.tags, chain, tags, min_confidence)
    if confidence and likely.probabilities is not None:
        # An app may have set `confidence` after loading. If it has an extension of this name, no
        # error is raised, because that would stop the processing of documents.
        if not Span.has_extension(confidence_attr):
            add_confidence_extension(confidence_attr)
        parts = _split_by_document(likely.entities, lengths)
        for doc, (part, entities) in zip(docs, parts, strict=True):
            set_entities(
                doc,
                entities,
                likely.probabilities[part],
                overwrite=overwrite,
                confidence_attr=confidence_attr,
            )
    elif any(doc.user_data or is_annotated(doc) for doc in docs):
        found = tags.spans(likely.tags)
        for doc, (_, entities) in zip(docs, _split_by_document(found, lengths), strict=True):
            set_entities(doc, entities, None, overwrite=overwrite, confidence_attr=confidence_attr)
    elif docs:
        set_first_entities(docs, likely.tags, tags)
    if spans_key is not None and chain is not None:
        spans, scores = likely_spans(chain, tags, threshold)
        for doc, (part, entities) in zip(docs, _split_by_document(spans, lengths), strict=True):
            set_spans(doc, spans_key, entities, scores[part])


class LikelyEntities(NamedTuple):
    """The entities of a batch that are probable enough.

    tags (Ints1d): (tokens,) the ids of their tags, and of O everywhere else.
    entities (List[Entity]): The entities; none without probabilities.
    probabilities (Optional[List[float]]): The probability of each; None if they were not computed.
    """

    tags: Ints1d
    entities: List[Entity] = []
    probabilities: Optional[List[float]] = None


def likely_entities(
    tag_ids: Ints1d, chain: LinearChain, tags: BiluoTags, least: float
) -> LikelyEntities:
    """Compute the probabilities of the entities of a batch, and leave out improbable ones.

    tag_ids (Ints1d): (tokens,) the ids of the most probable tags.
    chain (LinearChain): The distribution over tag sequences.
    tags (BiluoTags): The tags.
    least (float): The minimum probability; 0 to keep all entities.
    RETURNS (LikelyEntities): The entities.
    """
    entities = tags.spans(tag_ids)
    probabilities = to_numpy(chain.span_marginal(*tags.segments(entities))).tolist()
    if not least:
        return LikelyEntities(tag_ids, entities, probabilities)
    is_likely = [probability >= least for probability in probabilities]
    tag_ids = tag_ids.copy()
    for start, end, _ in compress(entities, map(not_, is_likely)):
        tag_ids[start:end] = OUTSIDE_TAG
    return LikelyEntities(
        tag_ids, list(compress(entities, is_likely)), list(compress(probabilities, is_likely))
    )


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
