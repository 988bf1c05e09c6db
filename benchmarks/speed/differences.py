"""What integers and small word vectors change, for several students:

python -m benchmarks.speed.differences training/baseline/model-best=corpus runs/sv=corpus-sv \
    --output docs/speed.json

A student comes with the folder of its `dev.spacy` and `test.spacy`; it is not compact. The exact
student computes in floats, with the word vectors as they are. "Other entities" are found by one of
the two alone. The first table compares integers with it. The second has the size of the word
vectors' table and of the first student's folder; the change of F1, on average over the students;
and the share of other entities in all test sets.
"""

import tempfile
from pathlib import Path
from statistics import mean
from typing import Annotated, Any, Dict, List, NamedTuple, Optional, Set, Tuple

import spacy
import typer
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.training import Corpus

from benchmarks.pages import show
from benchmarks.speed.shortcuts import predict
from spacy_distill import kernels
from spacy_distill.evaluation import megabytes
from spacy_distill.models.vector_table import BITS
from spacy_distill.training.compact import compact


class Found(NamedTuple):
    """Entities of a corpus, by document and place, and their F1 in percent."""

    entities: Set[Tuple[int, int, int, str]]
    f1: float


def find(nlp: Language, corpus: Path, part: str, precision: str) -> Found:
    """Tag a corpus in floats or integers."""
    kernels.use(f"{kernels.in_use},{precision}")
    examples = list(Corpus(corpus / f"{part}.spacy")(nlp))
    _, entities = predict(nlp, examples)
    return Found(entities, 100 * get_ner_prf(examples)["ents_f"])


def table_megabytes(nlp: Language) -> float:
    """Compute the size of the word vectors, with the keys of their words."""
    for node in nlp.get_pipe("ner_student").model.walk():  # type: ignore[attr-defined]
        if node.attrs.get("vector_table"):
            return sum(array.nbytes for array in node.attrs["vector_table"].values()) / 1e6
    vectors = nlp.vocab.vectors
    return (vectors.data.nbytes + 12 * vectors.n_keys) / 1e6


def sizes(nlp: Language) -> List[str]:
    with tempfile.TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        found = (table_megabytes(nlp), megabytes(Path(folder)))
    return [f"{size:.1f}" for size in found]


def main(
    students: Annotated[List[str], typer.Argument(help="STUDENT=CORPUS, two folders each")],
    output: Annotated[Optional[Path], typer.Option(help="JSON file of measurements")] = None,
) -> None:
    """Measure and print both tables."""
    loaded = [
        (Path(student), spacy.load(student), Path(corpus))
        for student, corpus in (pair.split("=") for pair in students)
    ]
    exact: Dict[Tuple[Path, str], Found] = {}
    rows: List[Tuple[str, ...]] = []
    for path, nlp, corpus in loaded:
        for part in ("dev", "test"):
            exact[path, part] = find(nlp, corpus, part, "float32")
        found, integers = exact[path, "test"], find(nlp, corpus, "test", "int8")
        encode: Any = nlp.config["components"]["ner_student"]["model"]["encode"]  # type: ignore[index]
        name = f"{corpus.name}, {encode['depth']} x {encode['width']}"
        other = len(found.entities ^ integers.entities)
        figures = (f"{found.f1:.2f}", f"{integers.f1:.2f}", str(other))
        rows.append((name, nlp.lang or "", f"{len(found.entities):,}", *figures))
    total = sum(len(found.entities) for (_, part), found in exact.items() if part == "test")
    other = sum(int(row[-1]) for row in rows)
    rows.append(("all", "", f"{total:,}", "", "", f"{other} ({100 * other / max(total, 1):.2f} %)"))
    header: Tuple[str, ...] = ("student", "language", "entities", "F1, floats", "F1, integers")
    show(output, "differences", (*header, "other entities"), rows)

    rows = [("32, not compact", *sizes(loaded[0][1]), "", "", "")]
    for bits in BITS:
        gains: Dict[str, List[float]] = {"dev": [], "test": []}
        other = 0
        for number, (path, nlp, corpus) in enumerate(loaded):
            small = compact(nlp, bits=bits)
            if not number:
                size = sizes(small)
            for part, values in gains.items():
                found = find(small, corpus, part, "float32")
                values.append(found.f1 - exact[path, part].f1)
            other += len(found.entities ^ exact[path, "test"].entities)
        changes = (f"{mean(values):+.2f}" for values in gains.values())
        rows.append((str(bits), *size, *changes, f"{100 * other / max(total, 1):.2f} %"))
    header = ("bits", "MB table", "MB folder", "dev F1", "test F1", "other entities")
    show(output, "vectors", header, rows)


if __name__ == "__main__":
    typer.run(main)
