"""The effect of a student's shortcuts on its predictions:

python -m benchmarks.speed.shortcuts training/student/model-best corpus/test.spacy

The first row is the exact student: the layers that it was trained with, whole documents, word
vectors as they are. The others are what an app runs, with each kind of kernels, then with compact
word vectors: F1, the entities that differ from the exact ones, and the greatest difference of an
emission.
"""

from pathlib import Path
from typing import Annotated, Any, List, Optional, Set, Tuple

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.training import Corpus, Example
from wasabi import msg

from benchmarks.pages import show
from spacy_distill import kernels
from spacy_distill.models.vector_table import BITS
from spacy_distill.pipeline.prediction import Prediction
from spacy_distill.training.compact import compact


def predict(nlp: Language, examples: List[Example], *, exact: bool = False) -> Tuple[Any, Set]:
    """Tag examples' predicted documents.

    exact (bool): Use the layers that are trained.
    RETURNS (Tuple[Floats2d, Set]): Emissions, and entities as (document, start, end, label).
    """
    pipe: Any = nlp.get_pipe("ner_student")
    encoder = pipe.model.layers[0]
    docs = [example.predicted for example in examples]
    emissions, tags = [], []
    for start in range(0, len(docs), 128):
        batch = docs[start : start + 128]
        states = (encoder.layers[0] if exact else encoder).predict(batch)
        chain = pipe.model.get_ref("output_layer").predict(states)
        emissions.append(chain.emissions)
        tags.append(chain.argmax())
    pipe.set_annotations(docs, Prediction(numpy.concatenate(tags)))
    entities = {
        (number, ent.start, ent.end, ent.label_)
        for number, doc in enumerate(docs)
        for ent in doc.ents
    }
    return numpy.concatenate(emissions), entities


def main(
    student: Annotated[Path, typer.Argument(help="A pipeline with an ner_student, not compact")],
    test: Annotated[Path, typer.Argument(help="Labeled documents, a .spacy file")],
    output: Annotated[Optional[Path], typer.Option(help="JSON file of measurements")] = None,
) -> None:
    """Measure and print a table."""
    nlp = spacy.load(student)
    best = kernels.in_use
    table = []
    exact: Any = None

    def measure(name: str, pipeline: Language, **options: bool) -> None:
        nonlocal exact
        examples = list(Corpus(test)(pipeline))
        emissions, entities = predict(pipeline, examples, **options)
        exact = exact or (emissions, entities)
        f1 = 100 * get_ner_prf(examples)["ents_f"]
        difference = numpy.abs(emissions - exact[0]).max()
        table.append((name, f"{f1:.2f}", f"{len(entities ^ exact[1])}", f"{difference:.1e}"))

    kernels.use("numpy")
    measure("trained layers", nlp, exact=True)
    for precision in reversed(kernels.PRECISIONS):
        for choice in reversed(kernels.CHOICES):
            kernels.use(f"{choice},{precision}")
            nlp = spacy.load(student)  # with an empty cache
            measure(f"{precision}, {choice}", nlp)
    kernels.use(best)
    for bits in BITS:
        measure(f"int8, {best}, vectors in {bits} bits", compact(nlp, bits=bits))
    msg.text(f"{len(exact[1])} entities in {sum(1 for _ in Corpus(test)(nlp))} documents")
    header = ("student", "F1", "other entities", "greatest difference")
    show(output, "shortcuts", header, table)


if __name__ == "__main__":
    typer.run(main)
