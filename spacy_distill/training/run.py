"""What the students of a run share, and how one of them is made from its config."""

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import (
    IO,
    Any,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.util import get_package_version
from thinc.api import Config
from wasabi import Printer

from ..checks import require_device, require_range
from ..corpora.inputs import Input
from ..loading import load_pipeline
from ..saving import in_place, lock, remove_directory, save_pipeline
from ..teachers import CachedTeacher, Teacher, match_labels
from ..teachers.identity import describe, without_folder
from ..teachers.no_teacher import NONE, NoTeacher
from ..teachers.protocol import count_misfits
from ..teachers.sources import TeacherOptions, TeacherSource
from .checkpoints import require_same_origin
from .compact import compact as make_compact
from .compact import require_bits, require_vectors
from .find_teachers import fill_labels, find_teachers
from .origin import (
    Origin,
    compared_by_value,
    finished_differences,
    given,
    keep_origin,
    training_origin,
)
from .output_folder import (
    CHECKPOINT,
    MODEL_BEST,
    MODEL_LAST,
    REPLACED,
    TEXT,
    VECTORS,
    can_resume,
    is_begun,
    require_output_dir,
    require_replaceable,
)
from .raw_text import save_student
from .settings import load_student_config
from .train import train_student

# The bits per value of compact word vectors, if a caller names none.
DEFAULT_BITS = 8


class Run(NamedTuple):
    """What all students of a run share.

    sources (Sequence[TeacherSource]): The teachers, as `load_teacher` takes them.
    teacher_options (TeacherOptions): How they are read.
    compact (bool): Whether to store the students' word vectors as `compact` does.
    bits (int): The bits per value of compact vectors.
    use_gpu (int): GPU id, -1 for the CPU.
    max_errors (int): Maximum number of documents to leave out because a teacher fails.
    overwrite (bool): Whether to replace models that are in an output folder.
    resume (bool): Whether to continue an interrupted training.
    stdout, stderr (IO): Streams for the logger, progress and warnings.
    """

    sources: Sequence[TeacherSource]
    teacher_options: TeacherOptions
    compact: bool
    bits: int
    use_gpu: int
    max_errors: int
    overwrite: bool
    resume: bool
    stdout: IO
    stderr: IO


def sources_of(
    teacher: Union[TeacherSource, Sequence[TeacherSource], None],
) -> Sequence[TeacherSource]:
    """List the teachers that a caller names: one, several, or none."""
    sources: Sequence[Any] = list(teacher) if isinstance(teacher, (list, tuple)) else [teacher]
    return [] if sources in ([None], [NONE]) else sources


def student_config(
    student: Union[str, Path, Config, Mapping[str, Any], None],
    overrides: Optional[Mapping[str, Any]],
    calibrate: Optional[bool],
    run: Run,
) -> Config:
    """Load the complete config of a student.

    student (Union[str, Path, Config, Mapping, None]): The config, as `distill` takes it.
    overrides (Optional[Mapping[str, Any]]): Values by dotted name.
    calibrate (Optional[bool]): Whether to calibrate at the end; None for the config's setting.
    run (Run): The run.
    RETURNS (Config): The config.
    RAISES (ValueError): A setting is missing or wrong.
    """
    choice = {} if calibrate is None else {"distillation.calibrate": calibrate}
    config = load_student_config(student, {**(overrides or {}), **choice}, run.sources)
    fill_training_corpus(config)
    return config


def require_run(run: Run, output: Optional[Path], *, has_text: bool) -> None:
    """Raise ValueError if the settings of a run cannot be combined, before anything is loaded."""
    require_range("max_errors", run.max_errors, 0)
    require_bits(run.bits)
    if run.bits != DEFAULT_BITS and not run.compact and not has_text:
        raise ValueError(
            f"[D619] Word vectors have {run.bits} bits only in a compact student. Add --compact, "
            "or leave out --bits."
        )
    require_device(run.use_gpu)
    if not run.sources and has_text:
        raise ValueError(
            "[D816] Raw text has no labels, so it can only be learnt from with a teacher. Name "
            "one, or name labeled and unlabeled documents in [paths] instead of the text."
        )
    if run.resume and (run.overwrite or output is None):
        found = "no output folder" if output is None else "--force too, which begins anew"
        raise ValueError(f"[D763] --resume continues a training in its folder: found {found}.")


def resumes_in(output: Optional[Path], run: Run, config: Config, text: Any = None) -> bool:
    """Decide whether a training continues at a checkpoint in its folder. Raise ValueError if it
    neither continues nor may begin there.

    output (Optional[Path]): The folder of its models.
    run (Run): What all students share.
    config (Config): The student's config.
    text (Any): The raw text to learn from, or None.
    RETURNS (bool): Whether it continues.
    """
    resumes = run.resume and output is not None and can_resume(output)
    if output is not None and not resumes:
        overwrite = run.overwrite or (run.resume and is_begun(output))
        require_output_dir(output, overwrite=overwrite)
        require_replaceable(output, *replaced_and_read(config, run, text))
    return resumes


def replaced_and_read(config: Config, run: Run, text: Any) -> Tuple[List[str], Dict[str, Any]]:
    """List what a distillation replaces in its folder, and what it reads, as `require_replaceable`
    takes them."""
    settings = config.interpolate()
    paths = settings.get("paths", {})
    read = {f"[paths] {name}": value for name, value in paths.items()}
    read |= {f"teacher {n}": source for n, source in enumerate(run.sources, start=1)}
    replaced = list(REPLACED)
    if text is not None:
        read["--text"] = text.source if isinstance(text, Input) else text
        has_vectors = settings.get("initialize", {}).get("vectors") is not None
        replaced += [TEXT] if has_vectors else [TEXT, VECTORS]
    return replaced, read


@contextmanager
def teachers_of(config: Config, run: Run) -> Iterator[Dict[str, Teacher]]:
    """Load the teachers of a config's components, and close their caches at the end. Then warn of
    entities that did not fit the student's tokens."""
    teachers = find_teachers(run.sources, config.interpolate(), run.teacher_options)
    with ExitStack() as stack:
        for item in teachers.values():
            if isinstance(item, CachedTeacher):
                stack.callback(item.close)
        yield teachers
    n_misfits = count_misfits(teachers.values())
    if n_misfits:
        once = all(isinstance(item, CachedTeacher) for item in teachers.values())
        title = (
            f"[D910] {n_misfits:,} of the teacher's entities did not fit the student's tokens"
            f"{'' if once else ' in all passes'}"
        )
        text = "The student learnt nothing at their tokens"
        run.stdout.write(Printer(no_print=True).warn(title, text) + "\n")


def train_one(
    config: Config,
    teachers: Mapping[str, Teacher],
    output: Optional[Path],
    run: Run,
    *,
    resumes: bool = False,
    has_text: bool = False,
    dev_teachers: Optional[Mapping[str, Teacher]] = None,
) -> Language:
    """Make one student, from its config to its models.

    config (Config): The complete config, in which labels are filled in.
    teachers (Mapping[str, Teacher]): The teacher of each component that learns.
    output (Optional[Path]): The folder of its models, which is locked.
    run (Run): What all students of the run share.
    resumes (bool): Whether to go on at the checkpoint in the output folder.
    has_text (bool): Whether it learns from raw text, and so is saved for apps too.
    dev_teachers (Optional[Mapping[str, Teacher]]): The teachers whose entities are looked for in
        development documents without labels; None for those that teach.
    RETURNS (Language): The student with its last parameters.
    RAISES (ValueError): A setting, a label, a corpus or a checkpoint is wrong.
    """
    fill_labels(config, teachers)
    nlp = initialize(config, run.use_gpu)
    if run.compact:
        require_vectors(nlp)
    nlp.meta["distillation"] = describe_distillation(nlp.config, run.sources)
    for name, source in teachers.items():
        labels = nlp.get_pipe(name).labels  # type: ignore[attr-defined]
        if isinstance(source, NoTeacher):
            source.labels = labels
        match_labels(source.labels, labels)
    origin: Origin = {}
    if output is not None:
        origin = training_origin(nlp, run.sources, run.teacher_options, run.use_gpu)
        if resumes:
            # Now, and not after hours in which the teacher reads.
            require_same_origin(output, origin)
    trained = train_student(
        nlp,
        teachers,
        output,
        dev_teachers=dev_teachers,
        max_errors=run.max_errors,
        origin=origin,
        resume=resumes,
        stdout=run.stdout,
        stderr=run.stderr,
    )
    if run.compact:
        for folder in (output / name for name in (MODEL_BEST, MODEL_LAST) if output):
            if folder.exists():
                save_pipeline(make_compact(load_pipeline(folder), bits=run.bits), folder)
        trained = make_compact(trained, bits=run.bits)
    if output is not None:
        if has_text:
            save_student(output, config, run.bits, run.stdout)
        # Only now that all is written.
        keep_origin(output, origin, compared_by_value(config, run.compact, run.bits))
        remove_directory(output / CHECKPOINT)
    return trained


def finished_training(output: Path, config: Config, run: Run) -> Language:
    """Load the last model of a finished training. Raise ValueError if the config, the teacher or
    another option was another one.

    output (Path): The folder of the models.
    config (Config): The student's config.
    run (Run): What all students of the run share.
    """
    new = given(config, run.sources, run.teacher_options)
    new |= compared_by_value(config, run.compact, run.bits)
    changed = finished_differences(output, new)
    if changed:
        raise ValueError(
            f"[D765] The training in '{output}' is finished, and it was another one. These differ "
            f"now: {'; '.join(changed)}. Name another output folder, or begin anew with --force."
        )
    text = f"The training in {output} is finished: nothing to resume"
    run.stdout.write(Printer(no_print=True).info(text) + "\n")
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
        **({"states": _describe_states(block["states"])} if block["states"] else {}),
        "batcher": dict(block["batcher"]),
        "settings": {name: value for name, value in settings.items() if value is not None},
    }


def _describe_states(block: Mapping[str, Any]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The block without a local path."""
    return {**block, "transformer": without_folder(str(block["transformer"]))}


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
