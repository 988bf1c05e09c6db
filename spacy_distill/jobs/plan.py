"""What a job does with its shards. A plan is the same in every process, and can be pickled."""

from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Protocol,
    Sequence,
    Tuple,
)

from spacy.util import get_package_version

from ..corpora.inputs import InputDocument
from ..corpora.shard_manifest import ShardEntry, file_hash

# Characters in a shard: about 90,000 English words.
SHARD_SIZE = 500_000
# Libraries whose version can change the result.
LIBRARIES = ("spacy-distill", "spacy", "thinc", "torch", "transformers")

# Called with the numbers of documents and words that were read since the last call.
Advance = Callable[[int, int], None]


class Skipped(NamedTuple):
    """A document that was left out: its id, the pipeline that failed on it, and the reason."""

    id: str
    maker: str
    reason: str


# A shard's entry in the manifest, and the documents that were left out of it.
Written = Tuple[ShardEntry, List[Skipped]]

# Starts the work on a shard, from its number, its documents and their hash. The function that it
# returns waits until the shard is written.
Work = Callable[[int, List[InputDocument], str], Callable[[], Written]]

# Seconds between two updates of the progress bar.
INTERVAL = 0.2


class Workers(NamedTuple):
    """What an executor starts: workers that write shards.

    labels (List[str]): The labels of their writer.
    work (Work): Starts the work on a shard.
    n_workers (int): Their number.
    """

    labels: List[str]
    work: Work
    n_workers: int


class ShardWriter(Protocol):
    """Reads the documents of a shard and writes its file."""

    @property
    def labels(self) -> Sequence[str]:
        """The labels of entities."""

    @property
    def has_zones(self) -> bool:
        """Whether all its pipelines read in memory zones."""

    def __call__(self, number: int, documents: List[InputDocument], input_hash: str) -> Written:
        """Write the shard of a number from its documents, whose hash is kept in the manifest."""


class Plan(Protocol):
    """How shards are made. A shard depends on the plan and on its documents alone."""

    @property
    def shard_size(self) -> int:
        """The number of characters in a shard."""

    @property
    def batch_size(self) -> Optional[int]:
        """The number of documents in a batch; None for the pipeline's own."""

    @property
    def limit(self) -> int:
        """The maximum number of documents of the input; 0 for no limit."""

    @property
    def code(self) -> Optional[Path]:
        """The Python file that a worker imports."""

    @property
    def use_gpu(self) -> int:
        """The GPU of a worker; -1 for the CPU."""

    @property
    def max_errors(self) -> int:
        """The maximum number of documents that are left out because of errors."""

    @property
    def max_documents(self) -> int:
        """The maximum number of documents; 0 for no limit."""

    def identity(self) -> Dict[str, Any]:
        """Collect what has to be the same on all machines, by its name in errors."""

    def select(self, documents: Iterable[InputDocument]) -> Iterator[InputDocument]:
        """Choose the documents of the job from those of the input."""

    def writer(self, folder: Path, advance: Advance) -> ShardWriter:
        """Load what the shards are written with. Called at the start of each process, and again by
        `renewal.py`."""


def require_few_failures(maker: str, skipped: Sequence[Skipped], max_errors: int) -> None:
    """Raise ValueError if more documents of a shard were left out than are allowed.

    maker (str): What failed: "teacher" or "pipeline".
    skipped (Sequence[Skipped]): The documents, the last one at the end.
    max_errors (int): Their maximum number.
    """
    if len(skipped) > max_errors:
        last = skipped[-1]
        raise ValueError(
            f"[D427] The {maker} '{last.maker}' failed on the document '{last.id}': "
            f"{last.reason.rstrip('.')}. Failed documents: {len(skipped)}, allowed: {max_errors}. "
            f"Correct the {maker} or the document, or allow more failures with --max-errors."
        )


def code_hash(code: Optional[Path]) -> Optional[str]:
    """Hash the Python file that a worker imports; None if there is none."""
    return None if code is None else file_hash(code)


def installed_versions() -> Dict[str, str]:
    """Find the versions of the installed libraries that can change the result."""
    installed = ((name, get_package_version(name)) for name in LIBRARIES)
    return {name: version for name, version in installed if version is not None}
