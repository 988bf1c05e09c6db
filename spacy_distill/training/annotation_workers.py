"""Processes that annotate: each with the teachers in its memory, each writing whole shards."""

import hashlib
import json
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from spacy.util import get_package_version

from ..corpora.inputs import InputDocument
from ..corpora.soft_shards import Shard, file_hash, shard_name, write_shard
from ..loading import import_code
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource, load_teacher
from .annotator import Advance, Annotator, Skipped
from .devices import require_device

# A shard's entry in the manifest, and the documents that were left out of it.
Written = Tuple[Shard, List[Skipped]]
# (number of the shard, its documents, their hash) -> waits until it is written
Work = Callable[[int, List[InputDocument], str], Callable[[], Written]]

# Characters of text in a shard: about 90,000 English words, and 3 MB on disk.
SHARD_SIZE = 500_000
# How often, in seconds, processes are asked how far they are.
INTERVAL = 0.2
LIBRARIES = ("spacy-distill", "spacy", "thinc", "torch", "transformers")


@dataclass(frozen=True)
class Annotation:
    """How a soft corpus is made: all that changes it, but for the input.

    sources (Tuple[TeacherSource, ...]): The teachers, by name or folder, or pipelines.
    options (TeacherOptions): How they are read.
    lang (Optional[str]): Language of the tokenizer; the first teacher's own one if None.
    top_k (int): Tags kept a token.
    batch_size (int): Documents that the teacher reads at once.
    shard_size (int): Characters of text in a shard; a shard ends with the document that reaches it.
    limit (int): Documents to read at the most; 0 is no limit.
    augment (int): Variants of each document that are annotated too.
    words (Tuple[str, ...]): Words for the variants.
    code (Optional[Path]): A Python file that the teachers' pipelines need, imported first.
    use_gpu (int): GPU id, -1 for the CPU.
    max_errors (int): Documents that the teacher may fail on; it changes no document.
    """

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
        """RETURNS (Dict[str, Any]): What a manifest keeps of this, plain data."""
        data = {**asdict(replace(self, sources=(), words=(), code=None)), "gpu": self.use_gpu >= 0}
        data["code"] = None if self.code is None else file_hash(self.code)
        data["words"] = hashlib.sha256("\n".join(self.words).encode()).hexdigest()[:32]
        for name in ("sources", "use_gpu", "max_errors"):
            data.pop(name)
        data["versions"] = installed_versions()
        return json.loads(json.dumps(data))

    def annotator(self) -> Annotator:
        """RETURNS (Annotator): The teachers, loaded."""
        import_code(self.code)
        require_device(self.use_gpu)
        teacher = load_teacher(self.sources, self.options)
        return Annotator(teacher, lang=self.lang, top_k=self.top_k, batch_size=self.batch_size)


def installed_versions() -> Dict[str, str]:
    """RETURNS (Dict[str, str]): The libraries that make the numbers, as far as there are any."""
    installed = ((name, get_package_version(name)) for name in LIBRARIES)
    return {name: version for name, version in installed if version is not None}


def write_annotated(
    annotator: Annotator,
    folder: Path,
    number: int,
    documents: List[InputDocument],
    input_hash: str,
    advance: Optional[Advance] = None,
    max_errors: int = 0,
) -> Written:
    """Annotate documents and write them as a shard.

    RETURNS (Written): Its entry in the manifest, and what was left out.
    """
    soft, entities, misfits, skipped = annotator.annotate(documents, advance, max_errors)
    sha256 = write_shard(folder / shard_name(number), soft)
    tokens = sum(len(document.words) for document in soft)
    ids = [document.id for document in skipped]
    counts = len(soft), tokens, entities, misfits
    shard = Shard(shard_name(number), *counts, sha256, input_hash, len(ids), ids)
    return shard, skipped


class _Counts:
    """How many documents and words processes have annotated. Each writes to a place of its own, so
    there is no lock that one which is killed could keep."""

    def __init__(self, context: Any, n_process: int) -> None:
        self._counts = context.RawArray("q", 2 * n_process)
        self._n_started = context.Value("i", 0)
        self._told = (0, 0)

    def place(self) -> Advance:
        """RETURNS (Advance): For a process that has just been started."""
        with self._n_started.get_lock():
            place = 2 * self._n_started.value
            self._n_started.value += 1

        def advance(documents: int, words: int) -> None:
            self._counts[place] += documents
            self._counts[place + 1] += words

        return advance

    def tell(self, advance: Advance) -> None:
        """Tell what was annotated since this was asked last."""
        counts = list(self._counts)
        now = sum(counts[::2]), sum(counts[1::2])
        advance(now[0] - self._told[0], now[1] - self._told[1])
        self._told = now


_process_state: Dict[str, Any] = {}


def _start_process(plan: Annotation, folder: Path, counts: _Counts) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _process_state["folder"] = folder
    _process_state["max_errors"] = plan.max_errors
    _process_state["advance"] = counts.place()
    try:
        _process_state["annotator"] = plan.annotator()
    except Exception as error:
        # Raised here, it would not reach anyone.
        _process_state["error"] = error


def _end_with(parent: Any) -> None:
    """End this process when its parent ends: one that was killed cannot tell its children."""
    parent.join()
    os._exit(1)


def _labels_of_process() -> List[str]:
    if "error" in _process_state:
        raise _process_state["error"]
    return list(_process_state["annotator"].teacher.labels)


def _run_in_process(number: int, documents: List[InputDocument], input_hash: str) -> Written:
    annotator, folder = _process_state["annotator"], _process_state["folder"]
    advance, max_errors = _process_state["advance"], _process_state["max_errors"]
    return write_annotated(annotator, folder, number, documents, input_hash, advance, max_errors)


@contextmanager
def workers(
    plan: Annotation, folder: Path, n_process: int, advance: Advance
) -> Iterator[Tuple[List[str], Work]]:
    """Give the teacher's labels and a function that starts the work on a shard.

    plan (Annotation): How the corpus is made.
    folder (Path): Where it is written.
    n_process (int): How many processes work; one is this one.
    advance (Advance): Called in this process, while a shard is waited for.
    YIELDS (Tuple[List[str], Work]): The labels, and the function.
    """
    if n_process == 1:
        annotator = plan.annotator()

        def work_here(
            number: int, documents: List[InputDocument], input_hash: str
        ) -> Callable[[], Written]:
            return lambda: write_annotated(
                annotator, folder, number, documents, input_hash, advance, plan.max_errors
            )

        yield list(annotator.teacher.labels), work_here
        return
    # torch and BLAS do not survive a fork.
    context = multiprocessing.get_context("spawn")
    counts = _Counts(context, n_process)
    with ProcessPoolExecutor(
        n_process, mp_context=context, initializer=_start_process, initargs=(plan, folder, counts)
    ) as executor:

        def work(
            number: int, documents: List[InputDocument], input_hash: str
        ) -> Callable[[], Written]:
            future = executor.submit(_run_in_process, number, documents, input_hash)

            def finish() -> Written:
                while not future.done():
                    wait([future], timeout=INTERVAL)
                    counts.tell(advance)
                # Once more: it may have been done before the first look.
                counts.tell(advance)
                return future.result()

            return finish

        try:
            labels = executor.submit(_labels_of_process).result()
            yield labels, work
        except BrokenProcessPool as error:
            raise ValueError(
                "[D425] A process ended, perhaps for lack of memory; what was finished is kept. "
                "Run the same command again, with fewer processes (--n-process) or smaller batches."
            ) from error
        except BaseException:
            executor.shutdown(wait=True, cancel_futures=True)
            raise
