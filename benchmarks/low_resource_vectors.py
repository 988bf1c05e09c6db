"""Word vectors in `low_resource.py`: what tells tables apart, and one that spaCy can read."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Iterable, Optional

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_distill.vectors.table import vectors_pipeline


@cache
def vectors_digest(pipeline: Optional[Path]) -> str:
    """RETURNS (str): What tells a table of word vectors from others by its words, its shape and, to
    four digits, its norm; empty for none."""
    if pipeline is None:
        return ""
    vectors = spacy.load(pipeline).vocab.vectors
    norm = numpy.linalg.norm(vectors.data.astype("float64"))
    content = hashlib.blake2b(f"{vectors.data.shape} {norm:.4g}".encode(), digest_size=8)
    for items in zip(*sorted(vectors.key2row.items()), strict=True):
        content.update(numpy.asarray(items, dtype="uint64").tobytes())
    return content.hexdigest()


@cache
def vectors_signs(pipeline: Optional[Path]) -> str:
    """RETURNS (str): What tells the numbers of a table of word vectors from others'; empty for no
    table. These are the signs of 64 random sums, which stay the same where only last bits differ,
    as they do from processor to processor in what a transformer says (Charikar 2002, "Similarity
    Estimation Techniques from Rounding Algorithms")."""
    if pipeline is None:
        return ""
    data = spacy.load(pipeline).vocab.vectors.data.astype("float64")
    rng = numpy.random.default_rng(0)
    rows, columns = (rng.normal(size=(64, size)) for size in data.shape)
    return numpy.packbits(((rows @ data) * columns).sum(axis=1) > 0).tobytes().hex()


def as_written(nlp: Language, docs: Iterable[Doc]) -> Language:
    """Make a table in which spaCy's own layers find what the student finds.

    The keys of our tables are lower-cased words. The student looks a word up as it is written, then
    in lower case; spaCy's `StaticVectors` as it is written alone, and so finds hardly any name.
    (Another attribute can be set for a table, but spaCy does not save it.)

    nlp (Language): A pipeline with a table of words.
    docs (Iterable[Doc]): All that will be read.
    RETURNS (Language): A blank pipeline with the vectors of their words, as these are written.
    """
    find = nlp.vocab.vectors.find
    rows = {}
    for word in sorted({token.text for doc in docs for token in doc}):
        found = [row for form in (word, word.lower()) if (row := find(key=form)) >= 0]
        if found:
            rows[word] = found[0]
    return vectors_pipeline(
        list(rows), nlp.vocab.vectors.data[list(rows.values())], nlp.meta["lang"]
    )
