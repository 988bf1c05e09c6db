"""`python -m spacy distill-card`."""

from typing import Annotated, Optional

from spacy.cli._util import Opt, app
from wasabi import msg

from ..evaluation import summary
from ..evaluation.card import write_card
from . import options
from .running import running


@app.command("distill-card")
def distill_card_cli(
    student: options.Student,
    corpus: options.Corpus,
    output_path: options.Output,
    data: options.TestSet = "",
    name: Annotated[Optional[str], Opt(help="Name of the package, without the language")] = None,
    version: Annotated[Optional[str], Opt(help="Version of the package")] = None,
    description: Annotated[
        Optional[str],
        Opt(help="Description of the student, a sentence  [default: its labels, F1 and speed]"),
    ] = None,
    license: Annotated[Optional[str], Opt(help="License of the package")] = None,
    author: Annotated[Optional[str], Opt(help="Author of the package")] = None,
    sources: Annotated[
        Optional[str],
        Opt(
            help="Data and teachers, each with its license, separated by semicolons: "
            "'Our news (CC0); roberta-base (MIT)'"
        ),
    ] = None,
    notes: Annotated[Optional[str], Opt(help="Further notes for users, in Markdown")] = None,
    gold_spans_key: options.GoldSpansKey = None,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    force: options.Force = False,
    verbose: options.Verbose = False,
) -> None:
    """
    Evaluate a student on labeled documents, and write it with a model card: the results in
    meta.json, and a README.md that `spacy package` puts into the package.
    """
    with running(verbose, code_path=code_path, use_gpu=use_gpu):
        meta = write_card(
            student,
            corpus,
            output_path,
            data=data,
            name=name,
            version=version,
            description=description,
            license=license,
            author=author,
            sources=[part.strip() for part in sources.split(";")] if sources else None,
            notes=notes,
            gold_spans_key=gold_spans_key,
            overwrite=force,
        )
    msg.good(f"Wrote {output_path}, with README.md", summary(meta))
