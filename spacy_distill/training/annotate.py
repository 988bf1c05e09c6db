"""Annotation: write the predictions of teachers for text to a soft corpus."""

import hashlib
import json
import sys
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import (
    IO,
    Any,
    Callable,
    Deque,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from wasabi import Printer

from ..corpora.augmentation import with_variants
from ..corpora.inputs import Input, InputDocument
from ..corpora.soft_shards import Manifest, Shard
from ..progress import ProgressBar
from ..teachers.identity import describe, fingerprint
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource
from .annotation_folder import (
    earlier_manifest,
    lock,
    mismatch_error,
    missing_shards,
    remove_shards,
    require_outside,
)
from .annotation_workers import SHARD_SIZE, Annotation, Work, Written, workers
from .checks import require_range


def annotate(
    teacher: Union[TeacherSource, Sequence[TeacherSource]],
    source: str,
    output: Union[str, Path],
    *,
    teacher_options: TeacherOptions = DEFAULT_OPTIONS,
    text_field: str = "text",
    split: str = "train",
    quoting: Optional[str] = None,
    lang: Optional[str] = None,
    top_k: int = 8,
    batch_size: int = 64,
    n_process: int = 1,
    shard_size: int = SHARD_SIZE,
    limit: int = 0,
    augment: int = 0,
    max_errors: int = 0,
    words: Sequence[str] = (),
    code: Optional[Union[str, Path]] = None,
    use_gpu: int = -1,
    overwrite: bool = False,
    stderr: IO = sys.stderr,
) -> Manifest:
    """Write the probabilities of teachers for text to a soft corpus, shard by shard.

    A second call continues an annotation that was stopped: it makes the missing shards. The result
    has the same bytes as that of an uninterrupted run. A complete corpus is left as it is.

    teacher (Union[TeacherSource, Sequence[TeacherSource]]): One teacher or several, as
        `spacy_distill.distill` takes them. The average of several is written.
    source (str): The text: a file, a folder, a glob, "-" for standard input, or a data set on the
        Hugging Face hub.
    output (Union[str, Path]): The folder to write.
    teacher_options (TeacherOptions): How teachers are read.
    text_field (str): The column of the text, in formats that have columns.
    split (str): The split of a data set on the hub.
    quoting (Optional[str]): How fields of tables are quoted, as `Input` takes it.
    lang (Optional[str]): Language of the tokenizer; None for the teacher's own tokenizer.
    top_k (int): Number of tags to keep for each token, from 1 to 255.
    batch_size (int): Number of documents in a batch of the teacher.
    n_process (int): Number of processes, each of which loads the teacher. The result does not
        depend on it.
    shard_size (int): Number of characters in a shard.
    limit (int): Maximum number of documents; 0 for no limit.
    augment (int): Number of variants of each document, as `with_variants` makes them.
    max_errors (int): Maximum number of documents to leave out because the teacher raises an error,
        or its scores are NaN or infinite. All runs that write the corpus count together.
    words (Sequence[str]): Words to put into the variants.
    code (Optional[Union[str, Path]]): A Python file that the teachers' pipelines need.
    use_gpu (int): GPU id, -1 for the CPU.
    overwrite (bool): Whether to replace a soft corpus that is in the folder.
    stderr (IO): Stream for progress and warnings.
    RETURNS (Manifest): The manifest of the corpus.
    RAISES (ValueError): An input cannot be read, or the folder has a corpus of another teacher,
        input or setting. Or the teacher failed on more documents than `max_errors`, or on all.
    """
    require_range("top_k", top_k, 1, 255)
    require_range("batch_size", batch_size, 1)
    require_range("n_process", n_process, 1)
    require_range("shard_size", shard_size, 1)
    require_range("limit", limit, 0)
    require_range("augment", augment, 0)
    require_range("max_errors", max_errors, 0)
    if code is not None and not Path(code).is_file():
        raise ValueError(f"[D707] There is no Python file '{code}'. Correct the path (--code).")
    sources = tuple(teacher) if isinstance(teacher, (list, tuple)) else (teacher,)
    plan = Annotation(
        sources,
        teacher_options,
        lang,
        top_k,
        batch_size,
        shard_size,
        limit,
        augment,
        tuple(words),
        None if code is None else Path(code),
        use_gpu,
        max_errors,
    )
    folder = Path(output)
    documents = Input(source, text_field=text_field, split=split, quoting=quoting)
    require_outside(folder, source)
    manifest = Manifest(
        labels=[],
        teacher={"teachers": [fingerprint(item) for item in sources]},
        settings=plan.settings(),
        input={
            "source": source,
            "text_field": text_field,
            "quoting": quoting,
            "files": documents.fingerprint(),
        },
    )
    earlier = earlier_manifest(folder, manifest, overwrite)
    if earlier is not None:
        manifest = earlier
        revision = manifest.input["files"].get("revision")
        documents = Input(
            source, text_field=text_field, split=split, quoting=quoting, revision=revision
        )
    _require_few_errors(manifest, max_errors)
    chosen = with_variants(islice(documents, limit or None), augment, plan.words)
    groups = _groups(chosen, shard_size)
    progress = _Progress(documents, limit * (1 + augment))
    if manifest.complete and not missing_shards(folder, manifest.shards):
        if not documents.is_pinned:
            with progress.shown("Compare", stderr):
                for _, group, _, _ in _with_earlier_shards(folder, manifest, groups):
                    progress.skip(group)
        return manifest
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder), workers(plan, folder, n_process, progress.advance) as (labels, work):
        manifest.labels = labels
        if earlier is None:
            # Only now that the teacher is loaded: removed shards cannot be restored.
            remove_shards(folder)
            for entry, item in zip(manifest.teacher["teachers"], sources, strict=True):
                entry["description"] = describe(item)
            manifest.to_disk(folder)
        with progress.shown("Annotate", stderr):
            n_shards = _annotate_all(
                folder, manifest, groups, work, plan, n_process, progress, stderr
            )
    if not n_shards:
        raise ValueError(
            f"[D420] The input '{source}' has no text: found blank documents or none. Correct the "
            "path."
        )
    if not any(shard.documents for shard in manifest.shards):
        raise ValueError(
            f"[D432] The teacher failed on all documents of the input '{source}': found "
            f"{sum(shard.skipped for shard in manifest.shards)}. Each is named above, with the "
            "reason. Correct the teacher or the input, and replace the corpus with --force."
        )
    if not manifest.complete:
        manifest.complete = True
        manifest.to_disk(folder)
    return manifest


def _annotate_all(
    folder: Path,
    manifest: Manifest,
    groups: Iterable[List[InputDocument]],
    work: Work,
    plan: Annotation,
    n_process: int,
    progress: "_Progress",
    stderr: IO,
) -> int:
    """Make the missing shards in order, and return the number of all shards."""
    pending: Deque[Tuple[int, Callable[[], Written]]] = deque()
    # A copy, since `finish_first` adds shards to the manifest.
    earlier = replace(manifest, shards=list(manifest.shards))

    def finish_first() -> None:
        number, finish = pending.popleft()
        shard, skipped = finish()
        manifest.shards[number : number + 1] = [shard]
        manifest.complete = False
        manifest.to_disk(folder)
        _require_few_errors(manifest, plan.max_errors)
        for document in skipped:
            title = f"[D430] The document '{document.id}' is left out: the teacher failed on it"
            text = Printer(no_print=True).warn(title, f"{document.teacher}: {document.reason}")
            stderr.write(text + "\n")

    n_shards = 0
    for number, group, input_hash, shard in _with_earlier_shards(folder, earlier, groups):
        n_shards += 1
        if shard is not None and not missing_shards(folder, [shard]):
            progress.skip(group)
            continue
        progress.expect(group)
        pending.append((number, work(number, group, input_hash)))
        # More shards are pending than there are processes, so none waits for the slowest one.
        if len(pending) >= (2 * n_process if n_process > 1 else 1):
            finish_first()
    while pending:
        finish_first()
    return n_shards


def _with_earlier_shards(
    folder: Path, manifest: Manifest, groups: Iterable[List[InputDocument]]
) -> Iterator[Tuple[int, List[InputDocument], str, Optional[Shard]]]:
    """Yield the number, documents and hash of each group, and the shard that an earlier run made of
    it. Raise ValueError if that shard was made of other documents."""
    number = -1
    for number, group in enumerate(groups):
        digest = hashlib.blake2b(digest_size=16)
        for document in group:
            digest.update(json.dumps(document).encode())
        input_hash = digest.hexdigest()
        shard = manifest.shards[number] if number < len(manifest.shards) else None
        if shard is None and manifest.complete:
            raise mismatch_error(folder, "the input, which is longer now")
        if shard is not None and shard.input_hash != input_hash:
            raise mismatch_error(folder, f"the input of {shard.file}")
        yield number, group, input_hash, shard
    if number + 1 < len(manifest.shards):
        raise mismatch_error(folder, "the input, which is shorter now")


def _require_few_errors(manifest: Manifest, max_errors: int) -> None:
    ids = [name for shard in manifest.shards for name in shard.skipped_ids]
    if len(ids) > max_errors:
        raise ValueError(
            f"[D431] The teacher failed on {len(ids)} documents, and {max_errors} are allowed; the "
            f"last is '{ids[-1]}'. Correct the teacher or the documents and replace the corpus "
            "with --force, or allow more failures with --max-errors."
        )


def _groups(documents: Iterable[InputDocument], shard_size: int) -> Iterator[List[InputDocument]]:
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


class _Progress:
    """A progress bar of documents, with the number of words per second. The total is estimated from
    the share of the input that was read. Documents of an earlier run do not count in the rate."""

    def __init__(self, documents: Input, limit: int) -> None:
        self._documents = documents
        # 0 is no limit.
        self._limit = limit
        self._bar: Any = None
        self._n_words = self._n_read = 0

    @contextmanager
    def shown(self, title: str, stderr: IO) -> Iterator[None]:
        """Show the bar."""
        with ProgressBar(desc=title, total=self._limit or None, stream=stderr) as self._bar:
            yield

    def expect(self, documents: Sequence[InputDocument]) -> None:
        """Count documents that were read, and estimate the total."""
        self._n_read += len(documents)
        share = self._documents.share_read
        if share:
            expected = max(round(self._n_read / share), self._n_read)
            self._bar.total = min(expected, self._limit or expected)

    def skip(self, documents: Sequence[InputDocument]) -> None:
        """Count documents that an earlier run annotated."""
        self.expect(documents)
        if not self._bar.disable:
            if not self._n_words:
                self._bar.start_t = time.time()
            self._bar.initial += len(documents)
            self._bar.update(len(documents))

    def advance(self, n_documents: int, n_words: int) -> None:
        """Count documents that this run annotated."""
        if not self._bar.disable:
            self._n_words += n_words
            rate = self._n_words / max(self._bar.format_dict["elapsed"], 1e-3)
            self._bar.set_postfix_str(f"{rate:,.0f} words/s", refresh=False)
            self._bar.update(n_documents)
