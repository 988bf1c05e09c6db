"""Tag tables of other libraries: a function for Ray Data, Spark and Dask."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Optional, Sequence, Union

from ..checks import require_python_file, require_range
from ..corpora.input_documents import (
    ID_FIELDS,
    Columns,
    make_document,
    useful_columns,
)
from ..loading import import_library
from .job import PlanTagger, Tagging, require_pipeline
from .shard_files import ParquetFile, columns_to_keep


def tag_batch(
    model: Union[str, Path],
    *,
    keep: Sequence[str] = (),
    confidence: bool = False,
    min_confidence: Optional[float] = None,
    text_field: str = "text",
    batch_size: Optional[int] = None,
    threads: Optional[int] = None,
    code: Optional[Union[str, Path]] = None,
) -> "BatchTagger":
    """Create a function that finds the entities in a table of text: one row a document in, one row
    an entity out. The columns are those of `tag`. Each process that calls it loads the pipeline
    once.

    It takes and returns a table of pandas or pyarrow. `Dataset.map_batches` of Ray Data and
    `map_partitions` of Dask call it so. From an iterator of tables, which `mapInPandas` of Spark
    passes, it makes an iterator.

    model (Union[str, Path]): Any spaCy pipeline that finds entities: a package, or a folder that
        all machines have.
    keep (Sequence[str]): Columns to repeat with each entity, as text.
    confidence (bool): Whether to add the confidence of each entity. The pipeline needs a
        `ner_student` or `ner_teacher`.
    min_confidence (Optional[float]): The minimum confidence of an entity, as in `tag`.
    text_field (str): The column of the text.
    batch_size (Optional[int]): Number of documents in a batch; None for the pipeline's own.
    threads (Optional[int]): Number of threads of each `ner_student` and `ner_teacher`; None for
        the component's own.
    code (Optional[Union[str, Path]]): A Python file that the pipeline needs.
    RETURNS (BatchTagger): The function. It can be pickled.
    RAISES (ValueError): There is no such pipeline. The function raises it if a table has no column
        of that name, or no `id`, `_id` or `uuid`; or if the pipeline fails on a document.
    """
    if min_confidence is not None:
        require_range("min_confidence", min_confidence, 0, 1)
    for name, value in (("batch_size", batch_size), ("threads", threads)):
        if value is not None:
            require_range(name, value, 1)
    require_python_file(code)
    require_pipeline(model)
    plan = Tagging(
        model=str(model),
        keep=columns_to_keep(keep),
        file_format="parquet",
        confidence=confidence,
        min_confidence=min_confidence,
        batch_size=batch_size,
        shard_size=0,
        limit=0,
        threads=threads,
        code=None if code is None else Path(code),
        use_gpu=-1,
        max_errors=0,
    )
    return BatchTagger(plan, Columns(text_field, plan.keep))


# A process may tag with several pipelines, but seldom with many.
@lru_cache(maxsize=4)
def _load(plan: Tagging) -> PlanTagger:
    return plan.load()


# One thread of a process loads and uses pipelines at a time: memory zones of one vocabulary must
# not overlap, and Dask calls from several threads.
_lock = Lock()


def _begin_in_child() -> None:
    """Load pipelines again in a forked process, since another thread may have been using them."""
    global _lock
    _lock = Lock()
    _load.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)


@dataclass(frozen=True)
class BatchTagger:
    """Finds the entities in a table of text."""

    plan: Tagging
    columns: Columns

    def __call__(self, table: Any) -> Any:
        """Find the entities in a table.

        table (Any): A table of pandas or pyarrow, or an iterator of tables.
        RETURNS (Any): A table of the same library, or an iterator of tables.
        """
        if isinstance(table, Iterator):
            return map(self, table)
        pyarrow = import_library("pyarrow", "tag")
        is_arrow = isinstance(table, pyarrow.Table)
        names = list(table.column_names if is_arrow else table.columns)
        useful = useful_columns(names, self.columns, "The table")
        if not set(ID_FIELDS) & set(names):
            raise ValueError(
                f"[D758] The table has no column of ids: found {', '.join(map(repr, names))}, "
                f"expected one of {', '.join(ID_FIELDS)}. Add one."
            )
        part = (
            table.select(useful)
            if is_arrow
            else pyarrow.Table.from_pandas(table[useful], preserve_index=False)
        )
        documents = []
        for number, row in enumerate(part.to_pylist(), 1):
            place = f"The table, row {number}"
            # The number of the row is no id: other tables have the same numbers.
            document = make_document(row, self.columns, "", place)
            if document is not None and not document.id:
                columns = ", ".join(repr(name) for name in ID_FIELDS if name in row)
                raise ValueError(
                    f"[D768] {place}: found no text and no integer in {columns}, expected the id "
                    "of the document. (pandas makes floats of integers with gaps.) Give each row "
                    "an id, as text."
                )
            documents.append(document)
        file = ParquetFile(self.plan.keep, self.plan.confidence)
        found = [document for document in documents if document is not None]
        with _lock:
            _load(self.plan).tag(found, file, lambda n_documents, n_words: None)
        return file.table() if is_arrow else file.table().to_pandas()
