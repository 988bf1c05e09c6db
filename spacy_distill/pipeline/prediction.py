"""The prediction for a batch of documents, and how it is written to them."""

from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc, Span
from thinc.api import to_numpy
from thinc.types import Ints1d

from ..chain import BiluoTags, LinearChain, likely_spans
from .confidences import CONFIDENCE, add_confidence_extension
from .entities import Entity, set_entities, set_spans


class Prediction(NamedTuple):
    """The prediction for a batch of documents.

    tags (List[Ints1d]): (tokens,) the numbers of each document's most probable tags, numpy arrays.
    chain (Optional[LinearChain]): The calibrated distribution over tag sequences without regard to
        earlier entities, if probabilities are to be written.
    """

    tags: List[Ints1d]
    chain: Optional[LinearChain] = None


def write_prediction(
    prediction: Prediction,
    docs: Sequence[Doc],
    tags: BiluoTags,
    *,
    confidence: bool,
    overwrite: bool,
    confidence_attr: str = CONFIDENCE,
    spans_key: Optional[str] = None,
    threshold: float = 0.5,
) -> None:
    """Write entities to documents, with confidences and likely spans if they are asked for.

    prediction (Prediction): The prediction. Without a chain no probabilities are written.
    docs (Sequence[Doc]): The documents, changed in place.
    tags (BiluoTags): The tags of the prediction.
    confidence, overwrite, confidence_attr, spans_key, threshold: The settings of `ChainNER`.
    """
    if not prediction.tags:
        return
    # Entities of all documents, one after another: few calls for many short documents.
    found = tags.spans(numpy.concatenate(prediction.tags))
    chain, probabilities = prediction.chain, None
    if confidence and chain is not None:
        # An app may switch confidence on later. An extension of its own stays, as an error here
        # would stop the documents.
        if not Span.has_extension(confidence_attr):
            add_confidence_extension(confidence_attr)
        marginals = chain.span_marginal(*tags.segments(found))
        probabilities = to_numpy(marginals).tolist()
    lengths = [len(numbers) for numbers in prediction.tags]
    for doc, (part, entities) in zip(docs, _by_document(found, lengths), strict=True):
        confidences = None if probabilities is None else probabilities[part]
        set_entities(
            doc, entities, confidences, overwrite=overwrite, confidence_attr=confidence_attr
        )
    if spans_key is not None and chain is not None:
        spans, likelihoods = likely_spans(chain, tags, threshold)
        for doc, (part, entities) in zip(docs, _by_document(spans, lengths), strict=True):
            set_spans(doc, spans_key, entities, likelihoods[part])


def _by_document(
    spans: Sequence[Entity], lengths: Sequence[int]
) -> Iterator[Tuple[slice, List[Entity]]]:
    """YIELDS (Tuple[slice, List[Entity]]): For each document, which of a batch's sorted spans are
    its own, and these in the tokens of the document."""
    number = first = 0
    for length in lengths:
        begin, own = number, []
        while number < len(spans) and spans[number][1] <= first + length:
            start, end, label = spans[number]
            # An impossible tagging may close what it has not opened.
            own.append((max(start - first, 0), end - first, label))
            number += 1
        yield slice(begin, number), own
        first += length
