"""Which attributes of documents a component writes."""

from typing import Iterable, List

from spacy.language import Language
from spacy.pipeline import SpanRuler


def written_attributes(nlp: Language, name: str) -> Iterable[str]:
    """Find what a component writes with the settings that it has.

    spaCy knows what a factory writes by default. A component whose settings decide says so by an
    attribute `assigns`, and spaCy's span ruler is known.

    nlp (Language): The pipeline.
    name (str): The component's name.
    RETURNS (Iterable[str]): Attributes such as "doc.ents".
    """
    pipe = nlp.get_pipe(name)
    if isinstance(pipe, SpanRuler):
        entities = ["doc.ents"] if pipe.annotate_ents else []
        return [*entities, *(["doc.spans"] if pipe.spans_key else [])]
    return getattr(pipe, "assigns", nlp.get_pipe_meta(name).assigns)


def writers(nlp: Language, attribute: str) -> List[str]:
    """RETURNS (List[str]): The components of a pipeline that write an attribute."""
    return [name for name in nlp.pipe_names if attribute in written_attributes(nlp, name)]
