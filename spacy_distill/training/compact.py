"""Smaller students: word vectors quantized and without the strings of their words."""

from typing import List, Optional

from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.util import load_model_from_config
from thinc.api import Model

from ..models.vector_table import require_keys, vector_table
from ..pipeline.chain_ner import ChainNER


def compact(nlp: Language, *, prune: Optional[int] = None, dtype: str = "int8") -> Language:
    """Move the word vectors out of the vocabulary into the components that use them.

    The components find vectors by the hashes of words, so the vocabulary needs no strings for them.
    A component brings its vectors along into other pipelines.

    nlp (Language): A trained pipeline with a `ner_student`; it is not changed.
    prune (Optional[int]): Number of vectors to keep, the first ones. Each other word gets the most
        similar one of these. None keeps all.
    dtype (str): The type of the vectors' values: "int8" with a factor for each vector, "float16"
        or "float32".
    RETURNS (Language): The smaller pipeline. It keeps the vocabulary if it has trained components
        of other kinds, since they may need it.
    RAISES (ValueError): No component uses the vectors, or there are none.
    """
    require_vectors(nlp)
    table = vector_table(nlp.vocab.vectors, rows=prune, dtype=dtype)
    small = load_model_from_config(nlp.config, disable=nlp.disabled)
    small.vocab.lookups = nlp.vocab.lookups
    small.from_bytes(nlp.to_bytes(exclude=["vocab"]))
    for _, pipe in small.components:
        for layer in _vector_layers(pipe):
            layer.attrs["vector_table"] = table
    if any(isinstance(p, TrainablePipe) and not isinstance(p, ChainNER) for _, p in nlp.components):
        small.vocab.from_bytes(nlp.vocab.to_bytes())
    return small


def require_vectors(nlp: Language) -> None:
    """Raise ValueError if a pipeline cannot be made compact: no component looks words up in the
    vocabulary's vectors, or these have no words."""
    if not any(_vector_layers(pipe) for _, pipe in nlp.components):
        raise ValueError(
            "[D612] No component looks words up in the vocabulary's vectors: found "
            f"{', '.join(nlp.component_names) or 'no components'}, expected a `ner_student` with "
            "word vectors that has not been made compact yet."
        )
    require_keys(nlp.vocab.vectors)


def _vector_layers(pipe) -> List[Model]:
    """Find the layers that look words up in the vocabulary's vectors."""
    if not isinstance(pipe, ChainNER):
        return []
    layers = (node for node in pipe.model.walk() if "vector_table" in node.attrs)
    return [node for node in layers if node.get_dim("nO") and node.attrs["vector_table"] is None]
