"""A teacher reads text and writes down what it thinks: a soft corpus."""

import hashlib
import json
import sys
import time
from collections import deque
from contextlib import contextmanager
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
from ..teachers.source_names import source_names
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource, fingerprint
from .annotation_folder import (
    changed,
    earlier_manifest,
    lock,
    missing_shards,
    remove_shards,
    require_outside,
)
from .annotation_workers import SHARD_SIZE, Annotation, Work, Written, workers
from .ranges import require_range


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
    """Let teachers read text, and write what they think to a soft corpus, shard by shard.

    Run again after it was stopped, it goes on with the first shard that is not there, and the
    result has the same bytes as that of one run. Run again after it was finished, it does nothing.

    teacher (Union[TeacherSource, Sequence[TeacherSource]]): The teacher, or several that write down
        their average, as `spacy_distill.distill` takes them.
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
        or the teacher failed on more documents than it may.
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
    files_known = bool(manifest.input["files"])
    if manifest.complete and files_known and not missing_shards(folder, manifest.shards):
        return manifest
    folder.mkdir(parents=True, exist_ok=True)
    progress = _Progress()
    with lock(folder), workers(plan, folder, n_process, progress.advance) as (labels, work):
        manifest.labels = labels
        if earlier is None:
            # Not before the teacher is there: what is replaced cannot be had back.
            remove_shards(folder)
            names = source_names(sources, teacher_options)
            for told, name in zip(manifest.teacher["teachers"], names, strict=True):
                told["description"] = name
            manifest.to_disk(folder)
        with progress.shown(documents.count(limit), augment, stderr):
            chosen = with_variants(islice(documents, limit or None), augment, plan.words)
            groups = _groups(chosen, shard_size)
            n_shards = _annotate_all(
                folder, manifest, groups, work, n_process, max_errors, progress, stderr
            )
    if n_shards < len(manifest.shards):
        raise changed(folder, "the input, which is shorter now")
    if not n_shards:
        raise ValueError(
            f"[D420] The input '{source}' has no text: found blank documents or none. Correct the "
            "path."
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
    n_process: int,
    max_errors: int,
    progress: "_Progress",
    stderr: IO,
) -> int:
    """Make the shards that are not there, in order. RETURNS (int): How many there are."""
    pending: Deque[Tuple[int, Callable[[], Written]]] = deque()
    was_complete = manifest.complete

    def finish_first() -> None:
        number, finish = pending.popleft()
        shard, skipped = finish()
        manifest.shards[number : number + 1] = [shard]
        manifest.complete = False
        manifest.to_disk(folder)
        _require_few_errors(manifest, max_errors)
        for document in skipped:
            title = f"[D430] The document '{document.id}' is left out: the teacher failed on it"
            told = Printer(no_print=True).warn(title, f"{document.teacher}: {document.reason}")
            stderr.write(told + "\n")

    number = -1
    for number, group in enumerate(groups):
        input_hash = _input_hash(group)
        known = manifest.shards[number] if number < len(manifest.shards) else None
        if known is not None and known.input_hash != input_hash:
            raise changed(folder, f"the input of {known.file}")
        if known is None and was_complete:
            raise changed(folder, "the input, which is longer now")
        if known is not None and not missing_shards(folder, [known]):
            progress.skip(known)
            continue
        pending.append((number, work(number, group, input_hash)))
        # Some shards more than processes, so that none of these waits for the slowest.
        if len(pending) >= (2 * n_process if n_process > 1 else 1):
            finish_first()
    while pending:
        finish_first()
    return number + 1


def _require_few_errors(manifest: Manifest, max_errors: int) -> None:
    ids = [name for shard in manifest.shards for name in shard.skipped_ids]
    if len(ids) > max_errors:
        raise ValueError(
            f"[D431] The teacher failed on {len(ids)} documents, and {max_errors} are allowed; the "
            f"last is '{ids[-1]}'. Mend the teacher or the documents and replace the corpus with "
            "--overwrite, or let more be left out with --max-errors."
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


def _input_hash(documents: Sequence[InputDocument]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for document in documents:
        digest.update(json.dumps(document).encode())
    return digest.hexdigest()


class _Progress:
    """A bar of documents, with words a second. What was annotated earlier moves it, and is in no
    rate, nor is the time that it takes to pass over it."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._words = 0
        self._seen = 0.0

    @contextmanager
    def shown(self, n_documents: Optional[int], augment: int, stderr: IO) -> Iterator[None]:
        """Show the bar, of so many documents with their variants."""
        total = None if n_documents is None else n_documents * (1 + augment)
        with ProgressBar(desc="Annotate", total=total, stream=stderr) as self._bar:
            self._seen = time.time()
            yield

    def skip(self, shard: Shard) -> None:
        """Count what was there already."""
        if self._bar.disable:
            return
        now = time.time()
        self._bar.start_t += now - self._seen
        self._seen = now
        n_documents = shard.documents + shard.skipped
        self._bar.initial += n_documents
        self._bar.update(n_documents)

    def advance(self, documents: int, words: int) -> None:
        """Count what was annotated now."""
        if self._bar.disable:
            return
        self._seen = time.time()
        self._words += words
        rate = self._words / max(self._bar.format_dict["elapsed"], 1e-3)
        self._bar.set_postfix_str(f"{rate:,.0f} words/s", refresh=False)
        self._bar.update(documents)
