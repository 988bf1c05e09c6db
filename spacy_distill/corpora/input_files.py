"""The files that an input names, and their bytes."""

import bz2
import glob
import gzip
import io
import lzma
import shlex
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

FORMATS = (".spacy", ".jsonl", ".txt", ".csv", ".tsv", ".parquet")
JSON = ".json"
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
UNPACKERS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
SUPPORTED = f"Supported are {', '.join(FORMATS)}, each also with {', '.join(COMPRESSIONS)}"


class InputError(ValueError):
    """Says what of an input is wrong, where, and what to do."""


def not_installed(library: str) -> ImportError:
    """RETURNS (ImportError): Says how to install a library of the train extra."""
    return ImportError(
        f"[D305] This input needs the library {library}. Install it with "
        '`pip install "spacy-distill[train]"`.'
    )


def format_of(path: Path) -> Optional[str]:
    """RETURNS (Optional[str]): The one of FORMATS that the file's name promises, if any."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in FORMATS else None


def compression_of(path: Path) -> Optional[str]:
    """RETURNS (Optional[str]): The one of COMPRESSIONS that the file's name promises, if any."""
    suffix = path.suffix.lower()
    return suffix if suffix in COMPRESSIONS else None


def find_files(source: str) -> Dict[str, Path]:
    """Find the files that can be read.

    source (str): A file, a folder or a glob of files and folders. Hidden files in folders and those
        of other formats are left out.
    RETURNS (Dict[str, Path]): Paths, by their names relative to the folder or to the fixed part of
        the glob, sorted; none where nothing has this name.
    RAISES (InputError): There is something, and none of it can be read.
    """
    path = Path(source)
    if source and path.is_dir():
        root, found = path, [path]
    elif source and path.exists():
        root, found = path.parent, [path]
    elif glob.has_magic(source):
        names = path.parts
        first = next(i for i, name in enumerate(names) if glob.has_magic(name))
        root, found = Path(*names[:first]), list(map(Path, glob.glob(source, recursive=True)))
    else:
        return {}
    paths = {file for item in found for file in (_below(item) if item.is_dir() else [item])}
    files: List[Tuple[str, Path]] = [
        (file.relative_to(root).as_posix(), file) for file in paths if format_of(file) is not None
    ]
    if not files:
        raise InputError(
            f"[D302] The input '{source}' has no file that can be read: found {len(paths)} of "
            f"other formats. {SUPPORTED}. Correct the path, or rename or convert the files."
            f"{_json_hint(paths)}"
        )
    return dict(sorted(files))


def _json_hint(paths: Iterable[Path]) -> str:
    """RETURNS (str): How JSON becomes lines, if there is some."""
    path = next((path for path in sorted(paths) if JSON in map(str.lower, path.suffixes)), None)
    if path is None:
        return ""
    name, unpacker = shlex.quote(str(path)), UNPACKERS.get(compression_of(path) or "")
    command = f"{unpacker} -dc {name} | jq -c '.[]'" if unpacker else f"jq -c '.[]' {name}"
    return (
        f" Write a document in each line of a .jsonl file. If '{path.name}' is one list, use "
        f"{command} for it; if it has a document in each line, rename it."
    )


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(name.startswith(".") for name in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            yield path


class Reading:
    """How far files are read, one after another, in bytes as they lie on disk."""

    def __init__(self, size: int) -> None:
        """Begin.

        size (int): Bytes of all files.
        """
        self.size = size
        self._finished = 0
        self._position: Callable[[], float] = float

    @property
    def share(self) -> float:
        """The share that was read, from 0 to 1."""
        read = self._finished + self._position()
        return min(read / self.size, 1.0) if self.size else 1.0

    def follow(self, position: Callable[[], float]) -> None:
        """Take how far the present file is read from a function that returns bytes."""
        self._position = position

    def finish(self, size: int) -> None:
        """Finish the present file, which has so many bytes."""
        self._finished += size
        self._position = float


@contextmanager
def open_unpacked(path: Path, reading: Optional[Reading] = None) -> Iterator[BinaryIO]:
    """Open a file and unpack it while it is read.

    path (Path): The file.
    reading (Optional[Reading]): Follows how far it is read.
    YIELDS (BinaryIO): Its bytes.
    RAISES (ImportError): A library of the train extra is missing.
    """
    size = path.stat().st_size
    with path.open("rb") as packed:
        if reading is not None:
            # Those who read on may close it before they are through.
            reading.follow(lambda: size if packed.closed else packed.tell())
        with _unpacking(packed, compression_of(path)) as file:
            yield file


def _unpacking(packed: BinaryIO, compression: Optional[str]) -> Any:
    if compression == ".zst":
        try:
            import pyarrow
        except ImportError as error:
            raise not_installed("pyarrow") from error
        return io.BufferedReader(pyarrow.CompressedInputStream(packed, "zstd"))
    openers: Dict[Optional[str], Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return openers[compression](packed, "rb") if compression else packed


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give a file's content as a file: the file itself, or a temporary one if it is compressed."""
    if compression_of(path) is None:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        with open_unpacked(path) as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
        yield plain
