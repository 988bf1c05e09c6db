"""Command line options that say how teachers are read."""

import functools
import json
from inspect import signature
from typing import Annotated, Any, Callable, List, Optional, Sequence

import typer

from ..teachers.labels import parse_label_map
from ..teachers.sources import DEFAULT_OPTIONS, OneOrEach, TeacherOptions, Value

PANEL = "Teacher"

TeacherPipe = Annotated[
    Optional[str],
    typer.Option(
        "--teacher-pipe",
        help="Component that teaches; for several teachers one for all, or one each: ner,ruler",
        rich_help_panel=PANEL,
    ),
]
SpansKey = Annotated[
    Optional[str],
    typer.Option(
        "--spans-key",
        help="Read doc.spans[KEY] instead of entities; one for all teachers, or one each",
        rich_help_panel=PANEL,
    ),
]
Labels = Annotated[
    str,
    typer.Option(
        "--labels",
        help="Labels of a component that does not say which it has: PER,LOC; or a JSON list",
        rich_help_panel=PANEL,
    ),
]
Confidence = Annotated[
    str,
    typer.Option(
        "--confidence",
        help="How probable entities are that were written without a score; one for all teachers, "
        "or one each: 0.9,0.6",
        rich_help_panel=PANEL,
    ),
]
Partial = Annotated[
    bool,
    typer.Option(
        "--partial",
        help="What a teacher does not have means nothing: labels that others have, and tokens "
        "without an entity that it wrote",
        rich_help_panel=PANEL,
    ),
]
LabelMap = Annotated[
    str,
    typer.Option(
        "--label-map",
        help="New labels, PERSON=PER,GPE=LOC, or a JSON object or .json file of them; labels on "
        "neither side are left out",
        rich_help_panel=PANEL,
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        "--weights", help="What each of several teachers counts: 2,1", rich_help_panel=PANEL
    ),
]
Scheme = Annotated[
    Optional[str],
    typer.Option(
        "--scheme",
        help="Label scheme of a Hugging Face model, if its labels do not show it: iob2, ioe2, io, "
        "iobes or types",
        rich_help_panel=PANEL,
    ),
]


# What a command calls to have the options as they were typed.
TypedOptions = Callable[[], TeacherOptions]


def takes_teacher_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of this file, at its end.

    command (Callable[..., Any]): A command with a keyword `teacher_options`, a `TypedOptions`, in
        the place of all of them.
    RETURNS (Callable[..., Any]): The command as typer takes it.
    """
    options = signature(read_options).parameters
    own = signature(command).parameters.values()

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        typed = {name: given.pop(name) for name in options}
        return command(**given, teacher_options=functools.partial(read_options, **typed))

    parameters = [item for item in own if item.name != "teacher_options"] + [*options.values()]
    run.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    return run


def read_options(
    teacher_pipe: TeacherPipe = None,
    spans_key: SpansKey = None,
    labels: Labels = "",
    confidence: Confidence = "",
    partial: Partial = False,
    label_map: LabelMap = "",
    weights: Weights = "",
    scheme: Scheme = None,
) -> TeacherOptions:
    """RETURNS (TeacherOptions): The options as they were typed; ValueError if they cannot be."""
    confidences = _one_or_each(_numbers("--confidence", confidence))
    return TeacherOptions(
        pipe=_one_or_each(_split(teacher_pipe or "")),
        spans_key=_one_or_each(_split(spans_key or "")),
        confidence=DEFAULT_OPTIONS.confidence if confidences is None else confidences,
        labels=tuple(_read_labels(labels)),
        partial=partial,
        label_map=parse_label_map(label_map),
        weights=tuple(_numbers("--weights", weights)),
        scheme=scheme,
    )


def _split(text: str) -> List[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _read_labels(text: str) -> List[str]:
    """RETURNS (List[str]): Labels with commas between them, or of a JSON list."""
    if not text.strip().startswith("["):
        return _split(text)
    try:
        labels: Any = json.loads(text)
    except ValueError:
        labels = None
    if not isinstance(labels, list) or not all(
        isinstance(label, str) and label.strip() for label in labels
    ):
        raise ValueError(
            f"[D285] --labels {text}: found no JSON list of labels. Write PER,LOC, or for labels "
            'with commas ["PER", "LOC"].'
        )
    return [label.strip() for label in labels]


def _one_or_each(values: Sequence[Value]) -> Optional[OneOrEach[Value]]:
    return tuple(values) if len(values) > 1 else values[0] if values else None


def _numbers(option: str, text: str) -> List[float]:
    try:
        return [float(part) for part in _split(text)]
    except ValueError as error:
        raise ValueError(
            f"[D704] {option} {text}: {error}. Give a number, or one for each teacher with commas: "
            "2,1."
        ) from error
