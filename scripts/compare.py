"""Show what a student finds next to its teacher, how fast both are and how well they agree:

python scripts/compare.py en_core_web_sm training/quick/student corpus/test.spacy
"""

from pathlib import Path
from statistics import median
from typing import Annotated, Dict, Iterable, List

import spacy
import typer
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from wasabi import msg

from spacy_distill.evaluation import megabytes, speeds
from spacy_distill.evaluation.systems import files_of
from spacy_distill.loading import load_pipeline


def load_reader(source: str) -> Language:
    """Load a pipeline with what its entities need: `ner` and what that listens to, if it has one.

    source (str): The name of a package, or a folder.
    RETURNS (Language): The pipeline.
    """
    nlp = load_pipeline(source)
    if nlp.has_pipe("ner"):
        heard = [name for name, pipe in nlp.pipeline if "ner" in getattr(pipe, "listener_map", {})]
        nlp.select_pipes(enable=[*heard, "ner"])
    return nlp


def agreement(teacher: Iterable[Doc], student: Iterable[Doc]) -> float:
    """Compute the F1 of a student's entities where the teacher's count as right."""
    pairs = zip(student, teacher, strict=True)
    return get_ner_prf([Example(predicted, right) for predicted, right in pairs])["ents_f"] or 0.0


def entities(doc: Doc) -> str:
    """Format the entities of a text."""
    return ", ".join(f"{ent.text} ({ent.label_})" for ent in doc.ents) or "none"


def main(
    teacher: Annotated[str, typer.Argument(help="Pipeline that taught: package or folder")],
    student: Annotated[str, typer.Argument(help="The student: package or folder")],
    corpus: Annotated[Path, typer.Argument(help="Texts that neither has learnt from (.spacy)")],
    shown: Annotated[int, typer.Option(help="Number of texts whose first sentences are shown")] = 3,
    rounds: Annotated[int, typer.Option(help="Number of passes to measure the speed")] = 3,
) -> None:
    """Print the entities of some sentences, and a table of speed, size and agreement."""
    systems: Dict[str, Language] = {
        "teacher": load_reader(teacher),
        "student": load_reader(student),
    }
    texts = [doc.text for doc in DocBin().from_disk(corpus).get_docs(spacy.blank("en").vocab)]
    splitter = spacy.blank("en")
    splitter.add_pipe("sentencizer")
    for doc in splitter.pipe(texts[:shown]):
        sentence = next(doc.sents).text.strip()
        print(f"\n{sentence}")
        for name, nlp in systems.items():
            print(f"  {name}: {entities(nlp(sentence))}")
    rates = speeds(systems, texts, rounds=rounds)
    found: Dict[str, List[Doc]] = {name: list(nlp.pipe(texts)) for name, nlp in systems.items()}
    rows = []
    for name, source in (("teacher", teacher), ("student", student)):
        folder = files_of(source)
        size = f"{megabytes(folder):.1f}" if folder else ""
        rows.append((name, f"{median(rates[name]):,.0f}", size))
    msg.table(rows, header=("", "words/s", "MB"), aligns=("l", "r", "r"), divider=True)
    msg.good(
        f"In {len(texts)} texts, the student agrees with its teacher at an F1 of "
        f"{100 * agreement(found['teacher'], found['student']):.1f}",
        "Words per second are on one core, with what the entities need",
    )


if __name__ == "__main__":
    typer.run(main)
