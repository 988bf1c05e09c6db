"""A teacher reads text and writes down what it thinks: a soft corpus."""

import glob
import hashlib
import json
import os
import sys
from collections import deque
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, Deque, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from tqdm import tqdm

from ..corpora.augmentation import with_variants
from ..corpora.inputs import Input, InputDocument
from ..corpora.soft_shards import MANIFEST, Manifest, Shard, file_hash, is_soft_corpus
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource, fingerprint
from .annotation_workers import SHARD_SIZE, Annotation, Work, workers


def annotate(
    teacher: Union[TeacherSource, Sequence[TeacherSource]],
    source: str,
    output: Union[str, Path],
    *,
    teacher_options: TeacherOptions = DEFAULT_OPTIONS,
    text_field: str = "text",
    lang: Optional[str] = None,
    top_k: int = 8,
    batch_size: int = 64,
    n_process: int = 1,
    shard_size: int = SHARD_SIZE,
    limit: int = 0,
    augment: int = 0,
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
    lang (Optional[str]): Language of the tokenizer for text; by default the tokenizer is the
        teacher's own.
    top_k (int): Tags kept a token, from 1 to 255.
    batch_size (int): Documents that the teacher reads at once.
    n_process (int): Processes that each load the teacher; the result is the same.
    shard_size (int): Characters of text in a shard.
    limit (int): Documents to read at the most; 0 is no limit.
    augment (int): Variants of each document to annotate too, as `with_variants` makes them.
    words (Sequence[str]): A list of words for the variants.
    code (Optional[Union[str, Path]]): A Python file that the teachers' pipelines need.
    use_gpu (int): GPU id, -1 for the CPU.
    overwrite (bool): Whether a soft corpus that is in the folder may be replaced.
    stderr (IO): Where the progress goes.
    RETURNS (Manifest): What was made.
    RAISES (ValueError): Something cannot be read, or the folder has a corpus made of something
        else.
    """
    _require_sizes(top_k=(top_k, 255), batch_size=(batch_size, None), n_process=(n_process, None))
    _require_sizes(shard_size=(shard_size, None))
    for name, value in (("limit", limit), ("augment", augment)):
        if value < 0:
            raise ValueError(f"{name} has to be 0 or more: found {value}.")
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
    )
    folder = Path(output)
    documents = Input(source, text_field=text_field)
    _require_outside(folder, source)
    manifest = Manifest(
        labels=[],
        teacher={"teachers": [_fingerprint(item) for item in sources]},
        settings=plan.settings(),
        input={"source": source, "text_field": text_field, "files": documents.fingerprint()},
    )
    earlier = _earlier(folder, manifest, overwrite)
    if earlier is not None:
        manifest = earlier
    files_known = bool(manifest.input["files"])
    if manifest.complete and files_known and not _missing(folder, manifest.shards):
        return manifest
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder), workers(plan, folder, n_process) as (labels, work):
        manifest.labels = labels
        if earlier is None:
            # Not before the teacher is there: what is replaced cannot be had back.
            _remove_shards(folder)
            manifest.to_disk(folder)
        with _progress(documents.count(limit), augment, stderr) as bar:
            chosen = with_variants(islice(documents, limit or None), augment, plan.words)
            groups = _groups(chosen, shard_size)
            n_shards = _annotate_all(folder, manifest, groups, work, n_process, bar)
    if n_shards < len(manifest.shards):
        raise _changed(folder, "the input, which is shorter now")
    if not n_shards:
        raise ValueError(
            f"The input '{source}' has no text: found blank documents or none. Correct the path."
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
    bar: "_Progress",
) -> int:
    """Make the shards that are not there, in order. RETURNS (int): How many there are."""
    pending: Deque[Tuple[int, Future[Shard]]] = deque()
    was_complete = manifest.complete

    def finish_first() -> None:
        number, future = pending.popleft()
        shard = future.result()
        manifest.shards[number : number + 1] = [shard]
        manifest.complete = False
        manifest.to_disk(folder)
        bar.update(shard)

    number = -1
    for number, group in enumerate(groups):
        input_hash = _input_hash(group)
        known = manifest.shards[number] if number < len(manifest.shards) else None
        if known is not None and known.input_hash != input_hash:
            raise _changed(folder, f"the input of {known.file}")
        if known is None and was_complete:
            raise _changed(folder, "the input, which is longer now")
        if known is not None and not _missing(folder, [known]):
            bar.skip(known)
            continue
        pending.append((number, work(number, group, input_hash)))
        # Some shards more than processes, so that none of these waits for the slowest.
        if len(pending) >= (2 * n_process if n_process > 1 else 1):
            finish_first()
    while pending:
        finish_first()
    return number + 1


# What is there already


def _earlier(folder: Path, manifest: Manifest, overwrite: bool) -> Optional[Manifest]:
    """RETURNS (Optional[Manifest]): That of the corpus in the folder, if it goes on."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"The output path '{folder}' is a file. Name a folder.")
    if not is_soft_corpus(folder):
        # A run that was killed as it began leaves nothing but an unfinished file.
        if folder.is_dir() and {*folder.iterdir()} - {*_unfinished(folder)}:
            raise ValueError(
                f"The output folder '{folder}' is not empty and has no soft corpus. Name "
                "another one."
            )
        return None
    if overwrite:
        return None
    earlier = Manifest.from_disk(folder)
    if not earlier.shards and not earlier.complete:
        # As a run leaves it that failed at its first document: there is nothing to go on with.
        return None
    old, new = _identity(earlier), _identity(manifest)
    different = [name for name in new if old.get(name) != new[name]]
    if different:
        raise _changed(folder, " and ".join(different))
    return earlier


def _unfinished(folder: Path) -> List[Path]:
    return [*folder.glob(".shard-*-unfinished"), *folder.glob(f".{MANIFEST}-unfinished")]


def _remove_shards(folder: Path) -> None:
    for path in (*folder.glob("shard-*.parquet"), *_unfinished(folder)):
        path.unlink(missing_ok=True)


def _identity(manifest: Manifest) -> Dict[str, Any]:
    """What a corpus is made of, whatever its name is and wherever it lies."""
    files = manifest.input["files"]
    return {
        "the teacher": [teacher["hash"] for teacher in manifest.teacher["teachers"]],
        **{f"the setting {name}": value for name, value in manifest.settings.items()},
        "the column of the text": manifest.input["text_field"],
        "the input": files or manifest.input["source"],
    }


def _missing(folder: Path, shards: Sequence[Shard]) -> List[str]:
    """RETURNS (List[str]): Shards that are not there; ValueError if one is not what it was."""
    missing = []
    for shard in shards:
        path = folder / shard.file
        if not path.is_file():
            missing.append(shard.file)
        elif file_hash(path) != shard.sha256:
            raise ValueError(
                f"The shard '{path}' is not what the manifest says: its checksum differs. Delete "
                "it and run the same command again to make it anew."
            )
    return missing


def _changed(folder: Path, what: str) -> ValueError:
    return ValueError(
        f"The soft corpus in '{folder}' was made of something else. Since then changed: {what}. "
        "Name another output folder, or replace the corpus with --overwrite."
    )


# The input


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


def _fingerprint(source: TeacherSource) -> Dict[str, str]:
    try:
        return fingerprint(source)  # type: ignore[arg-type]
    except (AttributeError, TypeError) as error:
        raise ValueError(
            f"A soft corpus needs a teacher with a name or a folder, and {type(source).__name__} "
            "has none: found no content to recognise it by."
        ) from error


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep a second run out of the folder, where the system can."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ValueError(
            f"Another run is writing to '{folder}'. Wait for it, or name another folder."
        ) from error
    try:
        yield
    finally:
        os.close(handle)


def _require_outside(folder: Path, source: str) -> None:
    roots = [] if source == "-" else [Path(source), *map(Path, glob.glob(source, recursive=True))]
    output = folder.resolve()
    if any(root.is_dir() and output.is_relative_to(root.resolve()) for root in roots):
        raise ValueError(
            f"The output folder '{folder}' is in the input '{source}', so that the next run would "
            "read what this one wrote. Name a folder outside."
        )


def _require_sizes(**sizes: Tuple[int, Optional[int]]) -> None:
    for name, (value, most) in sizes.items():
        if value < 1 or (most is not None and value > most):
            limits = "1 or more" if most is None else f"from 1 to {most}"
            raise ValueError(f"{name} has to be {limits}: found {value}.")


class _Progress:
    """A bar of documents, with words a second."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.words = 0

    def skip(self, shard: Shard) -> None:
        """Count what was there already, but not in the rates."""
        self.bar.initial += shard.documents
        self.bar.update(shard.documents)

    def update(self, shard: Shard) -> None:
        """Count what was annotated now."""
        self.words += shard.tokens
        rate = self.words / max(self.bar.format_dict["elapsed"], 1e-3)
        self.bar.set_postfix_str(f"{rate:,.0f} words/s", refresh=False)
        self.bar.update(shard.documents)


@contextmanager
def _progress(n_documents: Optional[int], augment: int, stderr: IO) -> Iterator[_Progress]:
    total = None if n_documents is None else n_documents * (1 + augment)
    interval = 1 if stderr.isatty() else 30
    with tqdm(desc="Annotate", total=total, unit="doc", file=stderr, mininterval=interval) as bar:
        yield _Progress(bar)
