"""Read and write soft corpora on disk: parquet shards and a manifest."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy

from ..loading import DAMAGE_ERRORS, has_code, import_library
from .parquet_limits import require_readable
from .shard_manifest import (
    ShardEntry,
    ShardManifest,
    is_origin,
    require_intact,
    write_atomically,
)
from .soft_targets import SoftTargets

# The most documents of a batch, and the most tokens of a document: spaCy's limit of characters.
BATCH_SIZE, LONGEST_DOCUMENT = 256, 10**6
# The path of the words in a file.
WORD_COLUMN = "words.list.element"
TARGETS = ("best", "counts", "tags", "probabilities", "rest")


class SoftDocument(NamedTuple):
    """A document of a soft corpus: id, words, whether a space follows each (if known), targets."""

    id: str
    words: List[str]
    spaces: Optional[List[bool]]
    targets: SoftTargets


@dataclass(kw_only=True)
class Shard(ShardEntry):
    """The entry of a soft corpus's shard in the manifest. The teacher's best tag sequences have its
    entities.

    misfits (int): The number of the teacher's entities that do not align with the tokens.
    """

    misfits: int = 0


@dataclass(kw_only=True)
class Manifest(ShardManifest):
    """The origin and the shards of a soft corpus.

    labels (List[str]): The teacher's labels, in the order of their tags.
    teacher (Dict[str, Any]): The name and content hash of each teacher.
    """

    teacher: Dict[str, Any]

    FILE = "manifest.json"
    FORMAT = 2
    EXTENSIONS = (".parquet",)
    ENTRY = Shard
    TOTALS = (*ShardManifest.TOTALS, "misfits")
    KIND = "soft corpus"
    MAKER = "teacher"
    COMMAND = "distill-annotate"

    def identity(self) -> Dict[str, Any]:
        """List what must not change between runs, by its name in errors."""
        teachers = [teacher["hash"] for teacher in self.teacher["teachers"]]
        return {"the teacher": teachers, **super().identity()}

    def problem(self) -> str:
        teachers = self.teacher.get("teachers") if isinstance(self.teacher, dict) else None
        if not isinstance(teachers, list) or not all(map(is_origin, teachers)):
            return "teacher has no list of teachers with name, version and hash"
        return super().problem()


def is_soft_corpus(path: Path) -> bool:
    """RETURNS (bool): Whether a folder has a manifest."""
    return Manifest.is_in(path)


def write_shard(path: Path, documents: Sequence[SoftDocument]) -> str:
    """Write a shard atomically.

    path (Path): The file.
    documents (Sequence[SoftDocument]): The documents.
    RETURNS (str): The SHA-256 checksum of the file.
    """
    pyarrow = import_library("pyarrow", "train")
    parquet = import_library("pyarrow.parquet", "train")
    table = pyarrow.table(
        {
            "id": pyarrow.array([document.id for document in documents], pyarrow.string()),
            "words": _lists([document.words for document in documents], pyarrow.string()),
            "spaces": pyarrow.array(
                [document.spaces for document in documents], pyarrow.list_(pyarrow.bool_())
            ),
            "best": _lists([d.targets.best for d in documents], pyarrow.uint16()),
            "counts": _lists([d.targets.counts for d in documents], pyarrow.uint8()),
            "tags": _lists([d.targets.tags for d in documents], pyarrow.uint16()),
            "probabilities": _lists(
                [d.targets.probabilities for d in documents], pyarrow.float16()
            ),
            "rest": _lists([d.targets.rest for d in documents], pyarrow.float32()),
        }
    )
    return write_atomically(
        path, lambda unfinished: parquet.write_table(table, unfinished, compression="zstd")
    )


def read_shard(
    path: Path, sha256: Optional[str] = None, n_tags: Optional[int] = None
) -> Iterator[SoftDocument]:
    """Read the documents of a shard in batches.

    path (Path): The file.
    sha256 (Optional[str]): The expected checksum; not compared if None.
    n_tags (Optional[int]): The number of tags; tag ids are not compared with it if None.
    YIELDS (SoftDocument): The documents, in order.
    RAISES (ValueError): The file is missing, has another checksum, cannot be read, or takes too
        much memory.
    """
    pyarrow = import_library("pyarrow", "train")
    parquet = import_library("pyarrow.parquet", "train")
    if not path.is_file():
        raise ValueError(
            f"[D404] The shard '{path}' is missing. Run the same `distill-annotate` command again "
            "to write it."
        )
    if sha256 is not None:
        require_intact(path, sha256)
    try:
        # A word that a file has once is kept once.
        with parquet.ParquetFile(path, read_dictionary=[WORD_COLUMN]) as file:
            sizes = require_readable(path, file.metadata, f"The shard '{path}'")
            if file.schema_arrow.names != list(_schema()):
                raise _damage(path, f"the columns are {file.schema_arrow.names}.")
            for batch in file.iter_batches(batch_size=sizes.rows(BATCH_SIZE)):
                yield from _documents(path, batch, n_tags)
    except MemoryError:
        # pyarrow's memory errors are also ArrowExceptions.
        raise
    except (pyarrow.ArrowException, OSError, *DAMAGE_ERRORS) as error:
        if has_code(error) or getattr(error, "errno", None) is not None:
            raise
        raise _damage(path, str(error)) from error


def _damage(path: Path, problem: str) -> ValueError:
    return ValueError(
        f"[D405] The shard '{path}' cannot be read: {problem} Delete it and run the same "
        "`distill-annotate` command again."
    )


def _lists(rows: Sequence, kind: Any) -> Any:
    """Convert numpy arrays or lists to an Arrow array of lists."""
    pyarrow = import_library("pyarrow", "train")
    offsets = numpy.concatenate([[0], numpy.cumsum([len(row) for row in rows])]).astype("int32")
    if rows and isinstance(rows[0], numpy.ndarray):
        values = pyarrow.array(numpy.concatenate(rows), kind)
    else:
        values = pyarrow.array([value for row in rows for value in row], kind)
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets), values)


def _documents(path: Path, batch: Any, n_tags: Optional[int]) -> Iterator[SoftDocument]:
    problem = _problem_of_columns(batch)
    if problem:
        raise _damage(path, problem)
    columns = {name: _ragged(batch.column(name)) for name in TARGETS}
    problem = _problem_of_targets(columns, n_tags)
    if problem:
        raise _damage(path, problem)
    ids = batch.column("id").to_pylist()
    words = _words(batch.column("words"))
    spaces = batch.column("spaces").to_pylist()
    for row, (id_, doc_words, doc_spaces) in enumerate(zip(ids, words, spaces, strict=True)):
        parts = {
            # A copy, so that a document does not keep the whole batch in memory.
            name: values[offsets[row] : offsets[row + 1]].copy()
            for name, (values, offsets) in columns.items()
        }
        document = SoftDocument(id_, doc_words, doc_spaces, SoftTargets(**parts))
        problem = _problem_of_document(document)
        if problem:
            raise _damage(path, f"the document '{id_!s:.50}' has {problem}.")
        yield document


def _ragged(column: Any) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): The values of a column of lists, and the place
    of each row's first value and of the end."""
    offsets = column.offsets.to_numpy()
    return column.flatten().to_numpy(zero_copy_only=False), offsets - offsets[0]


def _words(column: Any) -> List[List[str]]:
    """RETURNS (List[List[str]]): The words of each row. Equal words are the same object."""
    values = column.flatten()
    known = values.dictionary.to_pylist()
    words = [known[number] for number in values.indices.to_pylist()]
    offsets = column.offsets.to_numpy()
    places = (offsets - offsets[0]).tolist()
    return [words[start:end] for start, end in pairwise(places)]


def _problem_of_columns(batch: Any) -> str:
    """RETURNS (str): What is wrong with the types of a batch; empty if nothing is."""
    for name, kinds in _schema().items():
        column = batch.column(name)
        if column.type not in kinds:
            return f"the column {name} is {column.type}."
        # Spaces may be unknown.
        has_gaps = column.null_count if name != "spaces" else 0
        if has_gaps or (name != "id" and column.flatten().null_count):
            return f"the column {name} has empty values."
    if "" in batch.column("words").flatten().dictionary.to_pylist():
        return "a word is empty."
    return ""


def _problem_of_targets(columns: Dict[str, Tuple[Any, Any]], n_tags: Optional[int]) -> str:
    """RETURNS (str): What is wrong with tags and probabilities; empty if nothing is."""
    for name in ("probabilities", "rest"):
        values = columns[name][0]
        # Sums are rounded. NaN is not within the range.
        if not ((values >= 0) & (values <= 1.01)).all():
            return f"the column {name} has something else than probabilities."
    for name in ("best", "tags"):
        if n_tags is not None and columns[name][0].max(initial=0) >= n_tags:
            return f"the column {name} has tags that none of the labels has."
    return ""


def _problem_of_document(document: SoftDocument) -> str:
    """RETURNS (str): What does not fit together in a document; empty if all does."""
    n_tokens, targets = len(document.words), document.targets
    if n_tokens > LONGEST_DOCUMENT:
        return f"{n_tokens:,} tokens, more than {LONGEST_DOCUMENT:,}"
    if document.spaces is not None and len(document.spaces) != n_tokens:
        return f"{n_tokens} words and {len(document.spaces)} spaces"
    if not len(targets.best) == len(targets.counts) == len(targets.rest) == n_tokens:
        return f"targets of another number of tokens than {n_tokens}"
    n_kept = int(targets.counts.sum())
    if not len(targets.tags) == len(targets.probabilities) == n_kept:
        return f"{len(targets.tags)} tags, expected {n_kept}"
    return ""


@cache
def _schema() -> Dict[str, Tuple[Any, ...]]:
    """RETURNS (Dict[str, Tuple[Any, ...]]): The possible types of each column."""
    pyarrow = import_library("pyarrow", "train")
    words = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    return {
        "id": (pyarrow.string(),),
        "words": (pyarrow.list_(words), pyarrow.list_(pyarrow.field("element", words))),
        "spaces": _list_types(pyarrow.bool_()),
        "best": _list_types(pyarrow.uint16()),
        "counts": _list_types(pyarrow.uint8()),
        "tags": _list_types(pyarrow.uint16()),
        "probabilities": _list_types(pyarrow.float16()),
        "rest": _list_types(pyarrow.float32()),
    }


def _list_types(kind: Any) -> Tuple[Any, ...]:
    pyarrow = import_library("pyarrow", "train")
    return pyarrow.list_(kind), pyarrow.list_(pyarrow.field("element", kind))
