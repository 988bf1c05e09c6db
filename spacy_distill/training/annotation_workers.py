"""Processes that annotate: each with the teachers in its memory, each writing whole shards."""

import hashlib
import json
import multiprocessing
import os
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from spacy.util import get_package_version, import_file

from ..corpora.inputs import InputDocument
from ..corpora.soft_shards import Shard, file_hash, shard_name, write_shard
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource, load_teacher
from .annotator import Annotator
from .devices import require_device

# (number of the shard, its documents, their hash) -> the shard's entry in the manifest
Work = Callable[[int, List[InputDocument], str], "Future[Shard]"]

# Characters of text in a shard: about 90,000 English words, and 3 MB on disk.
SHARD_SIZE = 500_000
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

    def settings(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What a manifest keeps of this, plain data."""
        data = {**asdict(replace(self, sources=(), words=(), code=None)), "gpu": self.use_gpu >= 0}
        data["code"] = None if self.code is None else file_hash(self.code)
        data["words"] = hashlib.sha256("\n".join(self.words).encode()).hexdigest()[:32]
        for name in ("sources", "use_gpu"):
            data.pop(name)
        data["versions"] = installed_versions()
        return json.loads(json.dumps(data))

    def annotator(self) -> Annotator:
        """RETURNS (Annotator): The teachers, loaded."""
        if self.code is not None:
            import_file("python_code", self.code)
        require_device(self.use_gpu)
        teacher = load_teacher(self.sources, self.options)
        return Annotator(teacher, lang=self.lang, top_k=self.top_k, batch_size=self.batch_size)


def installed_versions() -> Dict[str, str]:
    """RETURNS (Dict[str, str]): The libraries that make the numbers, as far as there are any."""
    installed = ((name, get_package_version(name)) for name in LIBRARIES)
    return {name: version for name, version in installed if version is not None}


def write_annotated(
    annotator: Annotator, folder: Path, number: int, documents: List[InputDocument], input_hash: str
) -> Shard:
    """Annotate documents and write them as a shard.

    RETURNS (Shard): Its entry in the manifest.
    """
    soft, entities, misfits = annotator.annotate(documents)
    sha256 = write_shard(folder / shard_name(number), soft)
    tokens = sum(len(document.words) for document in soft)
    return Shard(shard_name(number), len(soft), tokens, entities, misfits, sha256, input_hash)


_process_state: Dict[str, Any] = {}


def _start_process(plan: Annotation, folder: Path) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _process_state["folder"] = folder
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


def _run_in_process(number: int, documents: List[InputDocument], input_hash: str) -> Shard:
    annotator, folder = _process_state["annotator"], _process_state["folder"]
    return write_annotated(annotator, folder, number, documents, input_hash)


@contextmanager
def workers(plan: Annotation, folder: Path, n_process: int) -> Iterator[Tuple[List[str], Work]]:
    """Give the teacher's labels and a function that starts the work on a shard."""
    if n_process == 1:
        annotator = plan.annotator()

        def work_here(*arguments: Any) -> "Future[Shard]":
            future: Future[Shard] = Future()
            future.set_result(write_annotated(annotator, folder, *arguments))
            return future

        yield list(annotator.teacher.labels), work_here
        return
    # torch and BLAS do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        n_process, mp_context=context, initializer=_start_process, initargs=(plan, folder)
    ) as executor:
        try:
            labels = executor.submit(_labels_of_process).result()
            yield labels, lambda *arguments: executor.submit(_run_in_process, *arguments)
        except BrokenProcessPool as error:
            raise ValueError(
                "A process ended, perhaps for lack of memory; what was finished is kept. Run the "
                "same command again, with fewer processes (--n-process) or smaller batches."
            ) from error
        except BaseException:
            executor.shutdown(wait=True, cancel_futures=True)
            raise
