"""Smaller students: word vectors quantized and without the strings of their words."""

from itertools import chain
from typing import Any, List, Optional

import numpy
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.util import load_model_from_config
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d

from ..models.chain_tagger import parts
from ..models.inference import create_inference
from ..models.vector_table import (
    BITS,
    VectorTable,
    n_dimensions,
    quantized,
    require_keys,
    vector_table,
)
from ..models.word_forms import WordForms, depends_on_form, read_word_forms
from ..pipeline.chain_ner import ChainNER

# Word forms whose vectors tell how a component reads vectors, for each dimension.
FORMS_PER_DIMENSION = 4


def compact(nlp: Language, *, prune: Optional[int] = None, bits: int = 8) -> Language:
    """Move the word vectors out of the vocabulary into the components that use them.

    The components find vectors by the hashes of words, so the vocabulary needs no strings for them.
    A component brings its vectors along into other pipelines.

    nlp (Language): A trained pipeline with a `ner_student`; it is not changed.
    prune (Optional[int]): Number of vectors to keep, the first ones. Each other word gets the most
        similar one of these. None keeps all.
    bits (int): The bits per value of a vector: 16 for half precision, 8 for integers with a factor
        for each vector, 4 or 2 for product quantization, which measures errors by what the
        components make of them.
    RETURNS (Language): The smaller pipeline. It keeps the vocabulary if it has trained components
        of other kinds, since they may need it.
    RAISES (ValueError): No component uses the vectors, there are none, or the bits are unknown.
    """
    if bits not in BITS:
        raise ValueError(
            f"[D611] Word vectors cannot be stored in {bits} bits a value. Choose one of "
            f"{', '.join(map(str, BITS))}."
        )
    require_vectors(nlp)
    small = load_model_from_config(nlp.config, disable=nlp.disabled)
    small.vocab.lookups = nlp.vocab.lookups
    small.from_bytes(nlp.to_bytes(exclude=["vocab"]))
    layers = {pipe: found for _, pipe in small.components if (found := _vector_layers(pipe))}
    table = vector_table(nlp.vocab.vectors, rows=prune)
    if bits < 8:
        forms = _first_words(nlp, FORMS_PER_DIMENSION * n_dimensions(table))
        table = quantized(table, bits, sum(reading_metric(pipe, table, forms) for pipe in layers))
    elif bits < 16:
        table = quantized(table, bits)
    for layer in chain(*layers.values()):
        layer.attrs["vector_table"] = table
    if any(isinstance(p, TrainablePipe) and not isinstance(p, ChainNER) for _, p in nlp.components):
        small.vocab.from_bytes(nlp.vocab.to_bytes())
    return small


def can_be_compact(nlp: Language) -> bool:
    """Decide whether a pipeline can be made compact: it has word vectors with keys, and a component
    looks words up in them."""
    # Floret vectors have -1 keys.
    return nlp.vocab.vectors.n_keys > 0 and any(_vector_layers(pipe) for _, pipe in nlp.components)


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


def _first_words(nlp: Language, limit: int) -> WordForms:
    """Read the attributes of the first words that have vectors."""
    keys = [key for key in nlp.vocab.vectors.key2row if key in nlp.vocab.strings]
    return read_word_forms(nlp.vocab, numpy.asarray(keys[:limit], dtype="uint64"))


def reading_metric(pipe: Any, table: VectorTable, forms: WordForms) -> Floats2d:
    """Measure how strongly a component reacts to errors of word vectors.

    What it computes of word forms alone is compared with and without their vectors. A linear
    function is fitted to the differences: the weights that the component reads vectors with.

    pipe (ChainNER): A component; its layers get the vectors.
    table (VectorTable): The vectors.
    forms (WordForms): Some words of the table.
    RETURNS (Floats2d): (dimensions, dimensions) the products of the weights of each two dimensions;
        the identity if the component embeds more than word forms, or is on a GPU.
    """
    embed, *_ = tagger = parts(pipe.model.layers[0])
    if not depends_on_form(embed) or not isinstance(pipe.model.ops, NumpyOps):
        return numpy.eye(n_dimensions(table), dtype="float32")
    inference = create_inference(tagger)
    layers = _vector_layers(pipe)

    def read(values: Floats2d) -> Floats2d:
        for layer in layers:
            layer.attrs["vector_table"] = {**table, "data": values}
        return inference.per_form(embed.layers[0].predict(forms)).astype("float32")

    without = read(numpy.zeros_like(table["data"]))
    difference = read(table["data"]) - without
    inputs = layers[0].predict(forms)
    for layer in layers:
        layer.attrs["vector_table"] = None
    weights, *_ = numpy.linalg.lstsq(inputs, difference, rcond=None)
    return weights @ weights.T
