"""Find the attributes of documents that a component writes."""

from typing import Iterable, List

from spacy.language import Language
from spacy.pipeline import SpanRuler


def written_attributes(nlp: Language, name: str) -> Iterable[str]:
    """RETURNS (Iterable[str]): The attributes that a component writes, such as "doc.ents". Usually
    they come from its factory. A component whose settings change them has an attribute `assigns`.
    The span ruler has none, so its settings are read."""
    pipe = nlp.get_pipe(name)
    if isinstance(pipe, SpanRuler):
        entities = ["doc.ents"] if pipe.annotate_ents else []
        return [*entities, *(["doc.spans"] if pipe.spans_key else [])]
    return getattr(pipe, "assigns", nlp.get_pipe_meta(name).assigns)


def components_that_write(nlp: Language, attribute: str) -> List[str]:
    """RETURNS (List[str]): The components of a pipeline that write an attribute."""
    return [name for name in nlp.pipe_names if attribute in written_attributes(nlp, name)]


def entity_labels(nlp: Language) -> List[str]:
    """RETURNS (List[str]): The sorted labels of the components that write entities, if these have
    the attribute."""
    pipes = [nlp.get_pipe(name) for name in components_that_write(nlp, "doc.ents")]
    return sorted({label for pipe in pipes for label in getattr(pipe, "labels", ())})
