"""Entities into documents: beside those that are there already, and with their probabilities."""

from typing import Iterable, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc, Span, SpanGroup
from thinc.types import Floats1d

from ..chain import LinearChain

# (first token, token after the last, label)
Entity = Tuple[int, int, str]
# Token.ent_iob of tokens within and at the start of an entity. Blocked tokens, which must not be in
# one, have the latter and no label.
INSIDE, BEGINS = 1, 3


def add_confidence_extension() -> None:
    """Register `Span._.confidence`: an entity's probability, None for those of other components.

    RAISES (ValueError): The name belongs to something that cannot be written to.
    """
    if not Span.has_extension("confidence"):
        Span.set_extension("confidence", default=None)
    _, _, getter, setter = Span.get_extension("confidence")
    if getter is not None and setter is None:
        raise ValueError(
            "Confidences cannot be written: something else has registered `Span._.confidence` with "
            "a getter alone. Rename that extension, or switch `confidence` off."
        )


def around_entities(chain: LinearChain, docs: Sequence[Doc]) -> LinearChain:
    """Keep entities off tokens that are taken: by an entity that is there, or blocked.

    chain (LinearChain): What a model predicts of the documents.
    docs (Sequence[Doc]): The documents.
    RETURNS (LinearChain): The distribution, given that there is no other entity on these tokens.
    """
    if not any(doc.has_annotation("ENT_IOB") for doc in docs):
        return chain
    taken = numpy.isin(
        numpy.concatenate([doc.to_array("ENT_IOB") for doc in docs]), (INSIDE, BEGINS)
    )
    if not taken.any():
        return chain
    is_outside = numpy.arange(len(chain.start)) == 0
    return chain.restricted(~taken[:, None] | is_outside)


def set_entities(
    doc: Doc,
    entities: Iterable[Entity],
    confidences: Optional[Iterable[float]],
    *,
    overwrite: bool,
) -> None:
    """Write entities to a document.

    doc (Doc): The document, changed in place.
    entities (Iterable[Entity]): What was found, without overlaps.
    confidences (Optional[Iterable[float]]): The probability of each; None to write none.
    overwrite (bool): Which entities go where a new one and one that is there overlap: those that
        are there, or else the new ones. All others stay.
    """
    spans = [Span(doc, start, end, label=label) for start, end, label in entities]
    if confidences is not None:
        for span, confidence in zip(spans, confidences, strict=True):
            span._.confidence = confidence
    if not doc.has_annotation("ENT_IOB"):
        doc.set_ents(spans)
        return
    before = list(doc.ents)
    if overwrite:
        before = without_overlaps(before, spans)
    else:
        spans = without_overlaps(spans, before)
    blocked = [] if overwrite else [doc[i : i + 1] for i in blocked_tokens(doc)]
    doc.set_ents([*before, *spans], blocked=blocked)


def without_overlaps(spans: List[Span], others: Iterable[Span]) -> List[Span]:
    """RETURNS (List[Span]): The spans that share no token with others."""
    taken = {token for span in others for token in range(span.start, span.end)}
    return [span for span in spans if taken.isdisjoint(range(span.start, span.end))]


def blocked_tokens(doc: Doc) -> List[int]:
    """RETURNS (List[int]): The tokens that `Doc.set_ents` was told to keep free of entities."""
    iob, types = doc.to_array(["ENT_IOB", "ENT_TYPE"]).T
    return ((iob == BEGINS) & (types == 0)).nonzero()[0].tolist()


def set_spans(doc: Doc, key: str, entities: Iterable[Entity], scores: Floats1d) -> None:
    """Write likely entities, which may overlap, as spaCy's span categorizer does.

    doc (Doc): The document, changed in place.
    key (str): The key in `doc.spans`.
    entities (Iterable[Entity]): What was found.
    scores (Floats1d): (spans,) the probabilities, which go to `doc.spans[key].attrs["scores"]`.
    """
    spans = [Span(doc, start, end, label=label) for start, end, label in entities]
    doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs={"scores": scores})
