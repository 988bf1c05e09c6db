"""Word vectors as a blank pipeline on disk, for the `vectors` setting of a config."""

from pathlib import Path
from typing import Sequence

import numpy
import spacy
import srsly
from spacy.language import Language
from spacy.vectors import Vectors
from thinc.types import Floats2d

from ..saving import save_pipeline


def vectors_pipeline(words: Sequence[str], vectors: Floats2d, lang: str) -> Language:
    """Make a blank pipeline with a vectors table.

    words (Sequence[str]): The table's keys, each once.
    vectors (Floats2d): Their vectors, (len(words), dimensions).
    lang (str): The pipeline's language.
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


def require_replaceable(output: Path) -> None:
    """Make sure that a pipeline may be written to a folder, before hours of work are done for it.

    output (Path): The folder: nothing, or a pipeline that has no components.
    RAISES (ValueError): Something else is there.
    """
    try:
        meta = srsly.read_json(output / "meta.json") if output.exists() else {"pipeline": []}
    except (OSError, ValueError):
        meta = None
    if not isinstance(meta, dict) or meta.get("pipeline") != []:
        raise ValueError(
            f"[D723] {output}: found something other than a pipeline of word vectors alone, which "
            "would be replaced. Remove it or choose another folder."
        )


def write_pipeline(nlp: Language, output: Path) -> None:
    """Save a pipeline atomically.

    nlp (Language): The pipeline.
    output (Path): The folder to write; a pipeline of vectors in its place is replaced.
    RAISES (ValueError): Something else is there.
    """
    require_replaceable(output)
    save_pipeline(nlp, output)
