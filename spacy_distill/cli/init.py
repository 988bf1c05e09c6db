"""`python -m spacy distill-init`."""

import json
from enum import Enum
from importlib.resources import files
from math import sqrt
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from spacy.cli._util import Arg, Opt, app
from spacy.util import get_lang_class
from wasabi import msg

from ..names import model_place
from .failures import Verbose, explained

# (section, setting) -> value
Changes = Dict[tuple, str]
# What the steps in the configs go with.
USUAL_LABELED = 150
TRAINING_STEPS = "training.optimizer.learn_rate", "total_steps"


class Kind(str, Enum):
    """What the config is of."""

    student = "student"
    soft = "soft"
    teacher = "teacher"
    transformer = "transformer"


class Size(str, Enum):
    """How large the student's BiLSTM is."""

    small = "small"
    base = "base"
    large = "large"


WIDTHS = {Size.small: (100, 1), Size.base: (200, 2), Size.large: (300, 2)}


@app.command("distill-init")
def distill_init_cli(
    output_file: Path = Arg(
        ..., metavar="CONFIG", help="File to write, or - for standard output", allow_dash=True
    ),
    kind: Kind = Opt(
        Kind.student,
        "--kind",
        "-k",
        help="student: learns from any teacher; soft: from a soft corpus (`distill-annotate`); "
        "teacher: a BiLSTM over a transformer, to be trained on labels by `spacy train`; "
        "transformer: one fine-tuned alone",
    ),
    lang: str = Opt("en", "--lang", "-l", help="Code of the language"),
    teacher: Optional[str] = Opt(
        None,
        "--teacher",
        "-t",
        help="Who teaches the student, for the command at the head of the config and at the end",
    ),
    size: Optional[Size] = Opt(
        None, "--size", "-s", help="Size of the student's BiLSTM  [default: base]"
    ),
    labeled: Optional[int] = Opt(
        None,
        "--labeled",
        "-n",
        min=1,
        help="Labeled sentences for `spacy train`: more want more steps",
    ),
    vectors: Optional[str] = Opt(
        None, "--vectors", "-v", help="Pipeline with word vectors  [default: none]"
    ),
    transformer: Optional[str] = Opt(
        None, "--transformer", "-m", help="The teacher's transformer: a folder or hf:OWNER/NAME"
    ),
    overwrite: bool = Opt(False, "--overwrite", "-F", help="Replace the file if it is there"),
    verbose: Verbose = False,
) -> None:
    """
    Write a complete config with comments, to be trained as it is or to be changed.
    """
    with explained(verbose):
        to_console = str(output_file) == "-"
        if not to_console and output_file.exists() and not overwrite:
            raise ValueError(
                f"[D701] {output_file} is there already. Name another file, or --overwrite."
            )
        get_lang_class(lang)
        given = {"size": size, "labeled": labeled, "vectors": vectors, "transformer": transformer}
        given = {name: value for name, value in given.items() if value is not None}
        require_used(kind, {**given, "teacher": teacher}, lang)
        text = config_text(kind, lang=lang, **given)  # type: ignore[arg-type]
        config = Path(f"{kind.value}.cfg") if to_console else output_file
        command = next_command(kind, teacher or "TEACHER", config)
        if teacher is not None:
            text = with_command(text, command)
        if to_console:
            print(text, end="")
            return
        output_file.parent.mkdir(parents=True, exist_ok=True)
        output_file.write_text(text, encoding="utf8")
    msg.good(f"Wrote {output_file}", "Train it with, for example:")
    print(command)
    if kind in (Kind.student, Kind.soft) and vectors is None:
        msg.info(
            "Without word vectors a student knows little of unseen words",
            "Make some for --paths.vectors (docs/vectors.md):",
        )
        print(vectors_command(kind, lang))


def require_used(kind: Kind, given: Mapping[str, Any], lang: str) -> None:
    """Make sure that options are for something: a slip would go unnoticed.

    kind (Kind): What the config is of.
    given (Mapping[str, Any]): The options.
    lang (str): Code of the language.
    RAISES (ValueError): One is not for this kind, or one is missing.
    """
    of_students = kind in (Kind.student, Kind.soft)
    of = {
        "size": of_students,
        "teacher": of_students,
        "labeled": kind is not Kind.soft,
        "vectors": kind is not Kind.transformer,
        "transformer": not of_students,
    }
    for name, fits in of.items():
        if given.get(name) is not None and not fits:
            raise ValueError(
                f"[D702] A config of --kind {kind.value} has no --{name}. Leave it out."
            )
    if not of_students and lang != "en" and given.get("transformer") is None:
        raise ValueError(
            f"[D703] Name a --transformer for the language '{lang}': the one in the config is "
            "English."
        )


def config_text(
    kind: Kind,
    *,
    lang: str = "en",
    size: Size = Size.base,
    labeled: Optional[int] = None,
    vectors: Optional[str] = None,
    transformer: Optional[str] = None,
) -> str:
    """Make a config.

    kind (Kind): What it is of.
    lang (str): Code of the language.
    size (Size): How large the student is; a teacher's BiLSTM is of one size.
    labeled (Optional[int]): How many labeled sentences there are.
    vectors (Optional[str]): A pipeline with word vectors.
    transformer (Optional[str]): The teacher's transformer, a folder or `hf:OWNER/NAME`.
    RETURNS (str): The text, with comments. In a config of the kind "transformer", a name on the hub
        has no prefix, as spacy-transformers reads it.
    RAISES (ValueError): There is no such folder.
    """
    text = (files("spacy_distill.configs") / f"{kind.value}.cfg").read_text(encoding="utf8")
    changes: Changes = {("nlp", "lang"): json.dumps(lang)}
    if vectors is not None:
        changes["paths", "vectors"] = json.dumps(vectors)
    if transformer is not None:
        place = model_place(transformer)
        named = place if kind is Kind.transformer else transformer
        changes["paths", "transformer"] = json.dumps(named)
    if kind in (Kind.student, Kind.soft):
        width, depth = WIDTHS[size]
        changes["components.ner_student.model.encode", "width"] = str(width)
        changes["components.ner_student.model.encode", "depth"] = str(depth)
    if labeled is not None and kind is not Kind.soft:
        usual = int(value_of(text, *TRAINING_STEPS))
        changes[TRAINING_STEPS] = str(steps_for(labeled, usual))
    return with_values(text, changes)


def steps_for(labeled: int, usual: int) -> int:
    """RETURNS (int): Training steps for so many labeled sentences, where a config has so many for
    USUAL_LABELED: more by the square root, never fewer."""
    return round(usual * max(sqrt(labeled / USUAL_LABELED), 1))


def next_command(kind: Kind, teacher: str, config: Path) -> str:
    """RETURNS (str): The command that makes something of the config."""
    if kind in (Kind.teacher, Kind.transformer):
        lines = [f"python -m spacy train {config} --output training/teacher"]
        lines += ["--paths.train corpus/train.spacy --paths.dev corpus/dev.spacy"]
    elif kind is Kind.soft:
        lines = [f"python -m spacy distill-annotate {teacher} texts/ soft/"]
        lines[0] += f"\npython -m spacy distill soft/ {config} --output training/student"
        lines += ["--paths.soft soft/ --paths.dev corpus/dev.spacy"]
    else:
        lines = [f"python -m spacy distill {teacher} {config} --output training/student"]
        lines += ["--paths.unlabeled corpus/unlabeled.spacy --paths.dev corpus/dev.spacy"]
    return " \\\n    ".join(lines)


def vectors_command(kind: Kind, lang: str) -> str:
    """RETURNS (str): The command that makes word vectors for a student."""
    text = "texts/" if kind is Kind.soft else "corpus/unlabeled.spacy"
    return f"python -m spacy distill-vectors TRANSFORMER {text} assets/vectors --lang {lang}"


def with_command(text: str, command: str) -> str:
    """Add the command to the comment at the head, so that the config says who teaches.

    text (str): The config.
    command (str): The command that trains it, of one line or more.
    RETURNS (str): The config with a longer comment.
    """
    head, section, rest = text.partition("\n[")
    lines = ["# With its teacher:", *(f"#     {line}" for line in command.splitlines())]
    return "\n".join([head, *lines]) + section + rest


def value_of(text: str, section: str, setting: str) -> str:
    """RETURNS (str): A setting's value, as it is written."""
    lines = text.splitlines()
    start = lines.index(f"[{section}]")
    line = next(line for line in lines[start:] if line.startswith(f"{setting} ="))
    return line.partition("=")[2].strip()


def with_values(text: str, changes: Changes) -> str:
    """Change settings of a config and leave all else as it is written, comments too.

    text (str): The config.
    changes (Changes): New values, as they are written.
    RETURNS (str): The changed config.
    RAISES (KeyError): It does not have a setting.
    """
    left, section, lines = dict(changes), "", []
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        name = line.partition("=")[0].strip()
        value = left.pop((section, name), None)
        lines.append(line if value is None else f"{name} = {value}")
    if left:
        raise KeyError(f"No such settings: {', '.join(map(str, left))}")
    return "\n".join(lines) + "\n"
