"""Find, open and decompress the files of an input."""

import bz2
import glob
import gzip
import io
import lzma
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, Tuple

from ..loading import import_library
from ..paths import is_local, is_url, to_path, without_file_scheme

FORMATS = (".spacy", ".jsonl", ".txt", ".csv", ".tsv", ".parquet")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
SUPPORTED = f"Supported are {', '.join(FORMATS)}, each also with {', '.join(COMPRESSIONS)}"


class InputError(ValueError):
    """An error for an input that cannot be read."""


def format_of(path: Path) -> Optional[str]:
    """RETURNS (Optional[str]): The format by the file's name, one of FORMATS, or None."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in FORMATS else None


def compression_of(path: Path) -> Optional[str]:
    """RETURNS (Optional[str]): The compression by the file's name, or None."""
    suffix = path.suffix.lower()
    return suffix if suffix in COMPRESSIONS else None


def find_files(source: str) -> Dict[str, Path]:
    """Find the files of a source that can be read.

    source (str): A file, a folder, or a glob of files and folders; also as a URL, as `to_path`
        takes it. Hidden files in folders and files of other formats are skipped.
    RETURNS (Dict[str, Path]): Sorted paths by their names, which are relative to the folder or to
        the part of the glob without wildcards. Empty if the source does not exist.
    RAISES (InputError): The source exists, but none of its files can be read.
    """
    path = to_path(source)
    if source and path.is_dir():
        root, found = path, [path]
    elif source and path.exists():
        root, found = path.parent, [path]
    elif glob.has_magic(source):
        start, pattern = before_wildcards(source)
        root = to_path(start)
        if is_local(root):
            # The glob of `pathlib` would not follow links to folders.
            found = [Path(name) for name in local_glob(source)]
        else:
            found = list(root.glob(pattern))
    else:
        return {}
    paths = {file for item in found for file in (_visible_files(item) if item.is_dir() else [item])}
    files: List[Tuple[str, Path]] = [
        (file.relative_to(root).as_posix(), file) for file in paths if format_of(file) is not None
    ]
    if not files:
        has_json = any(".json" in map(str.lower, file.suffixes) for file in paths)
        json_hint = " Write lists in JSON as lines: jq -c '.[]' FILE.json > FILE.jsonl."
        json_hint = json_hint if has_json else ""
        others = f"{len(paths)} in other formats" if paths else "none"
        raise InputError(
            f"[D302] The input '{source}' has no file that can be read: found {others}. "
            f"{SUPPORTED}. Correct the path, or rename or convert the files.{json_hint}"
        )
    return dict(sorted(files))


def local_glob(source: str) -> List[str]:
    """RETURNS (List[str]): The local files and folders of a glob, which may be a URL."""
    return glob.glob(without_file_scheme(source), recursive=True)


def before_wildcards(source: str) -> Tuple[str, str]:
    """RETURNS (Tuple[str, str]): The part of a glob before the first wildcard, and the rest, with
    slashes. The folders of a local glob may be separated as on this platform."""
    source = without_file_scheme(source)
    names = source.split("/") if is_url(source) else PurePath(source).parts
    first = next(i for i, name in enumerate(names) if glob.has_magic(name))
    start = "/".join(names[:first]) if is_url(source) else str(PurePath(*names[:first]))
    return start, "/".join(names[first:])


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(name.startswith(".") for name in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            yield path


class ReadingProgress:
    """The progress of reading files one after another, in bytes on disk."""

    def __init__(self, size: int) -> None:
        """size (int): The total number of bytes of all files."""
        self.size = size
        self._finished = 0
        self.position: Callable[[], float] = float
        """Returns the number of bytes read from the current file."""

    @property
    def share(self) -> float:
        """The share of all bytes that has been read, from 0 to 1."""
        return min((self._finished + self.position()) / self.size, 1.0) if self.size else 1.0

    def finish(self, size: int) -> None:
        """Count the current file of `size` bytes as read."""
        self._finished += size
        self.position = float


@contextmanager
def open_decompressed(path: Path, progress: Optional[ReadingProgress] = None) -> Iterator[BinaryIO]:
    """Open a file and decompress it while it is read.

    path (Path): The file.
    progress (Optional[ReadingProgress]): Updated while the file is read.
    YIELDS (BinaryIO): The decompressed file.
    RAISES (ImportError): pyarrow, which reads `.zst`, is missing.
    """
    size = path.stat().st_size
    with path.open("rb") as compressed:
        if progress is not None:
            # A library may close the file early.
            progress.position = lambda: size if compressed.closed else compressed.tell()
        with _decompress(compressed, compression_of(path)) as file:
            yield file


def _decompress(compressed: BinaryIO, compression: Optional[str]) -> Any:
    if compression == ".zst":
        stream = import_library("pyarrow", "tag").CompressedInputStream(compressed, "zstd")
        return io.BufferedReader(stream)
    openers: Dict[Optional[str], Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return openers[compression](compressed, "rb") if compression else compressed
