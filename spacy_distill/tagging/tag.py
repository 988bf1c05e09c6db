"""Tag text: write the entities of a pipeline for an input to a folder."""

import sys
from pathlib import Path
from typing import IO, Optional, Sequence, Union

from ..checks import require_range
from ..jobs.executors import find_executor
from ..jobs.plan import SHARD_SIZE
from ..jobs.run import run_job
from ..loading import import_library
from ..teachers.identity import pipeline_fingerprint
from .job import Tagging, require_pipeline
from .manifest import TagManifest
from .shard_files import FORMATS, columns_to_keep


def tag(
    model: Union[str, Path],
    source: Union[str, Path],
    output: Union[str, Path],
    *,
    keep: Sequence[str] = (),
    file_format: str = "parquet",
    confidence: bool = False,
    min_confidence: Optional[float] = None,
    text_field: str = "text",
    split: str = "train",
    quoting: Optional[str] = None,
    batch_size: Optional[int] = None,
    n_process: int = 1,
    executor: str = "local",
    address: Optional[str] = None,
    n_workers: Optional[int] = None,
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
    source (Union[str, Path]): The text: a file, a folder, a glob, "-" for standard input, or a
        data set on the Hugging Face hub. Files can be on any file system that fsspec knows, such as
        `s3://`.
    output (Union[str, Path]): The folder to write, on any such file system.
    keep (Sequence[str]): Columns of the input to repeat with each entity, as text. The document's
        id is always there.
    file_format (str): "parquet" or "jsonl" for a table with one row an entity, "spacy" for
        documents.
    confidence (bool): Whether to add the confidence of each entity. The pipeline needs a
        `ner_student` or `ner_teacher`.
    min_confidence (Optional[float]): The minimum confidence of an entity that is written, from 0 to
        1; None for the component's own. Entities of components without confidences are written too.
    text_field (str): The column of the text, in formats that have columns.
    split (str): The split of a data set on the hub.
    quoting (Optional[str]): How fields of tables are quoted, as `Input` takes it.
    batch_size (Optional[int]): Number of documents in a batch; None for the pipeline's own. A
        second call may have another one.
    n_process (int): Number of processes, each of which loads the pipeline. The result does not
        depend on it.
    executor (str): "local" for processes of this machine, "ray" for a Ray cluster.
    address (Optional[str]): The address of a Ray cluster, as `ray.init` takes it; None for the one
        that is running here, or else for one that is started here.
    n_workers (Optional[int]): Number of Ray's workers; None for one for each processor of the
        cluster.
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
    RAISES (ImportError): pyarrow is not installed, and the format needs it.
    RAISES (ValueError): There is no such pipeline, an input cannot be read, or the folder has a
        result of another pipeline, input or setting. Or the pipeline failed on more documents than
        `max_errors`, or on all.
    """
    if min_confidence is not None:
        require_range("min_confidence", min_confidence, 0, 1)
    if threads is not None:
        require_range("threads", threads, 1)
    if file_format not in FORMATS:
        raise ValueError(
            f"[D433] '{file_format}' is not a format of entities: expected one of "
            f"{', '.join(FORMATS)} (--format)."
        )
    if file_format == "parquet":
        # Before the text is read.
        import_library("pyarrow.parquet", "tag")
    require_pipeline(model)
    plan = Tagging(
        model=str(model),
        keep=columns_to_keep(keep),
        file_format=file_format,
        confidence=confidence,
        min_confidence=min_confidence,
        batch_size=batch_size,
        shard_size=shard_size,
        limit=limit,
        threads=threads,
        code=None if code is None else Path(code),
        use_gpu=use_gpu,
        max_errors=max_errors,
    )
    return run_job(
        plan,
        lambda origin: TagManifest(
            labels=[],
            pipeline=pipeline_fingerprint(model),
            settings=plan.settings(),
            input=origin,
        ),
        source,
        output,
        title="Tag",
        executor=find_executor(executor, n_process=n_process, address=address, n_workers=n_workers),
        text_field=text_field,
        split=split,
        quoting=quoting,
        keep=plan.keep,
        overwrite=overwrite,
        stderr=stderr,
    )
