"""Command line options for teachers."""

import functools
import json
from inspect import Parameter, signature
from typing import Annotated, Any, Callable, List, Mapping, Optional, Sequence

from spacy.cli._util import Opt

from ..teachers.label_map import parse_label_map
from ..teachers.sources import DEFAULT_OPTIONS, OneOrEach, TeacherOptions, Value

# Help for the options, by the field of TeacherOptions.
HELP = {
    "teacher_pipe": "Component that teaches; one for all teachers, or one for each: ner,ruler",
    "spans_key": "Key of doc.spans to read instead of doc.ents; one for all teachers, or one for "
    "each",
    "score_attr": "Extension attribute with the probability of an entity or span, by default "
    "'score'; one for all teachers, or one for each",
    "labels": "Labels of a component that does not list its labels: PER,LOC; or a JSON list",
    "assumed_confidence": "Probability of entities without a score; one for all teachers, or one "
    "for each: 0.9,0.6",
    "partial_labels": "Treat labels that a teacher lacks, and tokens outside the entities that it "
    "writes, as unknown instead of O",
    "label_map": "New labels: PERSON=PER,GPE=LOC, a JSON object, or a .json file; all other labels "
    "are left out",
    "weights": "Weights of several teachers: 2,1",
    "scheme": "Label scheme of a Hugging Face model, if its labels do not show it: iob2, ioe2, io, "
    "iobes or types",
    "matmul_precision": "Precision of torch's matrix products while teachers read: highest, high "
    "or medium, which is bfloat16 where the processor multiplies it faster  [default: torch's]",
}
# All other defaults are "".
DEFAULTS = {"assumed_confidence": str(DEFAULT_OPTIONS.assumed_confidence), "partial_labels": False}

# Parses the options of a command line.
TypedOptions = Callable[[], TeacherOptions]


def takes_teacher_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of HELP to a command, after its own options.

    command (Callable[..., Any]): A command with the keyword argument `teacher_options`, a
        `TypedOptions` for all of them.
    RETURNS (Callable[..., Any]): The command with a parameter for each option, as typer needs it.
    """
    own = signature(command).parameters.values()
    parameters = [item for item in own if item.name != "teacher_options"]
    for name, text in HELP.items():
        default = DEFAULTS.get(name, "")
        info = Opt(f"--{name.replace('_', '-')}", help=text, rich_help_panel="Teacher")
        option: Any = Annotated[type(default), info]  # type: ignore[valid-type]
        parameters.append(
            Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=option)
        )

    @functools.wraps(command)
    def run(**values: Any) -> Any:
        typed = {name: values.pop(name) for name in HELP}
        return command(**values, teacher_options=functools.partial(read_options, typed))

    run.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    return run


def read_options(typed: Mapping[str, Any]) -> TeacherOptions:
    """Parse the options of a command line; raise ValueError if one is malformed."""
    confidences = _read_floats("--assumed-confidence", typed["assumed_confidence"])
    return TeacherOptions(
        teacher_pipe=_one_or_each(_split(typed["teacher_pipe"])),
        spans_key=_one_or_each(_split(typed["spans_key"])),
        score_attr=_one_or_each(_split(typed["score_attr"])),
        assumed_confidence=confidences[0] if len(confidences) == 1 else tuple(confidences),
        labels=tuple(_read_labels(typed["labels"])),
        partial_labels=typed["partial_labels"],
        label_map=parse_label_map(typed["label_map"]),
        weights=tuple(_read_floats("--weights", typed["weights"])),
        scheme=typed["scheme"] or None,
        matmul_precision=typed["matmul_precision"] or None,
    )


def _split(text: str) -> List[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _read_labels(text: str) -> List[str]:
    """Parse labels, separated by commas or in a JSON list."""
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


def _read_floats(option: str, text: str) -> List[float]:
    try:
        return [float(part) for part in _split(text)]
    except ValueError as error:
        raise ValueError(
            f"[D704] {option} {text}: {error}. Give a number, or one for each teacher with commas: "
            "2,1."
        ) from error
