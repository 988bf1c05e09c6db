"""Store the confidences of entities in documents, under the keys of spaCy's span extensions.

`Span.as_doc` (with `copy_user_data`), `Doc.from_docs` and `Doc.to_json` copy data under these keys
only. So confidences are copied with their entities, and a process without this package can read
them.
"""

from contextlib import contextmanager
from functools import partial
from keyword import iskeyword
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, Optional, Tuple

from spacy.language import Language
from spacy.tokens import Span
from spacy.tokens.underscore import Underscore

# The default attribute: `ent._.confidence`.
CONFIDENCE = "confidence"
# The attribute that evaluation uses. An app cannot have it, because of the dot in its name.
EVALUATION_ATTR = "spacy_distill.confidence"


def add_confidence_extension(attr: str = CONFIDENCE) -> None:
    """Register `Span._.confidence`, the probability of an entity. Components that write confidences
    register it too, so only processes without such a component need this call.

    attr (str): The name of the attribute: the component's setting `confidence_attr`.
    RAISES (ValueError): Other code has registered an extension of that name.
    """
    if not Span.has_extension(attr):
        Span.set_extension(attr, getter=partial(confidence_of, attr=attr))
    elif getattr(Span.get_extension(attr)[2], "func", None) is not confidence_of:
        raise ValueError(
            f"[D015] Confidences cannot be written to `Span._.{attr}`: other code has registered "
            "an extension of that name. Choose another name with the component's setting "
            '`confidence_attr`, such as "ner_confidence", or set `confidence = false`.'
        )


def confidence_of(span: Span, attr: str = CONFIDENCE) -> Optional[float]:
    """Read the confidence of an entity.

    span (Span): The entity.
    attr (str): The name of the attribute.
    RETURNS (Optional[float]): The confidence; None if there is none for these characters and this
        label.
    """
    user_data: Dict[Any, Any] = span.doc.user_data
    confidence = user_data.get(_key(span, attr))
    if confidence is None:
        return None
    label = user_data.get(_key(span, _label_attr(attr)), span.label_)
    return confidence if label == span.label_ else None


def check_attr(attr: str, component: str) -> None:
    """Raise ValueError if confidences cannot be written to an attribute of this name."""
    # Attributes of the object `Span._` take precedence over extensions.
    is_taken = hasattr(Underscore({}, SimpleNamespace(doc=None)), attr)  # type: ignore[arg-type]
    if attr != EVALUATION_ATTR and (is_taken or not attr.isidentifier() or iskeyword(attr)):
        raise ValueError(
            f"[D030] The component '{component}' cannot write confidences to its confidence_attr "
            f"{attr!r}. Expected a valid name of a Python variable, which is no method of `ent._` "
            'such as "get". Use one such as "confidence".'
        )


def set_confidence(span: Span, confidence: float, attr: str = CONFIDENCE) -> None:
    """Write an entity's confidence to an attribute of spans."""
    user_data: Dict[Any, Any] = span.doc.user_data
    user_data[_key(span, attr)] = confidence
    user_data[_key(span, _label_attr(attr))] = span.label_


def delete_confidence(span: Span, attr: str = CONFIDENCE) -> None:
    """Delete the confidence that the package has written for the characters of a span, if there is
    one. Values of an app under the same name are kept."""
    user_data: Dict[Any, Any] = span.doc.user_data
    if user_data.pop(_key(span, _label_attr(attr)), None) is not None:
        user_data.pop(_key(span, attr), None)


@contextmanager
def with_confidences(
    nlp: Language, *, component: Optional[str] = None, ignore_minimum: bool = False
) -> Iterator[None]:
    """Switch on confidences within a context.

    They are written under `EVALUATION_ATTR`, a name of this package, which no app uses.

    nlp (Language): The pipeline.
    component (Optional[str]): The only component that writes them; None for all that can.
    ignore_minimum (bool): Whether entities below the `min_confidence` of a component are written
        too.
    """
    pipes: List[Any] = [
        pipe
        for name, pipe in nlp.pipeline
        if hasattr(pipe, "confidence_attr") and component in (None, name)
    ]
    settings: Dict[str, Any] = {"confidence": True, "confidence_attr": EVALUATION_ATTR}
    if ignore_minimum:
        settings["min_confidence"] = 0.0
    before = [
        {name: getattr(pipe, name) for name in settings if hasattr(pipe, name)} for pipe in pipes
    ]
    try:
        for pipe, earlier in zip(pipes, before, strict=True):
            for name in earlier:
                setattr(pipe, name, settings[name])
        yield
    finally:
        for pipe, earlier in zip(pipes, before, strict=True):
            for name, value in earlier.items():
                setattr(pipe, name, value)


def _key(span: Span, attr: str) -> Tuple[str, str, int, int]:
    return "._.", attr, span.start_char, span.end_char


def _label_attr(attr: str) -> str:
    # The key of the confidence has no label. An app cannot have this attribute, because of the dot.
    return f"{attr}.label"
