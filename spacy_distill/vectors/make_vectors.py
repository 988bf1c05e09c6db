"""Word vectors of files and of a teacher's transformer, joined into one table."""

from functools import reduce
from pathlib import Path
from typing import Any, Iterable, Optional, Sequence, Union

from spacy.language import Language

from ..corpora.input_documents import InputDocument
from .distill_vectors import distill_vectors
from .word_tables import join, pipeline_of_table, prune, read_table, table_of_pipeline


def make_vectors(
    tables: Sequence[Union[str, Path]] = (),
    teacher: Optional[str] = None,
    documents: Optional[Iterable[InputDocument]] = None,
    *,
    truncate: int = 0,
    prune_to: int = 0,
    more_words: Iterable[str] = (),
    lang: Optional[str] = None,
    **options: Any,
) -> Language:
    """Read tables of word vectors, make vectors of a teacher's transformer, and join them.

    tables (Sequence[Union[str, Path]]): Word vectors to read, as `read_table` takes them. The
        result has the words of the first table.
    teacher (Optional[str]): A teacher as `distill_vectors` takes it, whose vectors come last.
    documents (Optional[Iterable[InputDocument]]): The text that the teacher reads.
    truncate (int): How many vectors to read of each table; 0 for all.
    prune_to (int): How many vectors of the first table to keep; 0 for all. Its other words get the
        most similar vector.
    more_words (Iterable[str]): Other words for which the teacher's vectors are made.
    lang (Optional[str]): Language of the pipeline; that of the teacher or the first table if None.
    **options (Any): Other options of `distill_vectors`.
    RETURNS (Language): A blank pipeline with the vectors.
    RAISES (ValueError): A table cannot be read, or has no word in common with the first one.
    """
    found = [read_table(table, truncate) for table in tables]
    if found and prune_to:
        found[0] = prune(found[0], prune_to)
    if teacher is not None:
        own = found[0].words_with_own_row if found else []
        nlp = distill_vectors(
            teacher, documents or (), more_words=[*own, *more_words], lang=lang, **options
        )
        if not found:
            return nlp
        found.append(table_of_pipeline(nlp, teacher))
        lang = lang or found[0].lang or nlp.lang
    table = reduce(join, found)
    return pipeline_of_table(table, lang or table.lang or "xx")
