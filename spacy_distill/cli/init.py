"""`python -m spacy distill-init`."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

from spacy.cli._util import Opt, app
from spacy.util import get_lang_class
from wasabi import msg

from ..checks import require_local
from ..configs import make_config
from . import options
from .running import running


class Kind(str, Enum):
    """The kind of a config."""

    student = "student"
    soft = "soft"
    teacher = "teacher"
    transformer = "transformer"


class Size(str, Enum):
    """The size of a student's BiLSTM."""

    small = "small"
    base = "base"
    large = "large"


TRAIN = """python -m spacy train {config} --output training/teacher \\
    --paths.train corpus/train.spacy --paths.dev corpus/dev.spacy"""
DISTIL = """python -m spacy distill TEACHER {config} --output training/student \\
    --paths.unlabeled corpus/unlabeled.spacy --paths.dev corpus/dev.spacy"""
DISTIL_SOFT = """python -m spacy distill-annotate TEACHER texts/ --output soft/
python -m spacy distill soft/ {config} --output training/student \\
    --paths.dev corpus/dev.spacy"""
# Examples of the next commands, by the kind of the config.
NEXT = {"student": DISTIL, "soft": DISTIL_SOFT, "teacher": TRAIN, "transformer": TRAIN}
VECTORS = "python -m spacy distill-vectors TRANSFORMER {text} --output assets/vectors --lang {lang}"


@app.command("distill-init")
def distill_init_cli(
    output_path: Annotated[
        Path, Opt("--output", "-o", help="File to write, or - for standard output", allow_dash=True)
    ] = Path("-"),
    kind: Annotated[
        Kind,
        Opt(
            help="student: learns from any teacher; soft: a student that learns from a soft corpus "
            "of `distill-annotate`; teacher: a BiLSTM over a transformer, trained by `spacy "
            "train`; transformer: a transformer that `spacy train` fine-tunes"
        ),
    ] = Kind.student,
    lang: Annotated[str, Opt("--lang", "-l", help="Code of the language")] = "en",
    size: Annotated[
        Optional[Size], Opt(help="Size of the student's BiLSTM  [default: base]")
    ] = None,
    labeled: Annotated[
        Optional[int],
        Opt(min=1, help="Number of labeled sentences, which sets the steps of `spacy train`"),
    ] = None,
    vectors: Annotated[
        Optional[str], Opt(help="Pipeline with word vectors  [default: none]")
    ] = None,
    transformer: Annotated[
        Optional[str], Opt(help="Transformer of the teacher: a folder or hf:OWNER/NAME")
    ] = None,
    force: options.Force = False,
    verbose: options.Verbose = False,
) -> None:
    """
    Write a complete config with comments. It can be used unchanged or adapted.
    """
    to_console = str(output_path) == "-"
    with running(verbose):
        if not to_console and output_path.exists() and not force:
            raise ValueError(
                f"[D701] The file {output_path} exists already. Name another file, or --force."
            )
        get_lang_class(lang)
        text = make_config(
            kind.value,
            lang=lang,
            size=size and size.value,
            labeled=labeled,
            vectors=vectors,
            transformer=transformer,
        )
        if to_console:
            print(text, end="")
            return
        require_local(output_path)
        output_path.parent.mkdir(parents=True, exist_ok=True)
        output_path.write_text(text, encoding="utf8")
    msg.good(f"Wrote {output_path}", "Train it with, for example:")
    print(NEXT[kind.value].format(config=output_path))
    if kind.value in ("student", "soft") and vectors is None:
        msg.info(
            "Without word vectors, a student knows little about words that are not in its corpus",
            "Make vectors for --paths.vectors (docs/vectors.md):",
        )
        source = "texts/" if kind is Kind.soft else "corpus/unlabeled.spacy"
        print(VECTORS.format(text=source, lang=lang))
