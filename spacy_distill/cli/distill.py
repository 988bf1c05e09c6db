"""`python -m spacy distill`."""

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Dict, Iterator, List, Optional

import typer
from click import NoSuchOption
from spacy.cli._util import Arg, Opt, app, parse_config_overrides
from thinc.config import ConfigValidationError
from wasabi import msg

from ..teachers.sources import split_sources
from ..training.checkpoints import MODEL_LAST
from ..training.distill import distill
from . import options
from .running import running
from .teacher_options import TypedOptions, takes_teacher_options


@app.command("distill", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@takes_teacher_options
def distill_cli(
    ctx: typer.Context,
    teacher: Annotated[str, Arg(help=f"{options.TEACHER_HELP}; or the folder of one soft corpus")],
    student_config: Annotated[
        Path, Arg(help="Config of the student", exists=True, dir_okay=False, allow_dash=True)
    ],
    output_path: options.Output,
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
    max_errors: options.MaxErrors = 0,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    force: options.Force = False,
    verbose: options.Verbose = False,
    *,
    teacher_options: TypedOptions,
) -> None:
    """
    Train a student on a teacher's predictions, and on gold entities where there are any. The config
    names the documents ([distillation] corpus). Its settings can be overridden on the command line:
    --distillation.max_steps 5000.
    """
    on_interrupt = partial(warn_of_model, output_path)
    with (
        running(verbose, code_path=code_path, on_interrupt=on_interrupt),
        named_config(student_config),
    ):
        distill(
            split_sources(teacher),
            student_config,
            output_path,
            overrides=read_overrides(ctx.args),
            teacher_options=teacher_options(),
            calibrate=calibrate,
            compact=compact,
            use_gpu=use_gpu,
            max_errors=max_errors,
            overwrite=force,
        )


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


def warn_of_model(output_path: Path) -> None:
    """Warn that a training was interrupted, and name the folder of the student if it was saved."""
    last = output_path / MODEL_LAST
    if last.exists():
        msg.warn("[D921] Interrupted", f"The student is saved in {last}, as trained so far")
    else:
        msg.warn("[D922] Interrupted", "No step was finished, so no student is saved")


@contextmanager
def named_config(student_config: Path) -> Iterator[None]:
    """Turn errors of the config's validation into one line with the name of the config."""
    try:
        yield
    except ConfigValidationError as error:
        problems = [f"{' -> '.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors or []]
        details = "; ".join(problems) or error.desc or error.title
        raise ValueError(f"[D109] The config {student_config} is not valid: {details}") from error
