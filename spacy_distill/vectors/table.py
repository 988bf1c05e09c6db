"""Make pipelines with word vectors, for the `vectors` setting of a config."""

from typing import Sequence

import numpy
import spacy
from spacy.language import Language
from spacy.vectors import Vectors
from thinc.types import Floats2d


def vectors_pipeline(words: Sequence[str], vectors: Floats2d, lang: str) -> Language:
    """Make a blank pipeline with word vectors.

    words (Sequence[str]): The distinct words.
    vectors (Floats2d): (words, dimensions), the vectors of the words.
    lang (str): The language of the pipeline.
    RETURNS (Language): The pipeline.
    """
    nlp = spacy.blank(lang)
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings,
        data=numpy.ascontiguousarray(vectors, dtype="float32"),
        keys=[nlp.vocab.strings.add(word) for word in words],
        name=f"{lang}_distilled.vectors",
    )
    return nlp
