"""Run a job: make the shards that are missing, in the order of the input.

A shard is a function of the plan and of its documents. So what runs the list of shards, and how
often the job was stopped, changes no byte of the result.
"""

import hashlib
import json
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import (
    IO,
    Any,
    Callable,
    Deque,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from wasabi import Printer

from ..checks import require_python_file, require_range
from ..corpora.inputs import Input, InputDocument
from ..corpora.shard_manifest import AnyManifest, ShardEntry, ShardManifest
from ..limits import MOST_SHARDS
from ..paths import is_local, to_path
from ..saving import in_place, lock
from .executors import Executor
from .folder import (
    earlier_manifest,
    mismatch_error,
    missing_shards,
    remove_shards,
    remove_unfinished,
    require_outside,
)
from .plan import Plan, Work, Written
from .progress import JobProgress

# The pause between two writings of the manifest, in times of what a writing takes. It is written as
# a whole, so a job of many shards would otherwise do little else.
PAUSE = 20
# The number of shards from which the number of all is estimated.
FIRST_SHARDS = 1000


def require_valid(plan: Plan) -> None:
    """Raise ValueError if a number of the plan is out of its range, or its code is no file."""
    if plan.batch_size is not None:
        require_range("batch_size", plan.batch_size, 1)
    require_range("shard_size", plan.shard_size, 1)
    require_range("limit", plan.limit, 0)
    require_range("max_errors", plan.max_errors, 0)
    require_python_file(plan.code)


def run_job(
    plan: Plan,
    make_manifest: Callable[[Dict[str, Any]], AnyManifest],
    source: Union[str, Path],
    output: Union[str, Path],
    *,
    title: str,
    executor: Executor,
    text_field: str,
    split: str,
    quoting: Optional[str],
    keep: Sequence[str] = (),
    overwrite: bool,
    stderr: IO,
) -> AnyManifest:
    """Write the shards of an input to a folder, or those that are missing there.

    plan (Plan): How shards are made.
    make_manifest (Callable[[Dict[str, Any]], AnyManifest]): Creates the manifest of the job,
        without labels and shards, from the origin of the input.
    source (Union[str, Path]): The input, as `Input` takes it.
    output (Union[str, Path]): The output folder.
    title (str): The name of the job in the progress bar.
    executor (Executor): Starts the workers. The result does not depend on it.
    text_field, split, quoting, keep: How the input is read, as `Input` takes it.
    overwrite (bool): Whether to replace an earlier result in the folder.
    stderr (IO): Stream for progress and warnings.
    RETURNS (AnyManifest): The manifest with all shards.
    RAISES (ValueError): An input cannot be read, or the folder has a result of another input or
        setting. Or more documents failed than `plan.max_errors`, or all.
    """
    require_valid(plan)
    folder = to_path(output)
    documents = Input(source, text_field=text_field, split=split, quoting=quoting, keep=keep)
    require_outside(folder, documents.source)
    manifest = make_manifest(documents.origin())
    earlier = earlier_manifest(folder, manifest, overwrite)
    if earlier is not None:
        manifest = earlier
        documents = documents.as_in(manifest.input["files"])
    _require_few_skipped(manifest, manifest.total("skipped"), plan.max_errors)
    groups = grouped(plan.select(documents), plan.shard_size)
    progress = JobProgress(documents, plan.max_documents)
    if manifest.complete and not missing_shards(folder, manifest.shards):
        if not documents.is_pinned:
            with progress.shown("Compare", stderr):
                for _, group, _, _ in _with_earlier_shards(folder, manifest, groups):
                    progress.skip(group)
        return manifest
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder), executor(plan, folder, progress.advance) as workers:
        manifest.labels = workers.labels
        remove_unfinished(folder, manifest)
        if earlier is None:
            # Only now that the pipeline is loaded: removed shards cannot be restored.
            remove_shards(folder, manifest)
            manifest.to_disk(folder)
        with progress.shown(title, stderr):
            # More shards are pending than there are workers, so none waits for the slowest one.
            n_pending = 2 * workers.n_workers if workers.n_workers > 1 else 1
            n_shards = _make_missing(
                folder,
                manifest,
                groups,
                workers.work,
                plan.max_errors,
                n_pending,
                progress,
                stderr,
            )
        remove_unfinished(folder, manifest)
    if not n_shards:
        raise ValueError(
            f"[D420] The input '{source}' has no text: found blank documents or none. Correct the "
            "path."
        )
    if not manifest.total("documents"):
        raise ValueError(
            f"[D432] The {manifest.MAKER} failed on all documents of the input '{source}': found "
            f"{manifest.total('skipped')}. Each is named above, with the reason. Correct the "
            f"{manifest.MAKER} or the input, and replace the {manifest.KIND} with --force."
        )
    if not manifest.complete:
        manifest.complete = True
        manifest.to_disk(folder)
    return manifest


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs out of the output folder, and notice if it is renamed.

    Object stores have no lock that a killed run releases. There, two runs of the same command write
    the same objects.
    """
    if not is_local(folder):
        yield
        return
    with lock(folder), in_place(folder):
        yield


class _GrowingManifest:
    """The manifest of a running job, whose file is written from time to time and at the end."""

    def __init__(self, manifest: ShardManifest, folder: Path) -> None:
        """manifest (ShardManifest): The manifest, to which shards are added. folder (Path): The
        output folder."""
        self._manifest = manifest
        self._folder = folder
        self._is_saved = True
        self._next_time = 0.0
        # Counted here, since the sum over many shards takes long.
        self.n_skipped = manifest.total("skipped")

    def add(self, number: int, shard: ShardEntry) -> None:
        """Put the entry of a shard into its place."""
        shards = self._manifest.shards
        replaced = shards[number : number + 1]
        self.n_skipped += shard.skipped - sum(earlier.skipped for earlier in replaced)
        shards[number : number + 1] = [shard]
        self._manifest.complete = self._is_saved = False
        # The file of an earlier run would have the checksum of the shard that is gone.
        is_another = any(earlier.sha256 != shard.sha256 for earlier in replaced)
        if is_another or perf_counter() >= self._next_time:
            self.save()

    def save(self) -> None:
        """Write the file if it lacks a shard."""
        if not self._is_saved:
            self._is_saved = True  # if it fails, it is not tried again
            start = perf_counter()
            self._manifest.to_disk(self._folder)
            end = perf_counter()
            self._next_time = end + PAUSE * (end - start)


def _make_missing(
    folder: Path,
    manifest: ShardManifest,
    groups: Iterable[List[InputDocument]],
    work: Work,
    max_errors: int,
    n_pending: int,
    progress: JobProgress,
    stderr: IO,
) -> int:
    """Make the missing shards in order, and return the number of all shards."""
    pending: Deque[Tuple[int, Callable[[], Written]]] = deque()
    # A copy, since `finish_first` adds shards to the manifest.
    earlier = replace(manifest, shards=list(manifest.shards))
    growing = _GrowingManifest(manifest, folder)

    def finish_first() -> None:
        number, finish = pending.popleft()
        shard, skipped = finish()
        growing.add(number, shard)
        _require_few_skipped(manifest, growing.n_skipped, max_errors)
        for document in skipped:
            title = (
                f"[D430] The document '{document.id}' is left out: the {manifest.MAKER} failed on "
                "it"
            )
            text = Printer(no_print=True).warn(title, f"{document.maker}: {document.reason}")
            stderr.write(text + "\n")

    n_shards = 0
    try:
        for number, group, input_hash, shard in _with_earlier_shards(folder, earlier, groups):
            n_shards += 1
            if n_shards == FIRST_SHARDS and (expected := progress.estimate(n_shards)) > MOST_SHARDS:
                raise manifest.too_many_shards_error(folder, expected)
            if shard is not None and not missing_shards(folder, [shard]):
                progress.skip(group)
                continue
            progress.expect(group)
            pending.append((number, work(number, group, input_hash)))
            if len(pending) >= n_pending:
                finish_first()
        while pending:
            finish_first()
    except BaseException:
        # Finished shards are kept. (A killed run makes those again that the file does not have.)
        with suppress(OSError, ValueError):  # the first error is the one to tell
            growing.save()
        raise
    growing.save()
    return n_shards


def _with_earlier_shards(
    folder: Path, manifest: ShardManifest, groups: Iterable[List[InputDocument]]
) -> Iterator[Tuple[int, List[InputDocument], str, Optional[ShardEntry]]]:
    """Yield the number, documents and hash of each group, and the shard that an earlier run made of
    it. Raise ValueError if that shard was made of other documents."""
    number = -1
    for number, group in enumerate(groups):
        input_hash = hash_of(group)
        shard = manifest.shards[number] if number < len(manifest.shards) else None
        if shard is None and manifest.complete:
            raise mismatch_error(folder, manifest, "the input, which is longer now")
        if shard is not None and shard.input_hash != input_hash:
            raise mismatch_error(folder, manifest, f"the input of {shard.file}")
        yield number, group, input_hash, shard
    if number + 1 < len(manifest.shards):
        raise mismatch_error(folder, manifest, "the input, which is shorter now")


def _require_few_skipped(manifest: ShardManifest, n_skipped: int, max_errors: int) -> None:
    if n_skipped > max_errors:
        last = [name for shard in manifest.shards for name in shard.skipped_ids][-1]
        raise ValueError(
            f"[D431] The {manifest.MAKER} failed on {n_skipped} documents, and {max_errors} are "
            f"allowed; the last is '{last}'. Correct the {manifest.MAKER} or the documents and "
            f"replace the {manifest.KIND} with --force, or allow more failures with --max-errors."
        )


def hash_of(group: Sequence[InputDocument]) -> str:
    """RETURNS (str): The hash of a shard's documents."""
    digest = hashlib.blake2b(digest_size=16)
    for document in group:
        # Kept columns come last, so that a document without them has the same hash as ever.
        digest.update(json.dumps([*document[:-1], *document.kept]).encode())
    return digest.hexdigest()


def grouped(documents: Iterable[InputDocument], shard_size: int) -> Iterator[List[InputDocument]]:
    """Group documents into shards, by their characters alone."""
    group: List[InputDocument] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document.text)
        if size >= shard_size:
            yield group
            group, size = [], 0
    if group:
        yield group
