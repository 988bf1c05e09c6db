"""A folder of shards: the entries of its manifest, and how both are written."""

import hashlib
import json
import re
import secrets
import tempfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, List, Tuple, Type, TypeVar

from ..limits import LARGEST_MANIFEST, require_file_size
from ..paths import is_local
from ..saving import replaced_file
from .hashes import update_with_file

SHARD_NAME = re.compile(r"shard-\d{6,18}\.[a-z]+")
JSON_ERRORS = (json.JSONDecodeError, UnicodeDecodeError)
AnyManifest = TypeVar("AnyManifest", bound="ShardManifest")


@dataclass(kw_only=True)
class ShardEntry:
    """A shard's entry in the manifest.

    file (str): The file name in the folder.
    documents, tokens (int): The numbers of documents and tokens.
    entities (int): The number of entities.
    sha256 (str): The checksum of the file.
    input_hash (str): The hash of the input documents.
    skipped (int): The number of documents that were skipped because of an error.
    skipped_ids (List[str]): The ids of the skipped documents, in the order of the input.
    """

    file: str
    documents: int
    tokens: int
    entities: int
    sha256: str
    input_hash: str
    skipped: int = 0
    skipped_ids: List[str] = field(default_factory=list)


@dataclass(kw_only=True)
class ShardManifest:
    """The origin and the shards of a folder. It has no times and no machine names, so that the same
    command on the same input gives the same bytes.

    labels (List[str]): The labels of entities.
    settings (Dict[str, Any]): The settings that affect the result.
    input (Dict[str, Any]): The source, and the hashes of its files.
    complete (bool): Whether the input was read up to its end or the limit.
    shards (List[Any]): The entries of the shards, in the order of the input.
    """

    labels: List[str]
    settings: Dict[str, Any]
    input: Dict[str, Any]
    complete: bool = False
    shards: List[Any] = field(default_factory=list)

    # The file name of the manifest.
    FILE: ClassVar[str]
    # The version of the format.
    FORMAT: ClassVar[int]
    # Possible extensions of shards.
    EXTENSIONS: ClassVar[Tuple[str, ...]]
    ENTRY: ClassVar[Type[ShardEntry]] = ShardEntry
    TOTALS: ClassVar[Tuple[str, ...]] = ("documents", "tokens", "entities", "skipped")
    # For messages: what the folder is, what made it, and the command that makes it.
    KIND: ClassVar[str]
    MAKER: ClassVar[str]
    COMMAND: ClassVar[str]

    def total(self, name: str) -> int:
        """RETURNS (int): The sum of a number over all shards."""
        return sum(getattr(shard, name) for shard in self.shards)

    def identity(self) -> Dict[str, Any]:
        """List what must not change between runs, by its name in errors."""
        files = dict(self.input["files"])
        if "dataset" in files:
            # A data set on the hub: the run continues with the commit that it began with, since the
            # latest one is unknown without network.
            files.pop("revision", None)
        return {
            **{
                f"the setting {name}": value
                for name, value in self.settings.items()
                if name != "versions"
            },
            "the column of the text": self.input["text_field"],
            "the quoting of tables": self.input.get("quoting"),
            "the input": files or self.input["source"],
        }

    def to_disk(self, folder: Path) -> None:
        """Write the manifest atomically. Raise ValueError if it is larger than `from_disk`
        reads."""
        totals = {name: self.total(name) for name in self.TOTALS}
        data = {**asdict(self), "format": self.FORMAT, "totals": totals}
        text = json.dumps(data, indent=1, sort_keys=True) + "\n"
        if len(text) > LARGEST_MANIFEST:
            raise self.too_many_shards_error(folder, len(self.shards))
        if not is_local(folder):
            # An object is there with all of its bytes, or not at all.
            (folder / self.FILE).write_bytes(text.encode())
            return
        with replaced_file(folder / self.FILE) as unfinished:
            unfinished.write_bytes(text.encode())

    def too_many_shards_error(self, folder: Path, number: int) -> ValueError:
        """RETURNS (ValueError): The error for more shards than a manifest can list."""
        return ValueError(
            f"[D407] The {self.KIND} '{folder}' would have too many shards: {number:,}. Begin anew "
            "with larger ones (--shard-size), in another folder or with --force."
        )

    def problem(self) -> str:
        """Check what was read from a file. A shard has to be a file that the package writes, so no
        path leads out of the folder.

        RETURNS (str): What is wrong; empty if nothing is.
        """
        kinds: Dict[str, type] = {"labels": list, "settings": dict, "input": dict, "complete": bool}
        for name, expected in kinds.items():
            if not isinstance(getattr(self, name), expected):
                return f"{name} is no {expected.__name__}"
        origin: Dict[str, type] = {"source": str, "files": dict, "text_field": str}
        for name, expected in origin.items():
            if not isinstance(self.input.get(name), expected):
                return f"input has no {name}"
        if not all(isinstance(label, str) for label in self.labels):
            return "a label is no string"
        for shard in self.shards:
            for entry in fields(shard):
                value: Any = getattr(shard, entry.name)
                # The annotations are classes, apart from the lists.
                kind: Any = list if entry.name == "skipped_ids" else entry.type
                if type(value) is not kind or (kind is int and not 0 <= value < 2**53):
                    return f"{entry.name} of a shard is {value!r:.50}"
            if shard.skipped != len(shard.skipped_ids):
                return f"skipped of '{shard.file:.50}' is not the number of its skipped_ids"
            is_shard = SHARD_NAME.fullmatch(shard.file)
            if not is_shard or Path(shard.file).suffix not in self.EXTENSIONS:
                return f"'{shard.file:.50}' is not the name of a shard"
        return ""

    @classmethod
    def is_in(cls, folder: Path) -> bool:
        """RETURNS (bool): Whether a folder has a manifest of this kind."""
        return (folder / cls.FILE).is_file()

    @classmethod
    def from_disk(cls: Type[AnyManifest], folder: Path) -> AnyManifest:
        """Read the manifest of a folder.

        RAISES (ValueError): There is no manifest, or it has another format.
        """
        path = folder / cls.FILE
        if not path.is_file():
            raise ValueError(
                f"[D401] '{folder}' is not a {cls.KIND}: it has no {cls.FILE}. Write one with "
                f"`python -m spacy {cls.COMMAND}`, or correct the path."
            )
        require_file_size(path, LARGEST_MANIFEST)
        try:
            data = json.loads(path.read_text(encoding="utf8"))
            found = data.pop("format")
            if found != cls.FORMAT:
                raise ValueError(
                    f"[D402] '{path}' has format {found}, expected {cls.FORMAT}. Run "
                    f"`{cls.COMMAND}` again, or install the version of spacy-distill that made it."
                )
            data.pop("totals", None)
            shards = data.pop("shards")
            is_list = isinstance(shards, list)
            manifest = cls(**data, shards=[cls.ENTRY(**shard) for shard in shards])
            problem = manifest.problem() if is_list else "shards is no list"
        except (KeyError, TypeError, AttributeError, RecursionError, *JSON_ERRORS) as error:
            raise cls._damage(path, repr(error)) from error
        if problem:
            raise cls._damage(path, problem)
        return manifest

    @classmethod
    def _damage(cls, path: Path, problem: str) -> ValueError:
        return ValueError(
            f"[D403] '{path}' is not the manifest of a {cls.KIND}: {problem}. Run "
            f"`{cls.COMMAND}` again, or correct the path."
        )


def is_origin(value: Any) -> bool:
    """RETURNS (bool): Whether a value identifies a pipeline by its name, version and hash."""
    names = ("name", "version", "hash")
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in names)


def shard_name(number: int, extension: str = ".parquet") -> str:
    """RETURNS (str): The file name of a shard."""
    return f"shard-{number:06d}{extension}"


def write_atomically(path: Path, write: Callable[[Path], object]) -> str:
    """Write a shard under another name, and rename it when it is complete. On another file system
    than the local one, upload it as a whole.

    path (Path): The file.
    write (Callable[[Path], object]): Writes the content to a path.
    RETURNS (str): The SHA-256 checksum of the file.
    """
    if not is_local(path):
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / path.name
            write(local)
            path.fs.put_file(str(local), path.path)  # type: ignore[attr-defined]
            return file_hash(local)
    # The process of an earlier run may still be writing the same shard.
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}-unfinished")
    write(unfinished)
    digest = file_hash(unfinished)
    unfinished.replace(path)
    return digest


def require_intact(path: Path, sha256: str) -> None:
    """Raise ValueError if a shard has another checksum."""
    if file_hash(path) != sha256:
        raise ValueError(
            f"[D406] The checksum of the shard '{path}' differs from the one in the manifest. "
            "Delete the shard and run the same command again to write it."
        )


def file_hash(path: Path) -> str:
    """RETURNS (str): The SHA-256 checksum of a file."""
    digest = hashlib.sha256()
    update_with_file(digest, path)
    return digest.hexdigest()
