"""Probabilities of entities in documents, under the keys that spaCy keeps span extensions under.

`Span.as_doc`, `Doc.from_docs` and `Doc.to_json` move and read these keys, and no others. So a
confidence stays with its entity, and a process without this package can read it.
"""

from functools import partial
from keyword import iskeyword
from types import SimpleNamespace
from typing import Any, Dict, Optional, Tuple

from spacy.tokens import Span
from spacy.tokens.underscore import Underscore

# The attribute of spans by default: `ent._.confidence`.
CONFIDENCE = "confidence"
# Where evaluation keeps confidences: no attribute of an app's has a name with a dot.
EVALUATION_ATTR = "spacy_distill.confidence"


def add_confidence_extension(attr: str = CONFIDENCE) -> None:
    """Register `Span._.confidence`, the probability of an entity. A pipeline that writes
    confidences does so by itself. A process that only reads documents needs this call.

    attr (str): The attribute's name: the component's setting `confidence_attr`.
    RAISES (ValueError): The name belongs to something else.
    """
    if not Span.has_extension(attr):
        Span.set_extension(attr, getter=partial(confidence_of, attr=attr))
    elif getattr(Span.get_extension(attr)[2], "func", None) is not confidence_of:
        raise ValueError(
            f"[D015] Confidences cannot be written to `Span._.{attr}`: found an extension of that "
            "name that something else has registered. Choose another name with the component's "
            'setting `confidence_attr`, such as "ner_confidence", or switch `confidence` off.'
        )


def confidence_of(span: Span, attr: str = CONFIDENCE) -> Optional[float]:
    """Find the confidence that was written for an entity.

    span (Span): A span of a document.
    attr (str): The attribute that it was written to.
    RETURNS (Optional[float]): The confidence; None if there is none for these characters, or if it
        is that of an entity with another label.
    """
    user_data: Dict[Any, Any] = span.doc.user_data
    confidence = user_data.get(_key(span, attr))
    if confidence is None:
        return None
    label = user_data.get(_key(span, _label_attr(attr)), span.label_)
    return confidence if label == span.label_ else None


def check_attr(attr: str, component: str) -> None:
    """Make sure that confidences can be written under the name of an attribute of spans; raise
    ValueError if not."""
    # Attributes of the object `Span._` come before extensions.
    taken = hasattr(Underscore({}, SimpleNamespace(doc=None)), attr)  # type: ignore[arg-type]
    if attr != EVALUATION_ATTR and (taken or not attr.isidentifier() or iskeyword(attr)):
        raise ValueError(
            f"[D030] The component '{component}' cannot write confidences under its "
            f"confidence_attr {attr!r}. Expected a name as of a Python variable, and none that "
            'spaCy uses itself in `ent._`, such as "get". Give one such as "confidence".'
        )


def set_confidence(span: Span, confidence: float, attr: str = CONFIDENCE) -> None:
    """Write an entity's confidence to an attribute of spans."""
    user_data: Dict[Any, Any] = span.doc.user_data
    user_data[_key(span, attr)] = confidence
    user_data[_key(span, _label_attr(attr))] = span.label_


def delete_confidence(span: Span, attr: str = CONFIDENCE) -> None:
    """Delete the confidence of an entity in the place of a span, if there is one. A value that an
    app has written under the same name stays."""
    user_data: Dict[Any, Any] = span.doc.user_data
    if user_data.pop(_key(span, _label_attr(attr)), None) is not None:
        user_data.pop(_key(span, attr), None)


def _key(span: Span, attr: str) -> Tuple[str, str, int, int]:
    return "._.", attr, span.start_char, span.end_char


def _label_attr(attr: str) -> str:
    # spaCy's keys have no label. With a dot, this is no attribute that an app could have.
    return f"{attr}.label"
