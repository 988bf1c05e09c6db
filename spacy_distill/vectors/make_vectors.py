"""Join word vectors from files and from a teacher's transformer into one table."""

from functools import reduce
from pathlib import Path
from typing import Any, Iterable, Optional, Sequence, Union

from spacy.language import Language

from ..corpora.input_documents import InputDocument
from .distill_vectors import distill_vectors
from .word_tables import join, pipeline_of_table, prune, read_word_table, table_of_pipeline


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
    """Read tables of word vectors, make vectors from a teacher's transformer, and join them.

    tables (Sequence[Union[str, Path]]): The word vectors to read, as in `read_word_table`. The
        result has the words of the first table.
    teacher (Optional[str]): The teacher, as in `distill_vectors`. Its vectors are the last columns.
    documents (Optional[Iterable[InputDocument]]): The text for the teacher.
    truncate (int): The maximum number of vectors to read from each table; 0 means all.
    prune_to (int): The number of vectors of the first table to keep; 0 means all. Words of other
        vectors get the most similar vector that is kept.
    more_words (Iterable[str]): Other words for which the teacher makes vectors.
    lang (Optional[str]): The language; if None, that of the first table or the teacher.
    **options (Any): Other options of `distill_vectors`, for a teacher.
    RETURNS (Language): A blank pipeline with the vectors.
    RAISES (ValueError): A table cannot be read, or has no word in common with the first one; or
        there are options of `distill_vectors`, and no teacher.
    """
    more_words = list(more_words)
    given = {"documents": documents, "more_words": more_words or None, **options}
    unused = [name for name, value in given.items() if value is not None]
    if teacher is None and unused:
        raise ValueError(
            f"[D245] Without a teacher, these would have no effect: {', '.join(unused)}. Name a "
            "teacher, or leave them out."
        )
    found = [read_word_table(table, truncate) for table in tables]
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
