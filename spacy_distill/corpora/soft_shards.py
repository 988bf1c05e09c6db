"""Read and write soft corpora on disk: parquet shards and a manifest."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

import numpy

from ..loading import import_library
from .hashes import update_with_file
from .soft_targets import SoftTargets

FORMAT = 2
MANIFEST = "manifest.json"


class SoftDocument(NamedTuple):
    """A document of a soft corpus: id, words, whether a space follows each (if known), targets."""

    id: str
    words: List[str]
    spaces: Optional[List[bool]]
    targets: SoftTargets


@dataclass
class Shard:
    """A shard's entry in the manifest.

    file (str): The file name in the folder.
    documents, tokens (int): The numbers of documents and tokens.
    entities (int): The number of entities in the teacher's best tag sequences.
    misfits (int): The number of the teacher's entities that do not align with the tokens.
    sha256 (str): The checksum of the file.
    input_hash (str): The hash of the input documents.
    skipped (int): The number of documents that were skipped because the teacher failed on them.
    skipped_ids (List[str]): The ids of the skipped documents, in the order of the input.
    """

    file: str
    documents: int
    tokens: int
    entities: int
    misfits: int
    sha256: str
    input_hash: str
    skipped: int = 0
    skipped_ids: List[str] = field(default_factory=list)


@dataclass
class Manifest:
    """The origin and the shards of a soft corpus. It has no times and no machine names, so that
    annotating the same input again gives the same bytes.

    labels (List[str]): The teacher's labels, in the order of their tags.
    teacher (Dict[str, Any]): The name and content hash of each teacher.
    settings (Dict[str, Any]): The settings that affect the result.
    input (Dict[str, Any]): The source, and the hashes of its files.
    complete (bool): Whether the input was annotated up to its end or the limit.
    shards (List[Shard]): The shards, in the order of the input.
    """

    labels: List[str]
    teacher: Dict[str, Any]
    settings: Dict[str, Any]
    input: Dict[str, Any]
    complete: bool = False
    shards: List[Shard] = field(default_factory=list)
    format: int = FORMAT

    def to_disk(self, folder: Path) -> None:
        """Write the manifest atomically."""
        totals = {
            name: sum(getattr(shard, name) for shard in self.shards)
            for name in ("documents", "tokens", "entities", "misfits", "skipped")
        }
        text = json.dumps({**asdict(self), "totals": totals}, indent=1, sort_keys=True)
        unfinished = folder / f".{MANIFEST}-unfinished"
        unfinished.write_text(text + "\n", encoding="utf8")
        unfinished.replace(folder / MANIFEST)

    @classmethod
    def from_disk(cls, folder: Path) -> "Manifest":
        """Read the manifest of a folder.

        RAISES (ValueError): There is no manifest, or it has another format.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise ValueError(
                f"[D401] '{folder}' is not a soft corpus: it has no {MANIFEST}. Write one with "
                "`python -m spacy distill-annotate`, or correct the path."
            )
        try:
            data = json.loads(path.read_text(encoding="utf8"))
            if data["format"] != FORMAT:
                raise ValueError(
                    f"[D402] '{path}' has format {data['format']}, expected {FORMAT}. Annotate "
                    "again, or install the version of spacy-distill that made it."
                )
            data.pop("totals", None)
            data["shards"] = [Shard(**shard) for shard in data["shards"]]
            return cls(**data)
        except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(
                f"[D403] '{path}' is not the manifest of a soft corpus: {error!r}. Annotate again, "
                "or correct the path."
            ) from error


def is_soft_corpus(path: Path) -> bool:
    """RETURNS (bool): Whether a folder has a manifest."""
    return (path / MANIFEST).is_file()


def shard_name(number: int) -> str:
    """RETURNS (str): The file name of a shard."""
    return f"shard-{number:06d}.parquet"


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
    unfinished = path.with_name(f".{path.name}-unfinished")
    parquet.write_table(table, unfinished, compression="zstd")
    digest = file_hash(unfinished)
    unfinished.replace(path)
    return digest


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


def require_intact(path: Path, sha256: str) -> None:
    """Raise ValueError if a shard has another checksum."""
    if file_hash(path) != sha256:
        raise ValueError(
            f"[D406] The checksum of the shard '{path}' differs from the one in the manifest. "
            "Delete the shard and run the same `distill-annotate` command again."
        )


def file_hash(path: Path) -> str:
    """RETURNS (str): The SHA-256 checksum of a file."""
    digest = hashlib.sha256()
    update_with_file(digest, path)
    return digest.hexdigest()


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
