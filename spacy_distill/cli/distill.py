"""`python -m spacy distill`."""

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, Iterator, List, Optional, Tuple

import typer
from click import NoSuchOption
from spacy.cli._util import Arg, Opt, app, parse_config_overrides
from thinc.config import ConfigValidationError
from wasabi import msg

from ..configs import SIZES
from ..corpora.inputs import Input
from ..teachers.sources import split_sources
from ..training.distill import distill
from ..training.output_folder import MODEL_LAST
from ..training.run import DEFAULT_BITS
from ..training.sizes import distill_sizes
from . import options
from .running import running
from .teacher_options import TypedOptions, takes_teacher_options


def config_or_override(value: str) -> str:
    """Check that a config exists. If it is left out, an override of a setting is in its place."""
    if value != "-" and not value.startswith("--") and not Path(value).is_file():
        raise typer.BadParameter(f"There is no file '{value}'.")
    return value


@app.command("distill", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@takes_teacher_options
def distill_cli(
    ctx: typer.Context,
    teacher: Annotated[
        str,
        Arg(
            help=f"{options.TEACHER_HELP}; or the folder of one soft corpus; or none, for no "
            "teacher"
        ),
    ],
    student_config: Annotated[
        Optional[str],
        Arg(
            help="Config of the student  [default: that of `distill-init`, in the teacher's "
            "language]",
            parser=config_or_override,
        ),
    ] = None,
    *,
    output_path: options.Output,
    text: Annotated[
        Optional[str],
        Opt(help=f"{options.TEXT_HELP}. A part is held out for development"),
    ] = None,
    text_field: options.TextField = "text",
    split: options.Split = "train",
    quoting: options.Quoting = None,
    limit: options.Limit = 0,
    calibrate: Annotated[
        Optional[bool],
        Opt(
            "--calibrate/--no-calibrate",
            help="Whether to fit the confidences to the development corpus at the end  "
            "[default: the config's [distillation] calibrate]",
        ),
    ] = None,
    compact: Annotated[
        bool,
        Opt("--compact", help="Store the student's word vectors as `distill-compact` does"),
    ] = False,
    bits: Annotated[
        int,
        Opt(help="With --compact or --text: bits per value of a word vector, 16, 8, 4 or 2"),
    ] = DEFAULT_BITS,
    generations: Annotated[
        int,
        Opt(
            min=1,
            help="Number of students that are trained one after another. Each but the first has "
            "the one before it as one more teacher",
        ),
    ] = 1,
    sizes: Annotated[
        Optional[str],
        Opt(
            help="Sizes of the student, separated by commas: small, base, large, or width and "
            "depth of its encoder, such as 100x1. Each gets a folder, and the best one is chosen"
        ),
    ] = None,
    max_mb: Annotated[
        Optional[float],
        Opt(
            "--max-mb",
            help="Maximum megabytes of the chosen student. Trains all three sizes if --sizes is "
            "left out",
        ),
    ] = None,
    min_words_per_second: Annotated[
        Optional[float],
        Opt(
            "--min-words-per-second",
            help="Minimum words/s of the chosen student, on one core of this machine. Trains all "
            "three sizes if --sizes is left out",
        ),
    ] = None,
    max_errors: options.MaxErrors = 0,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    force: options.Force = False,
    resume: Annotated[
        bool,
        Opt(
            "--resume",
            help="Continue an interrupted training in the output folder, from its last "
            "evaluation. Without one, the training begins anew",
        ),
    ] = False,
    verbose: options.Verbose = False,
    teacher_options: TypedOptions,
) -> None:
    """
    Train a student on a teacher's predictions, and on gold entities where there are any. The config
    names the documents ([distillation] corpus). Or --text names raw text: then word vectors are
    made, and the folder `student` of the output is compact and has a model card. Settings of the
    config can be overridden on the command line: --distillation.max_steps 5000.
    """
    arguments = ctx.args
    if student_config is not None and student_config.startswith("--"):
        arguments = [student_config, *arguments]
        student_config = None
    limits: Dict[str, Any] = {"max_mb": max_mb, "min_words_per_second": min_words_per_second}
    has_sizes = sizes is not None or any(limit is not None for limit in limits.values())
    on_interrupt: Callable[[], None] = warn_of_several
    if not has_sizes and generations == 1:
        on_interrupt = partial(warn_of_model, output_path, saved_at(output_path))
    with (
        running(verbose, code_path=code_path, on_interrupt=on_interrupt),
        named_config(student_config),
    ):
        source = None
        if text is not None:
            source = Input(text, text_field=text_field, split=split, quoting=quoting, limit=limit)
        elif (text_field, split, quoting, limit) != ("text", "train", None, 0):
            raise ValueError(
                "[D711] --text-field, --split, --quoting and --limit are for --text: found no "
                "text. Name it, or leave these options out."
            )
        shared: Dict[str, Any] = {
            "text": source,
            "overrides": read_overrides(arguments),
            "teacher_options": teacher_options(),
            "calibrate": calibrate,
            "compact": compact,
            "bits": bits,
            "use_gpu": use_gpu,
            "max_errors": max_errors,
            "overwrite": force,
            "resume": resume,
        }
        teachers = split_sources(teacher)
        if has_sizes and generations > 1:
            raise ValueError(
                "[D713] --generations and --sizes cannot be combined. Train the generations first, "
                "and name the last student as a teacher of the sizes."
            )
        if has_sizes:
            given = ",".join(SIZES) if sizes is None else sizes
            names = [name.strip() for name in given.split(",") if name.strip()]
            distill_sizes(teachers, student_config, output_path, sizes=names, **limits, **shared)
        else:
            distill(teachers, student_config, output_path, generations=generations, **shared)


def read_overrides(arguments: List[str]) -> Dict[str, Any]:
    """Parse overrides of the config's settings, by dotted name. Raise ValueError if an argument is
    no setting."""
    try:
        return parse_config_overrides(arguments)
    except NoSuchOption as error:
        raise ValueError(
            f"[D709] There is no option '{error.option_name}'. Settings of the config have a dot "
            "in their names, such as --distillation.max_epochs 10."
        ) from error


def saved_at(output_path: Path) -> Optional[Tuple[int, int]]:
    """RETURNS (Optional[Tuple[int, int]]): What tells whether the last model has been saved again:
    its inode and its time, which a clock that was set back does not mislead. None for no model."""
    last = output_path / MODEL_LAST
    if not last.exists():
        return None
    status = last.stat()
    return status.st_ino, status.st_mtime_ns


def warn_of_model(output_path: Path, before: Optional[Tuple[int, int]]) -> None:
    """Warn that a training was interrupted, and name the folder of the student if it was saved.

    output_path (Path): The output folder.
    before (Optional[Tuple[int, int]]): The result of `saved_at` before the training.
    """
    if saved_at(output_path) not in (None, before):
        msg.warn(
            "[D921] Interrupted",
            f"The student is saved in {output_path / MODEL_LAST}, as trained so far. To continue "
            "at the last evaluation, run the same command with --resume",
        )
    else:
        msg.warn("[D922] Interrupted", "No step was finished, so no student is saved")


def warn_of_several() -> None:
    """Warn that a training of several students was interrupted."""
    text = "To continue at the last evaluation, run the same command with --resume, without --force"
    msg.warn("[D924] Interrupted", f"Students that are finished stay. {text}")


@contextmanager
def named_config(student_config: Optional[str]) -> Iterator[None]:
    """Turn errors of the config's validation into one line with the name of the config."""
    try:
        yield
    except ConfigValidationError as error:
        problems = [f"{' -> '.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors or []]
        details = "; ".join(problems) or error.desc or error.title
        name = student_config or "of the student"
        raise ValueError(f"[D109] The config {name} is not valid: {details}") from error
