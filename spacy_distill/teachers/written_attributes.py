"""Which attributes of documents a component writes."""

from typing import Iterable, List

from spacy.language import Language
from spacy.pipeline import SpanRuler


def written_attributes(nlp: Language, name: str) -> Iterable[str]:
    """RETURNS (Iterable[str]): The attributes that a component writes with its settings, such as
    "doc.ents". spaCy knows those of a factory. A component that writes others by its
    settings has an attribute `assigns`; the span ruler has none."""
    pipe = nlp.get_pipe(name)
    if isinstance(pipe, SpanRuler):
        entities = ["doc.ents"] if pipe.annotate_ents else []
        return [*entities, *(["doc.spans"] if pipe.spans_key else [])]
    return getattr(pipe, "assigns", nlp.get_pipe_meta(name).assigns)


def writers(nlp: Language, attribute: str) -> List[str]:
    """RETURNS (List[str]): The components of a pipeline that write an attribute."""
    return [name for name in nlp.pipe_names if attribute in written_attributes(nlp, name)]
