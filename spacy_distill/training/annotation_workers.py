"""Processes that annotate: each loads the teachers and writes whole shards."""

import hashlib
import json
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from spacy.util import get_package_version

from ..corpora.inputs import InputDocument
from ..corpora.soft_shards import Shard, file_hash, shard_name, write_shard
from ..loading import import_code
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource, load_teacher
from .annotator import Advance, Annotator, Skipped
from .checks import require_device

# A shard's entry in the manifest, and the documents that were left out of it.
Written = Tuple[Shard, List[Skipped]]
# Starts the work on a shard, from its number, its documents and their hash. The function that it
# returns waits until the shard is written.
Work = Callable[[int, List[InputDocument], str], Callable[[], Written]]

# Characters in a shard: about 90,000 English words, and 3 MB on disk.
SHARD_SIZE = 500_000
# Seconds between two updates of the progress bar.
INTERVAL = 0.2
LIBRARIES = ("spacy-distill", "spacy", "thinc", "torch", "transformers")


@dataclass(frozen=True)
class Annotation:
    """How a soft corpus is made: the arguments of `annotate`, apart from input and output."""

    sources: Tuple[TeacherSource, ...]
    options: TeacherOptions = DEFAULT_OPTIONS
    lang: Optional[str] = None
    top_k: int = 8
    batch_size: int = 64
    shard_size: int = SHARD_SIZE
    limit: int = 0
    augment: int = 0
    words: Tuple[str, ...] = ()
    code: Optional[Path] = None
    use_gpu: int = -1
    max_errors: int = 0

    def settings(self) -> Dict[str, Any]:
        """Collect the settings that a manifest keeps, as plain data."""
        data = {**asdict(replace(self, sources=(), words=(), code=None)), "gpu": self.use_gpu >= 0}
        data["code"] = None if self.code is None else file_hash(self.code)
        data["words"] = hashlib.sha256("\n".join(self.words).encode()).hexdigest()[:32]
        for name in ("sources", "use_gpu", "max_errors"):
            data.pop(name)
        data["versions"] = installed_versions()
        return json.loads(json.dumps(data))

    def writer(self, folder: Path, advance: Advance) -> "ShardWriter":
        """Load the teachers and create a writer of shards."""
        import_code(self.code)
        require_device(self.use_gpu)
        teacher = load_teacher(self.sources, self.options)
        annotator = Annotator(teacher, lang=self.lang, top_k=self.top_k, batch_size=self.batch_size)
        return ShardWriter(annotator, folder, self.max_errors, advance)


def installed_versions() -> Dict[str, str]:
    """Find the versions of the installed libraries that can change probabilities."""
    installed = ((name, get_package_version(name)) for name in LIBRARIES)
    return {name: version for name, version in installed if version is not None}


@dataclass(frozen=True)
class ShardWriter:
    """Annotates documents and writes them as a shard."""

    annotator: Annotator
    folder: Path
    max_errors: int
    advance: Advance

    def __call__(self, number: int, documents: List[InputDocument], input_hash: str) -> Written:
        """Annotate the documents of a shard and write it."""
        soft, entities, misfits, skipped = self.annotator.annotate(
            documents, self.advance, self.max_errors
        )
        name = shard_name(number)
        sha256 = write_shard(self.folder / name, soft)
        counts = len(soft), sum(len(document.words) for document in soft), entities, misfits
        ids = [document.id for document in skipped]
        return Shard(name, *counts, sha256, input_hash, len(ids), ids), skipped


class _Counts:
    """The numbers of documents and words that processes have annotated, in shared memory.

    Each process has its own slot. So no lock is needed, which a killed process would never release.
    """

    def __init__(self, context: Any, n_process: int) -> None:
        self._counts = context.RawArray("q", 2 * n_process)
        self._n_started = context.Value("i", 0)
        self._reported = (0, 0)

    def new_slot(self) -> Advance:
        """Give a slot to a new process, and return the function that counts in it."""
        with self._n_started.get_lock():
            slot = 2 * self._n_started.value
            self._n_started.value += 1

        def advance(n_documents: int, n_words: int) -> None:
            self._counts[slot] += n_documents
            self._counts[slot + 1] += n_words

        return advance

    def report(self, advance: Advance) -> None:
        """Call `advance` with the numbers since the last report."""
        counts = list(self._counts)
        now = sum(counts[::2]), sum(counts[1::2])
        advance(now[0] - self._reported[0], now[1] - self._reported[1])
        self._reported = now


# The state of a worker process: its "writer", or the "error" that stopped its start.
_process: Dict[str, Any] = {}


def _start_process(plan: Annotation, folder: Path, counts: _Counts) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        _process["writer"] = plan.writer(folder, counts.new_slot())
    except Exception as error:
        # An initializer's error would not reach the main process. `_labels_of_process` raises it.
        _process["error"] = error


def _end_with(parent: Any) -> None:
    """End this process when its parent ends, even if the parent is killed."""
    parent.join()
    os._exit(1)


def _labels_of_process() -> List[str]:
    if "error" in _process:
        raise _process["error"]
    return list(_process["writer"].annotator.teacher.labels)


def _write_in_process(number: int, documents: List[InputDocument], input_hash: str) -> Written:
    return _process["writer"](number, documents, input_hash)


@contextmanager
def workers(
    plan: Annotation, folder: Path, n_process: int, advance: Advance
) -> Iterator[Tuple[List[str], Work]]:
    """Start the processes that annotate.

    plan (Annotation): How the corpus is made.
    folder (Path): The output folder.
    n_process (int): Number of processes. With 1, this process annotates itself.
    advance (Advance): Called in this process, while it waits for a shard.
    YIELDS (Tuple[List[str], Work]): The teacher's labels, and a function that starts the work on a
        shard.
    """
    if n_process == 1:
        writer = plan.writer(folder, advance)
        yield list(writer.annotator.teacher.labels), lambda *shard: partial(writer, *shard)
        return
    # torch and BLAS may hang in a forked process.
    context = multiprocessing.get_context("spawn")
    counts = _Counts(context, n_process)
    with ProcessPoolExecutor(
        n_process, mp_context=context, initializer=_start_process, initargs=(plan, folder, counts)
    ) as executor:

        def work(
            number: int, documents: List[InputDocument], input_hash: str
        ) -> Callable[[], Written]:
            future = executor.submit(_write_in_process, number, documents, input_hash)

            def finish() -> Written:
                while not future.done():
                    wait([future], timeout=INTERVAL)
                    counts.report(advance)
                # The loop does not report a shard that was finished before its first check.
                counts.report(advance)
                return future.result()

            return finish

        try:
            labels = executor.submit(_labels_of_process).result()
            yield labels, work
        except BrokenProcessPool as error:
            raise ValueError(
                "[D425] A process ended, perhaps for lack of memory. Finished shards are kept. Run "
                "the same command again, with fewer processes (--n-process) or smaller batches "
                "(--batch-size)."
            ) from error
        except BaseException:
            executor.shutdown(wait=True, cancel_futures=True)
            raise
