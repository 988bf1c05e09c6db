"""Annotation: write the predictions of teachers for text to a soft corpus."""

import sys
from pathlib import Path
from typing import IO, Optional, Sequence, Union

from ..checks import require_range
from ..corpora.soft_shards import Manifest
from ..jobs.executors import find_executor
from ..jobs.plan import SHARD_SIZE
from ..jobs.run import run_job
from ..teachers.identity import describe, fingerprint
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource
from .job import Annotation


def annotate(
    teacher: Union[TeacherSource, Sequence[TeacherSource]],
    source: Union[str, Path],
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
    executor: str = "local",
    address: Optional[str] = None,
    n_workers: Optional[int] = None,
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
    has the same bytes as that of an uninterrupted run with this size of batches. A complete corpus
    is left as it is.

    teacher (Union[TeacherSource, Sequence[TeacherSource]]): One teacher or several, as
        `spacy_distill.distill` takes them. The average of several is written.
    source (Union[str, Path]): The text: a file, a folder, a glob, "-" for standard input, or a
        data set on the Hugging Face hub. Files can be on any file system that fsspec knows, such as
        `s3://`.
    output (Union[str, Path]): The folder to write, on any such file system.
    teacher_options (TeacherOptions): How teachers are read.
    text_field (str): The column of the text, in formats that have columns.
    split (str): The split of a data set on the hub.
    quoting (Optional[str]): How fields of tables are quoted, as `Input` takes it.
    lang (Optional[str]): Language of the tokenizer; None for the teacher's own tokenizer.
    top_k (int): Number of tags to keep for each token, from 1 to 255.
    batch_size (int): Number of documents in a batch of the teacher. A second call may have another
        one. It changes the last digits of some teachers' probabilities.
    n_process (int): Number of processes, each of which loads the teacher. The result does not
        depend on it.
    executor (str): "local" for processes of this machine, "ray" for a Ray cluster.
    address (Optional[str]): The address of a Ray cluster, as `ray.init` takes it; None for the one
        that is running here, or else for one that is started here.
    n_workers (Optional[int]): Number of Ray's workers; None for one for each processor of the
        cluster.
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
    require_range("augment", augment, 0)
    sources = tuple(teacher) if isinstance(teacher, (list, tuple)) else (teacher,)
    plan = Annotation(
        sources=sources,
        options=teacher_options,
        lang=lang,
        top_k=top_k,
        batch_size=batch_size,
        shard_size=shard_size,
        limit=limit,
        augment=augment,
        words=tuple(words),
        code=None if code is None else Path(code),
        use_gpu=use_gpu,
        max_errors=max_errors,
    )
    return run_job(
        plan,
        lambda origin: Manifest(
            labels=[],
            teacher={
                "teachers": [
                    {**fingerprint(item), "description": describe(item)} for item in sources
                ]
            },
            settings=plan.settings(),
            input=origin,
        ),
        source,
        output,
        title="Annotate",
        executor=find_executor(executor, n_process=n_process, address=address, n_workers=n_workers),
        text_field=text_field,
        split=split,
        quoting=quoting,
        overwrite=overwrite,
        stderr=stderr,
    )
