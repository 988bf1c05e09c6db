"""`python -m spacy distill-card`."""

from pathlib import Path
from typing import Optional

from spacy.cli._util import Arg, Opt, app
from wasabi import msg

from ..corpora.labeled import read_examples
from ..evaluation import measure, model_card, processor, summary, words_per_second
from ..loading import load_pipeline
from ..saving import replaced_directory
from ..training.calibrate import find_component
from .failures import Verbose, explained
from .output import require_free


@app.command("distill-card")
def distill_card_cli(
    student: str = Arg(..., help="Trained pipeline with a ner_student: package or folder"),
    test: Path = Arg(..., help="Labeled .spacy file to evaluate it on", exists=True),
    output_path: Path = Arg(..., metavar="OUTPUT", help="Folder to write the pipeline to"),
    data: str = Opt("", "--data", "-d", help="What the test set is  [default: the file's name]"),
    name: Optional[str] = Opt(None, "--name", "-n", help="The package's name, without language"),
    version: Optional[str] = Opt(None, "--version", "-v", help="The package's version"),
    description: Optional[str] = Opt(
        None, "--description", help="What it finds, in a sentence  [default: labels, F1 and speed]"
    ),
    license: Optional[str] = Opt(None, "--license", help="The package's own license"),
    author: Optional[str] = Opt(None, "--author", help="Who made it"),
    sources: Optional[str] = Opt(
        None,
        "--sources",
        help="What it was made of, data and teachers, each with its license, with semicolons "
        "between them, such as 'Our news (CC0); roberta-base (MIT)'",
    ),
    notes: Optional[str] = Opt(None, "--notes", help="What else its users should know"),
    gold_spans_key: Optional[str] = Opt(
        None, "--gold-spans-key", help="Take doc.spans[KEY] of the corpus for its gold entities"
    ),
    overwrite: bool = Opt(
        False, "--overwrite", "-F", help="Replace a pipeline that is in the output folder"
    ),
    verbose: Verbose = False,
) -> None:
    """
    Evaluate a student, and write it with a card of what it is: meta.json and a README.md, which
    `spacy package` puts into the package.
    """
    with explained(verbose):
        require_free(output_path, overwrite=overwrite)
        nlp = load_pipeline(student)
        find_component(nlp)
        scores = measure(nlp, read_examples(test, nlp, spans_key=gold_spans_key))
        texts = [example.reference.text for example in read_examples(test, nlp, labeled=False)]
        scores["speed"] = words_per_second(nlp, texts)
        given = {
            "name": name,
            "version": version,
            "description": description,
            "license": license,
            "author": author,
            "sources": sources and [part.strip() for part in sources.split(";")],
            "notes": notes,
        }
        nlp.meta.update({key: value for key, value in given.items() if value is not None})
        nlp.meta["performance"] = scores
        nlp.meta["evaluation"] = {"data": data or test.name, "machine": processor()}
        nlp.meta["description"] = nlp.meta["description"] or summary(nlp.meta)
        with replaced_directory(output_path) as unfinished:
            nlp.to_disk(unfinished)
            (unfinished / "README.md").write_text(model_card(nlp.meta), encoding="utf8")
    msg.good(f"Wrote {output_path}, with README.md", summary(nlp.meta))
