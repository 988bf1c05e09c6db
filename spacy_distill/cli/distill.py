"""`python -m spacy distill`."""

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import typer
from click import NoSuchOption
from spacy.cli._util import Arg, Opt, app, import_code, parse_config_overrides
from thinc.config import ConfigValidationError
from wasabi import msg

from ..teachers.sources import split_sources
from ..training.checkpoints import MODEL_LAST
from ..training.distill import distill
from .failures import Verbose, explained, on_interrupt
from .teacher_options import TypedOptions, takes_teacher_options


@app.command("distill", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@takes_teacher_options
def distill_cli(
    ctx: typer.Context,
    teacher: str = Arg(
        ...,
        help="Teacher: a pipeline, a soft corpus or a Hugging Face token classifier (folder or "
        "hf:OWNER/NAME); several, with commas, as an ensemble",
    ),
    student_config: Path = Arg(
        ..., help="Config of the student", exists=True, dir_okay=False, allow_dash=True
    ),
    output_path: Path = Opt(
        ..., "--output", "--output-path", "-o", help="Folder to store the trained student in"
    ),
    code_path: Optional[Path] = Opt(
        None,
        "--code",
        "-c",
        help="Python file with additional code (registered functions) to be imported",
    ),
    verbose: Verbose = False,
    use_gpu: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    max_errors: int = Opt(
        0,
        "--max-errors",
        help="Documents that may be left out, as the teacher fails on them",
    ),
    overwrite: bool = Opt(
        False, "--overwrite", "-F", help="Replace models that are in the output folder"
    ),
    *,
    teacher_options: TypedOptions,
) -> None:
    """
    Distil a teacher pipeline into the student of a config. The student learns from the teacher's
    probabilities over the documents of [distillation] corpus, and from their gold entities where
    they have some. Settings of the config can be overridden on the command line, e.g.
    --distillation.max_epochs 10.
    """
    interruptible = on_interrupt(partial(tell_interrupted, output_path))
    with explained(verbose), interruptible, named_config(student_config):
        overrides = read_overrides(ctx.args)
        import_code(code_path)
        distill(
            split_sources(teacher),
            student_config,
            output_path,
            overrides=overrides,
            teacher_options=teacher_options(),
            use_gpu=use_gpu,
            max_errors=max_errors,
            overwrite=overwrite,
        )


def read_overrides(arguments: List[str]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Settings of the config by dotted name; ValueError if one of the
    arguments is none."""
    try:
        return parse_config_overrides(arguments)
    except NoSuchOption as error:
        raise ValueError(
            f"[D709] There is no option '{error.option_name}'. Settings of the config have a dot "
            "in their names, such as --distillation.max_epochs 10."
        ) from error


def tell_interrupted(output_path: Path) -> None:
    """Say what is left of an interrupted training."""
    last = output_path / MODEL_LAST
    if last.exists():
        msg.warn("[D921] Interrupted", f"What was learnt so far is in {last}")
    else:
        msg.warn("[D922] Interrupted", "Nothing was learnt yet")


@contextmanager
def named_config(student_config: Path) -> Iterator[None]:
    """Name the config in errors of its validation, in one line."""
    try:
        yield
    except ConfigValidationError as error:
        problems = [f"{' -> '.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors or []]
        details = "; ".join(problems) or error.desc or error.title
        raise ValueError(f"[D109] The config {student_config} is not valid: {details}") from error
