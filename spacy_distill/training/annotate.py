"""Annotation: teachers read text, and their probabilities become a soft corpus."""

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
    changed,
    earlier_manifest,
    lock,
    missing_shards,
    remove_shards,
    require_outside,
)
from .annotation_workers import SHARD_SIZE, Annotation, Work, Written, workers
from .checkpoints import require_range


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

    Run again after it was stopped, it goes on with the first shard that is not there, and the
    result has the same bytes as that of one run. Run again after it was finished, it does nothing.

    teacher (Union[TeacherSource, Sequence[TeacherSource]]): The teacher, or several whose average
        is written, as `spacy_distill.distill` takes them.
    source (str): The text: a file, a folder, a glob, "-" or a data set on the hub.
    output (Union[str, Path]): The folder to write.
    teacher_options (TeacherOptions): How teachers are read.
    text_field (str): The column of the text, in formats that have columns.
    split (str): The split of a data set on the hub.
    quoting (Optional[str]): How fields of tables are quoted, as `Input` takes it.
    lang (Optional[str]): Language of the tokenizer for text; by default the tokenizer is the
        teacher's own.
    top_k (int): Tags kept a token, from 1 to 255.
    batch_size (int): Documents that the teacher reads at once.
    n_process (int): Processes that each load the teacher; the result is the same.
    shard_size (int): Characters of text in a shard.
    limit (int): Documents to read at the most; 0 is no limit.
    augment (int): Variants of each document to annotate too, as `with_variants` makes them.
    max_errors (int): How many documents may be left out, as the teacher fails on them: it raises an
        error, or its scores are NaN or infinite. All runs that write the corpus count together.
    words (Sequence[str]): A list of words for the variants.
    code (Optional[Union[str, Path]]): A Python file that the teachers' pipelines need.
    use_gpu (int): GPU id, -1 for the CPU.
    overwrite (bool): Whether a soft corpus that is in the folder may be replaced.
    stderr (IO): Where the progress goes.
    RETURNS (Manifest): What was made.
    RAISES (ValueError): Something cannot be read, the folder has a corpus made of something else,
        or the teacher failed on more documents than it may, or on all.
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
            # Not before the teacher is there: what is replaced cannot be had back.
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
            "reason. Mend the teacher or the input, and replace the corpus with --force."
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
    """Make the shards that are not there, in order. RETURNS (int): How many there are."""
    pending: Deque[Tuple[int, Callable[[], Written]]] = deque()
    # The manifest as it was; it grows.
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
        # Some shards more than processes, so that none of these waits for the slowest.
        if len(pending) >= (2 * n_process if n_process > 1 else 1):
            finish_first()
    while pending:
        finish_first()
    return n_shards


def _with_earlier_shards(
    folder: Path, manifest: Manifest, groups: Iterable[List[InputDocument]]
) -> Iterator[Tuple[int, List[InputDocument], str, Optional[Shard]]]:
    """YIELDS (Tuple[int, List[InputDocument], str, Optional[Shard]]): The number, the documents and
    their hash of each shard, and the shard that was made of them earlier. ValueError if a shard was
    made of other documents."""
    number = -1
    for number, group in enumerate(groups):
        digest = hashlib.blake2b(digest_size=16)
        for document in group:
            digest.update(json.dumps(document).encode())
        input_hash = digest.hexdigest()
        shard = manifest.shards[number] if number < len(manifest.shards) else None
        if shard is None and manifest.complete:
            raise changed(folder, "the input, which is longer now")
        if shard is not None and shard.input_hash != input_hash:
            raise changed(folder, f"the input of {shard.file}")
        yield number, group, input_hash, shard
    if number + 1 < len(manifest.shards):
        raise changed(folder, "the input, which is shorter now")


def _require_few_errors(manifest: Manifest, max_errors: int) -> None:
    ids = [name for shard in manifest.shards for name in shard.skipped_ids]
    if len(ids) > max_errors:
        raise ValueError(
            f"[D431] The teacher failed on {len(ids)} documents, and {max_errors} are allowed; the "
            f"last is '{ids[-1]}'. Mend the teacher or the documents and replace the corpus with "
            "--force, or let more be left out with --max-errors."
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
    """A bar of documents, with words a second. The number of documents is estimated by the bytes of
    the input that are read. What was annotated earlier moves the bar and is in no rate, nor is the
    time that it takes to pass over it."""

    def __init__(self, documents: Input, most: int) -> None:
        self._documents = documents
        # 0 is no limit.
        self._most = most
        self._bar: Any = None
        self._n_words = self._n_read = 0

    @contextmanager
    def shown(self, title: str, stderr: IO) -> Iterator[None]:
        """Show the bar."""
        with ProgressBar(desc=title, total=self._most or None, stream=stderr) as self._bar:
            yield

    def expect(self, documents: Sequence[InputDocument]) -> None:
        """Count documents that are read, and estimate how many there are."""
        self._n_read += len(documents)
        share = self._documents.share_read
        if share:
            expected = max(round(self._n_read / share), self._n_read)
            self._bar.total = min(expected, self._most or expected)

    def skip(self, documents: Sequence[InputDocument]) -> None:
        """Count documents that were annotated earlier."""
        self.expect(documents)
        if not self._bar.disable:
            if not self._n_words:
                self._bar.start_t = time.time()
            self._bar.initial += len(documents)
            self._bar.update(len(documents))

    def advance(self, n_documents: int, n_words: int) -> None:
        """Count documents that were annotated now."""
        if not self._bar.disable:
            self._n_words += n_words
            rate = self._n_words / max(self._bar.format_dict["elapsed"], 1e-3)
            self._bar.set_postfix_str(f"{rate:,.0f} words/s", refresh=False)
            self._bar.update(n_documents)
