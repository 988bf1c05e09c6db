"""Distillation from end to end: a teacher and a student's config in, a trained student out."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Mapping, Optional, Sequence, Union

from spacy.language import Language
from thinc.api import Config

from ..corpora.inputs import Input
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource
from .generations import (
    has_begun,
    remove_generations,
    require_generations,
    run_of_generation,
    train_generations,
)
from .output_folder import is_finished, marked_as_begun
from .raw_text import with_text
from .run import (
    DEFAULT_BITS,
    Run,
    finished_training,
    locked_output,
    require_run,
    resumes_in,
    sources_of,
    student_config,
    teachers_of,
)


def distill(
    teacher: Union[TeacherSource, Sequence[TeacherSource], None],
    student: Union[str, Path, Config, Mapping[str, Any], None] = None,
    output: Optional[Union[str, Path]] = None,
    *,
    text: Optional[Union[str, Path, Input]] = None,
    overrides: Optional[Mapping[str, Any]] = None,
    teacher_options: TeacherOptions = DEFAULT_OPTIONS,
    generations: int = 1,
    calibrate: Optional[bool] = None,
    compact: bool = False,
    bits: int = DEFAULT_BITS,
    use_gpu: int = -1,
    max_errors: int = 0,
    overwrite: bool = False,
    resume: bool = False,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Language:
    """Train a student on the probabilities of a teacher, and on gold entities where there are some.

    teacher (Union[TeacherSource, Sequence[TeacherSource], None]): The name or folder of a pipeline,
        the folder of a soft corpus, a Hugging Face token classification model (a folder or
        `hf:OWNER/NAME`), a loaded pipeline, or any object with `labels` and `predict_chain`. The
        student learns the average of several teachers. None or "none" for no teacher: the student
        learns from labeled documents, and of unlabeled ones by cross-view training.
    student (Union[str, Path, Config, Mapping, None]): The student's config, or its path. Its
        `[distillation]` block has the corpus, the loss, the optimizer and the number of steps. The
        development corpus, patience, score weights, logger and seed are in `[training]`. None for
        the config of `make_config`, in the teacher's language.
    output (Optional[Union[str, Path]]): A folder for `model-best` and `model-last`. If the
        development corpus has no entities, the folder gets `dev.spacy`, with the teacher's.
    text (Optional[Union[str, Path, Input]]): Raw text to learn from: a source as in `annotate`, or
        an `Input`. Documents for development are held out, word vectors are made of the teacher's
        transformer, and `student` in the output folder is compact and has a model card.
    overrides (Optional[Mapping[str, Any]]): Config values by dotted name.
    teacher_options (TeacherOptions): How teachers are read: component, label map, weights.
    generations (int): The number of students that are trained one after another. Each but the
        first has the one before it as one more teacher. The last one is the result, and the others
        are in folders `generation-1` and so on of the output folder.
    calibrate (Optional[bool]): Whether to fit the confidences to the development corpus at the end;
        None for the config's `[distillation] calibrate`.
    compact (bool): Whether to store the student's word vectors as `compact` does.
    bits (int): The bits per value of compact vectors: 16, 8, 4 or 2.
    use_gpu (int): GPU id, -1 for the CPU.
    max_errors (int): Maximum number of documents to leave out because a teacher raises an error,
        or its scores are NaN or infinite.
    overwrite (bool): Whether to replace models that are in the output folder.
    resume (bool): Whether to continue an interrupted training in the output folder, from its last
        evaluation. The result has the same bytes as an uninterrupted one. Without a checkpoint, the
        training begins anew. A finished one is left as it is.
    stdout, stderr (IO): Streams for the logger, progress and warnings.
    RETURNS (Language): The student with its last parameters, averaged if the optimizer averages.
    RAISES (ValueError): A setting, a label, a folder, a corpus or a checkpoint is wrong.
    """
    run = Run(
        sources_of(teacher),
        teacher_options,
        compact=compact,
        bits=bits,
        use_gpu=use_gpu,
        max_errors=max_errors,
        overwrite=overwrite,
        resume=resume,
        stdout=stdout,
        stderr=stderr,
    )
    folder = None if output is None else Path(output)
    require_run(run, folder, has_text=text is not None)
    config = student_config(student, overrides, calibrate, run)
    require_generations(generations, folder, run)
    if resume and folder is not None and is_finished(folder):
        return finished_training(folder, config, run_of_generation(run, folder, generations))
    resumes = resumes_in(folder, run, config, text)
    with teachers_of(config, run) as teachers, ExitStack() as stack:
        if folder is not None:
            stack.enter_context(locked_output(folder))
            stack.enter_context(marked_as_begun(folder))
            if overwrite:
                remove_generations(folder, generations)
        if text is not None:
            config = with_text(
                config,
                text,
                run.sources,
                teachers,
                folder,
                use_gpu=use_gpu,
                matmul_precision=run.teacher_options.matmul_precision,
                keep_vectors=resumes or (resume and folder is not None and has_begun(folder)),
                stdout=stdout,
            )
        return train_generations(
            config,
            teachers,
            folder,
            run,
            generations,
            resumes=resumes,
            has_text=text is not None,
        )
