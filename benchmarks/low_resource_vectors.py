"""A table of word vectors that spaCy's own ner can read, for `low_resource.py`."""

from typing import Iterable

from spacy.language import Language
from spacy.tokens import Doc

from spacy_distill.vectors.table import vectors_pipeline


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
