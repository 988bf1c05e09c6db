"""Tag text: write the entities of a pipeline for an input to a folder."""

import sys
from pathlib import Path
from typing import IO, Optional, Sequence, Union

from spacy.util import is_package

from ..checks import require_python_file, require_range
from ..corpora.inputs import Input
from ..jobs.folder import require_outside
from ..jobs.plan import SHARD_SIZE
from ..jobs.run import run_job
from ..names import similar_name_hint
from ..teachers.identity import pipeline_fingerprint
from .manifest import TagManifest
from .shard_files import FORMATS, TYPES
from .tagging import Tagging


def tag(
    model: Union[str, Path],
    source: str,
    output: Union[str, Path],
    *,
    keep: Sequence[str] = (),
    file_format: str = "parquet",
    confidence: bool = False,
    text_field: str = "text",
    split: str = "train",
    quoting: Optional[str] = None,
    batch_size: Optional[int] = None,
    n_process: int = 1,
    threads: Optional[int] = None,
    shard_size: int = SHARD_SIZE,
    limit: int = 0,
    max_errors: int = 0,
    code: Optional[Union[str, Path]] = None,
    use_gpu: int = -1,
    overwrite: bool = False,
    stderr: IO = sys.stderr,
) -> TagManifest:
    """Write the entities that a pipeline finds in text to a folder, shard by shard.

    A second call continues a run that was stopped: it makes the missing shards. The result has the
    same bytes as that of an uninterrupted run. A complete result is left as it is.

    model (Union[str, Path]): Any spaCy pipeline that finds entities: a package or a folder.
    source (str): The text: a file, a folder, a glob, "-" for standard input, or a data set on the
        Hugging Face hub.
    output (Union[str, Path]): The folder to write.
    keep (Sequence[str]): Columns of the input to repeat with each entity, as text. The document's
        id is always there.
    file_format (str): "parquet" or "jsonl" for a table with one row an entity, "spacy" for
        documents.
    confidence (bool): Whether to add the confidence of each entity. The pipeline needs a
        `ner_student` or `ner_teacher`.
    text_field (str): The column of the text, in formats that have columns.
    split (str): The split of a data set on the hub.
    quoting (Optional[str]): How fields of tables are quoted, as `Input` takes it.
    batch_size (Optional[int]): Number of documents in a batch; None for the pipeline's own.
    n_process (int): Number of processes, each of which loads the pipeline. The result does not
        depend on it.
    threads (Optional[int]): Number of threads of each `ner_student` and `ner_teacher`; None for
        the component's own. Other components do not have this setting.
    shard_size (int): Number of characters in a shard.
    limit (int): Maximum number of documents; 0 for no limit.
    max_errors (int): Maximum number of documents to leave out because the pipeline raises an error.
        All runs that write the folder count together.
    code (Optional[Union[str, Path]]): A Python file that the pipeline needs.
    use_gpu (int): GPU id, -1 for the CPU.
    overwrite (bool): Whether to replace an earlier result in the folder.
    stderr (IO): Stream for progress and warnings.
    RETURNS (TagManifest): The manifest of the folder.
    RAISES (ValueError): There is no such pipeline, an input cannot be read, or the folder has a
        result of another pipeline, input or setting. Or the pipeline failed on more documents than
        `max_errors`, or on all.
    """
    require_range("n_process", n_process, 1)
    require_range("shard_size", shard_size, 1)
    require_range("limit", limit, 0)
    require_range("max_errors", max_errors, 0)
    for name, value in (("batch_size", batch_size), ("threads", threads)):
        if value is not None:
            require_range(name, value, 1)
    require_python_file(code)
    if file_format not in FORMATS:
        raise ValueError(
            f"[D433] '{file_format}' is not a format of entities: expected one of "
            f"{', '.join(FORMATS)} (--format)."
        )
    # The id of the document is always there.
    kept = tuple(dict.fromkeys(column for column in keep if column != "id"))
    taken = [column for column in kept if column in TYPES]
    if taken:
        raise ValueError(
            f"[D434] The column '{taken[0]}' of the input cannot be kept: the result has a column "
            "of that name. Rename it in the input, or leave it out of --keep."
        )
    if not is_package(str(model)) and not Path(model).is_dir():
        raise ValueError(
            f"[D436] There is no pipeline '{model}': no such folder, and no such spaCy package is "
            f"installed.{similar_name_hint(str(model))} Correct the path, or install the package."
        )
    plan = Tagging(
        model=str(model),
        keep=kept,
        file_format=file_format,
        confidence=confidence,
        batch_size=batch_size,
        shard_size=shard_size,
        limit=limit,
        threads=threads,
        code=None if code is None else Path(code),
        use_gpu=use_gpu,
        max_errors=max_errors,
    )
    documents = Input(source, text_field=text_field, split=split, quoting=quoting, keep=kept)
    require_outside(Path(output), source)
    manifest = TagManifest(
        labels=[],
        pipeline=pipeline_fingerprint(model),
        settings=plan.settings(),
        input=documents.origin(),
    )
    return run_job(
        plan,
        manifest,
        documents,
        Path(output),
        title="Tag",
        n_process=n_process,
        overwrite=overwrite,
        stderr=stderr,
    )
