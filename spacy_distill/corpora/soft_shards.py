"""Read and write soft corpora on disk: parquet shards and a manifest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

import numpy

from ..loading import import_library
from .shard_manifest import ShardEntry, ShardManifest, require_intact, write_atomically
from .soft_targets import SoftTargets


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


def is_soft_corpus(path: Path) -> bool:
    """RETURNS (bool): Whether a folder has a manifest."""
    return Manifest.is_in(path)


def write_shard(path: Path, documents: Sequence[SoftDocument]) -> str:
    """Write a shard atomically.

    path (Path): The file.
    documents (Sequence[SoftDocument]): The documents.
    RETURNS (str): The SHA-256 checksum of the file.
    """
    pyarrow, parquet = import_library("pyarrow"), import_library("pyarrow.parquet")
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


def read_shard(path: Path, sha256: Optional[str] = None) -> Iterator[SoftDocument]:
    """Read the documents of a shard in batches.

    path (Path): The file.
    sha256 (Optional[str]): The expected checksum; not compared if None.
    YIELDS (SoftDocument): The documents, in order.
    RAISES (ValueError): The file is missing, has another checksum, or cannot be read.
    """
    pyarrow, parquet = import_library("pyarrow"), import_library("pyarrow.parquet")
    if not path.is_file():
        raise ValueError(
            f"[D404] The shard '{path}' is missing. Run the same `distill-annotate` command again "
            "to write it."
        )
    if sha256 is not None:
        require_intact(path, sha256)
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                yield from _documents(batch)
    except MemoryError:
        # pyarrow's memory errors are also ArrowExceptions.
        raise
    except (pyarrow.ArrowException, KeyError) as error:
        raise ValueError(
            f"[D405] The shard '{path}' cannot be read: {error} Delete it and run the same "
            "`distill-annotate` command again."
        ) from error


def _lists(rows: Sequence, kind: Any) -> Any:
    """Convert numpy arrays or lists to an Arrow array of lists."""
    pyarrow = import_library("pyarrow")
    offsets = numpy.concatenate([[0], numpy.cumsum([len(row) for row in rows])]).astype("int32")
    if rows and isinstance(rows[0], numpy.ndarray):
        values = pyarrow.array(numpy.concatenate(rows), kind)
    else:
        values = pyarrow.array([value for row in rows for value in row], kind)
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets), values)


def _documents(batch: Any) -> Iterator[SoftDocument]:
    columns = {}
    for name in ("best", "counts", "tags", "probabilities", "rest"):
        column = batch.column(name)
        columns[name] = column.flatten().to_numpy(zero_copy_only=False), column.offsets.to_numpy()
    ids, words = batch.column("id").to_pylist(), batch.column("words").to_pylist()
    spaces = batch.column("spaces").to_pylist()
    for row, (id_, doc_words, doc_spaces) in enumerate(zip(ids, words, spaces, strict=True)):
        parts = {
            # A copy, so that a document does not keep the whole batch in memory.
            name: values[offsets[row] - offsets[0] : offsets[row + 1] - offsets[0]].copy()
            for name, (values, offsets) in columns.items()
        }
        yield SoftDocument(id_, doc_words, doc_spaces, SoftTargets(**parts))
