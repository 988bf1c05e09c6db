"""Distillation from end to end: a teacher and a student's config in, a trained student out."""

import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Dict, Iterator, Mapping, Optional, Sequence, Union

from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.util import get_package_version
from thinc.api import Config
from wasabi import Printer

from ..checks import require_device, require_range
from ..corpora.inputs import Input
from ..loading import load_pipeline
from ..saving import in_place, lock, remove_directory, save_pipeline
from ..teachers import CachedTeacher, match_labels
from ..teachers.identity import describe
from ..teachers.no_teacher import NONE, NoTeacher
from ..teachers.protocol import count_misfits
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource
from .checkpoints import (
    CHECKPOINT,
    MODEL_BEST,
    MODEL_LAST,
    can_resume,
    is_begun,
    is_finished,
    require_output_dir,
    require_same_origin,
)
from .compact import compact as make_compact
from .compact import require_vectors
from .find_teachers import fill_labels, find_teachers
from .origin import Origin, finished_differences, training_origin
from .raw_text import save_student, with_text
from .settings import load_student_config
from .train import train_student


def distill(
    teacher: Union[TeacherSource, Sequence[TeacherSource], None],
    student: Union[str, Path, Config, Mapping[str, Any], None] = None,
    output_path: Optional[Union[str, Path]] = None,
    *,
    text: Optional[Union[str, Path, Input]] = None,
    overrides: Optional[Mapping[str, Any]] = None,
    teacher_options: TeacherOptions = DEFAULT_OPTIONS,
    calibrate: Optional[bool] = None,
    compact: bool = False,
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
    output_path (Optional[Union[str, Path]]): A folder for `model-best` and `model-last`. If the
        development corpus has no entities, the folder gets `dev.spacy`, with the teacher's.
    text (Optional[Union[str, Path, Input]]): Raw text to learn from: a source as in `annotate`, or
        an `Input`. Documents for development are held out, word vectors are made of the teacher's
        transformer, and `student` in the output folder is compact and has a model card.
    overrides (Optional[Mapping[str, Any]]): Config values by dotted name.
    teacher_options (TeacherOptions): How teachers are read: component, label map, weights.
    calibrate (Optional[bool]): Whether to fit the confidences to the development corpus at the end;
        None for the config's `[distillation] calibrate`.
    compact (bool): Whether to store the student's word vectors as `compact` does.
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
    require_range("max_errors", max_errors, 0)
    sources: Sequence[Any] = list(teacher) if isinstance(teacher, (list, tuple)) else [teacher]
    if sources in ([None], [NONE]):
        sources = []
    if not sources and text is not None:
        raise ValueError(
            "[D816] Raw text has no labels, so it can only be learnt from with a teacher. Name "
            "one, or name labeled and unlabeled documents in [paths] instead of the text."
        )
    overrides = dict(overrides or {})
    if calibrate is not None:
        overrides["distillation.calibrate"] = calibrate
    config = load_student_config(student, overrides, sources)
    fill_training_corpus(config)
    require_device(use_gpu)
    output = None if output_path is None else Path(output_path)
    if resume and (overwrite or output is None):
        found = "no output folder" if output is None else "--force too, which begins anew"
        raise ValueError(f"[D763] --resume continues a training in its folder: found {found}.")
    if resume and output is not None and is_finished(output):
        return finished_training(output, config, sources, stdout)
    resumes = resume and output is not None and can_resume(output)
    if output is not None and not resumes:
        require_output_dir(output, overwrite=overwrite or (resume and is_begun(output)))
    teachers = find_teachers(sources, config.interpolate(), teacher_options)
    with ExitStack() as stack:
        for item in teachers.values():
            if isinstance(item, CachedTeacher):
                stack.callback(item.close)
        if output is not None:
            stack.enter_context(locked_output(output))
        if text is not None:
            config = with_text(
                config,
                text,
                sources,
                teachers,
                output,
                use_gpu=use_gpu,
                keep_vectors=resumes,
                stdout=stdout,
            )
        fill_labels(config, teachers)
        nlp = initialize(config, use_gpu)
        if compact:
            require_vectors(nlp)
        nlp.meta["distillation"] = describe_distillation(nlp.config, sources)
        for name, source in teachers.items():
            labels = nlp.get_pipe(name).labels  # type: ignore[attr-defined]
            if isinstance(source, NoTeacher):
                source.labels = labels
            match_labels(source.labels, labels)
        origin: Origin = {}
        if output is not None:
            origin = training_origin(nlp, sources, teacher_options, use_gpu)
            if resumes:
                # Now, and not after hours in which the teacher reads.
                require_same_origin(output, origin)
        trained = train_student(
            nlp,
            teachers,
            output,
            max_errors=max_errors,
            origin=origin,
            resume=resumes,
            stdout=stdout,
            stderr=stderr,
        )
        if compact:
            for folder in (output / name for name in (MODEL_BEST, MODEL_LAST) if output):
                if folder.exists():
                    save_pipeline(make_compact(load_pipeline(folder)), folder)
            trained = make_compact(trained)
        if text is not None and output is not None:
            save_student(output, config, stdout)
        if output is not None:
            # Only now that all is written.
            remove_directory(output / CHECKPOINT)
    n_misfits = count_misfits(teachers.values())
    if n_misfits:
        once = all(isinstance(item, CachedTeacher) for item in teachers.values())
        title = (
            f"[D910] {n_misfits:,} of the teacher's entities did not fit the student's tokens"
            f"{'' if once else ' in all passes'}"
        )
        text = "The student learnt nothing at their tokens"
        stdout.write(Printer(no_print=True).warn(title, text) + "\n")
    return trained


def finished_training(
    output: Path, config: Config, sources: Sequence[TeacherSource], stdout: IO
) -> Language:
    """Load the last model of a finished training. Raise ValueError if the config or the teacher is
    another one.

    output (Path): The folder of the models.
    config (Config): The student's config.
    sources (Sequence[TeacherSource]): The teachers, as `load_teacher` takes them.
    stdout (IO): Stream for a message.
    """
    changed = finished_differences(output / MODEL_LAST, config, sources)
    if changed:
        raise ValueError(
            f"[D765] The training in '{output}' is finished, and it was another one. These differ "
            f"now: {'; '.join(changed)}. Name another output folder, or begin anew with --force."
        )
    text = f"The training in {output} is finished: nothing to resume"
    stdout.write(Printer(no_print=True).info(text) + "\n")
    return load_pipeline(output / MODEL_LAST)


@contextmanager
def locked_output(output: Path) -> Iterator[None]:
    """Lock the output folder against a second run. The folder is created for it, and removed again
    if it stays empty."""
    is_new = not output.exists()
    output.mkdir(parents=True, exist_ok=True)
    try:
        with lock(output), in_place(output):
            yield
    finally:
        if is_new and output.is_dir() and not any(output.iterdir()):
            output.rmdir()


def fill_training_corpus(config: Config) -> None:
    """Use the corpus of the distillation as the training corpus if that has no path, since spaCy
    initializes the pipeline with the training corpus."""
    settings = config.interpolate()
    corpora = config.setdefault("corpora", {})
    section, _, key = settings["distillation"]["corpus"].partition(".")
    default = {"path": settings.get("paths", {}).get("train")}
    train = settings.get("corpora", {}).get("train", default)
    if train.get("path", "") is None and section == "corpora" and key in corpora:
        corpora["train"] = dict(corpora[key])


def describe_distillation(config: Config, sources: Sequence[TeacherSource]) -> Dict[str, Any]:
    """Describe the distillation for the student's meta.json. `train_student` adds the numbers of
    documents and steps."""
    config = config.interpolate()
    block, training = config["distillation"], config["training"]
    section, _, key = block["corpus"].partition(".")
    settings = {
        "dropout": block["dropout"],
        "labeled_share": config.get(section, {}).get(key, {}).get("labeled_share"),
        "seed": training["seed"],
        # Here 0 is no limit.
        "max_steps": block["max_steps"] or None,
        "max_epochs": block["max_epochs"] or None,
        "patience": training["patience"] or None,
    }
    return {
        "version": get_package_version("spacy-distill") or "",
        "teachers": [describe(source) for source in sources],
        "loss": dict(block["loss"]),
        **({"cross_view": dict(block["cross_view"])} if block["cross_view"] else {}),
        "batcher": dict(block["batcher"]),
        "settings": {name: value for name, value in settings.items() if value is not None},
    }


def initialize(config: Config, use_gpu: int) -> Language:
    """Create and initialize the student. Name the path in errors of corpora, which spaCy leaves
    out, or the corpus without a path."""
    try:
        return init_nlp(config, use_gpu=use_gpu)
    except (ValueError, OSError) as error:
        settings = config.interpolate()
        if "[E913]" in str(error):
            corpora = settings.get("corpora", {})
            empty = [key for key, reader in corpora.items() if reader.get("path", "") is None]
            raise ValueError(
                f"[D335] A corpus has no path ({', '.join(empty)}). Set it in [paths], or on the "
                "command line, such as --paths.dev corpus/dev.spacy."
            ) from error
        path = settings.get("paths", {}).get("train")
        missing = path is not None and getattr(error, "filename", None) == str(path)
        if "[E1014]" not in str(error) and not missing:
            raise
        raise ValueError(
            f"[D334] The training corpus ([paths] train, '{path}') cannot be read. Correct the "
            f"path, or convert the corpus again. spaCy says: {error}"
        ) from error
