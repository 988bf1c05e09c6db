"""Command line options that say how teachers are read."""

from typing import Annotated, Optional

import typer

from ..teachers.labels import parse_label_map
from ..teachers.sources import TeacherOptions

PANEL = "Teacher"

TeacherPipe = Annotated[
    Optional[str],
    typer.Option("--teacher-pipe", help="Component that teaches", rich_help_panel=PANEL),
]
SpansKey = Annotated[
    Optional[str],
    typer.Option(
        "--spans-key", help="Read doc.spans[KEY] instead of entities", rich_help_panel=PANEL
    ),
]
Labels = Annotated[
    str,
    typer.Option(
        "--labels",
        help="Labels of a component that does not say which it has: PER,LOC",
        rich_help_panel=PANEL,
    ),
]
Confidence = Annotated[
    float,
    typer.Option(
        "--confidence",
        help="How probable entities are that were written without a score",
        rich_help_panel=PANEL,
    ),
]
LabelMap = Annotated[
    str,
    typer.Option(
        "--label-map",
        help="New labels, PERSON=PER,GPE=LOC; labels on neither side are left out",
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
        help="Label scheme of a Hugging Face model, if it cannot be told: iob2, io or iobes",
        rich_help_panel=PANEL,
    ),
]


def read_options(
    pipe: Optional[str],
    spans_key: Optional[str],
    labels: str,
    confidence: float,
    label_map: str,
    weights: str,
    scheme: Optional[str],
) -> TeacherOptions:
    """RETURNS (TeacherOptions): The options as they were typed; ValueError if they cannot be."""
    try:
        numbers = tuple(float(weight) for weight in _split(weights))
    except ValueError as error:
        raise ValueError(
            f"--weights {weights}: {error}. Give a number for each teacher, with commas: 2,1."
        ) from error
    return TeacherOptions(
        pipe,
        spans_key,
        tuple(_split(labels)),
        confidence,
        parse_label_map(label_map),
        numbers,
        scheme,
    )


def _split(text: str):
    return [part.strip() for part in text.split(",") if part.strip()]
