"""Smaller students: word vectors quantized and without the strings of their words."""

from typing import Any, Iterator, List, Optional, Sequence, Tuple

import numpy
from spacy.attrs import LOWER
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.util import load_model_from_config
from spacy.vocab import Vocab
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d

from ..models.chain_tagger import parts
from ..models.inference import create_inference
from ..models.vector_table import (
    BITS,
    VectorTable,
    bits_per_value,
    n_dimensions,
    quantized,
    require_keys,
    unpacked,
    vector_table,
    with_arrays,
)
from ..models.word_forms import ATTRIBUTES, WordForms, depends_on_form
from ..pipeline.chain_ner import ChainNER

# Word forms whose vectors tell how a component reads vectors, for each dimension.
FORMS_PER_DIMENSION = 4


def compact(nlp: Language, *, prune: Optional[int] = None, bits: int = 8) -> Language:
    """Move the word vectors out of the vocabulary into the components that use them. Vectors that
    were moved before become smaller.

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
    RAISES (ValueError): No component uses the vectors, there are none, the bits are unknown, or the
        vectors have as few bits already.
    """
    require_bits(bits)
    if not any(_with_own_table(nlp)):
        require_vectors(nlp)
    small = load_model_from_config(nlp.config, disable=nlp.disabled)
    small.vocab.lookups = nlp.vocab.lookups
    small.from_bytes(nlp.to_bytes(exclude=["vocab"]))
    for table, pipes in _tables(nlp, small, prune, bits):
        metrics = [reading_metric(pipe, table) for pipe in pipes] if bits < 8 else []
        kept = quantized(table, bits, sum(metrics) if metrics else None) if bits < 16 else table
        for pipe in pipes:
            for layer in _vector_layers(pipe):
                layer.attrs["vector_table"] = kept
    if any(isinstance(p, TrainablePipe) and not isinstance(p, ChainNER) for _, p in nlp.components):
        small.vocab.from_bytes(nlp.vocab.to_bytes())
    return small


def require_bits(bits: int) -> None:
    """Raise ValueError if word vectors cannot be stored with so many bits a value."""
    if bits not in BITS:
        raise ValueError(
            f"[D611] Word vectors cannot be stored in {bits} bits a value. Choose one of "
            f"{', '.join(map(str, BITS))}."
        )


def can_be_compact(nlp: Language) -> bool:
    """Decide whether a pipeline can be made compact: it has word vectors with keys, and a component
    looks words up in them."""
    # Floret vectors have -1 keys.
    return nlp.vocab.vectors.n_keys > 0 and any(_with_vocab(nlp))


def count_words(nlp: Language) -> int:
    """Count the words that have vectors in a compact pipeline."""
    layers = [layer for _, pipe in nlp.components for layer in _vector_layers(pipe)]
    return max(len(layer.attrs["vector_table"]["keys"]) for layer in layers)


def require_vectors(nlp: Language) -> None:
    """Raise ValueError if a pipeline cannot be made compact: no component looks words up in the
    vocabulary's vectors, or these have no words."""
    if not any(_with_vocab(nlp)):
        raise ValueError(
            "[D612] No component looks words up in the vocabulary's vectors: found "
            f"{', '.join(nlp.component_names) or 'no components'}, expected a `ner_student` with "
            "word vectors that has not been made compact yet."
        )
    require_keys(nlp.vocab.vectors)


def _tables(
    nlp: Language, small: Language, prune: Optional[int], bits: int
) -> List[Tuple[VectorTable, Sequence[Any]]]:
    """List the tables to make smaller, in half precision, with the components that share each.

    nlp (Language): The pipeline.
    small (Language): Its copy, whose components are listed.
    prune (Optional[int]): The number of vectors to keep.
    bits (int): The bits that a value is to have.
    RETURNS (List[Tuple[VectorTable, Sequence[Any]]]): The table of the vocabulary, if a component
        reads it. Otherwise those of the components.
    """
    readers = list(_with_vocab(small))
    if readers:
        return [(vector_table(nlp.vocab.vectors, rows=prune), readers)]
    found: List[Tuple[VectorTable, Sequence[Any]]] = []
    for pipe in _with_own_table(small):
        table = _vector_layers(pipe)[0].attrs["vector_table"]
        if bits >= bits_per_value(table) and (prune is None or prune >= len(table["data"])):
            raise ValueError(
                f"[D613] The word vectors have {bits_per_value(table)} bits a value already. "
                "Choose fewer (--bits), or fewer vectors (--prune)."
            )
        found.append((unpacked(table, rows=prune), [pipe]))
    return found


def _with_vocab(nlp: Language) -> Iterator[Any]:
    """Yield the components that look words up in the vocabulary's vectors."""
    for _, pipe in nlp.components:
        if any(not layer.attrs["vector_table"] for layer in _vector_layers(pipe)):
            yield pipe


def _with_own_table(nlp: Language) -> Iterator[Any]:
    """Yield the components that have been made compact."""
    for _, pipe in nlp.components:
        layers = _vector_layers(pipe)
        if layers and all(layer.attrs["vector_table"] for layer in layers):
            yield pipe


def _vector_layers(pipe: Any) -> List[Model]:
    """Find the layers that look words up."""
    if not isinstance(pipe, ChainNER):
        return []
    layers = (node for node in pipe.model.walk() if "vector_table" in node.attrs)
    return [node for node in layers if node.get_dim("nO")]


def _some_forms(vocab: Vocab, table: VectorTable) -> WordForms:
    """Create forms that have the first vectors of a table. The words are not known: forms are found
    by the hashes of their lower case."""
    _, words = numpy.unique(table["rows"], return_index=True)
    keys = table["keys"][words[: FORMS_PER_DIMENSION * n_dimensions(table)]]
    attributes = numpy.zeros((len(keys), len(ATTRIBUTES)), dtype="uint64")
    attributes[:, ATTRIBUTES.index(LOWER)] = keys
    return WordForms(vocab, attributes)


def reading_metric(pipe: Any, table: VectorTable) -> Floats2d:
    """Measure how strongly a component reacts to errors of word vectors.

    What it computes of word forms alone is compared with and without their vectors. A linear
    function is fitted to the differences: the weights that the component reads vectors with.

    pipe (ChainNER): A component.
    table (VectorTable): The vectors.
    RETURNS (Floats2d): (dimensions, dimensions) the products of the weights of each two dimensions;
        the identity if the component embeds more than word forms, or is on a GPU.
    """
    embed, *_ = tagger = parts(pipe.model.layers[0])
    if not depends_on_form(embed) or not isinstance(pipe.model.ops, NumpyOps):
        return numpy.eye(n_dimensions(table), dtype="float32")
    layers, forms = _vector_layers(pipe), _some_forms(pipe.vocab, table)
    inference = create_inference(tagger)

    def read(values: Floats2d) -> Floats2d:
        for layer in layers:
            layer.attrs["vector_table"] = with_arrays(table, data=values)
        return inference.per_form(embed.layers[0].predict(forms)).astype("float32")

    without = read(numpy.zeros_like(table["data"]))
    difference = read(table["data"]) - without
    inputs = layers[0].predict(forms)
    weights, *_ = numpy.linalg.lstsq(inputs, difference, rcond=None)
    return weights @ weights.T
