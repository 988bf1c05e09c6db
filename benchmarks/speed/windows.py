"""The effect of windows on long documents, on predictions and on speed:

python -m benchmarks.speed.windows training/student/model-best --text corpus/unlabeled.spacy

Documents are joined to longer ones. The student's fast encoder, which cuts these into windows, is
compared with the layers that it was trained with, which read them whole: entities that both find
(F1), the greatest difference of a score, and words a second of CPU time, on one thread. Both
compute in floats.
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

from pathlib import Path
from time import process_time
from typing import Annotated, Any, List, Optional, Set, Tuple

import numpy
import spacy
import typer
from spacy.tokens import Doc
from spacy.vocab import Vocab

from benchmarks.pages import show
from spacy_distill import kernels
from spacy_distill.chain import LinearChain
from spacy_distill.corpora.inputs import Input


def joined(documents: List[List[str]], vocab: Vocab, least: int) -> List[Doc]:
    """Join documents until each has at least a number of tokens."""
    docs = []
    words: List[str] = []
    for document in documents:
        words += document
        if len(words) >= least:
            docs.append(Doc(vocab, words=words))
            words = []
    return [*docs, Doc(vocab, words=words)] if words else docs


def entities(pipe: Any, chain: LinearChain) -> Set[Tuple[int, int, str]]:
    """Find the entities of the best sequences, by their tokens in all documents."""
    return set(pipe.tags.spans(chain.argmax()))


def main(
    student: Annotated[Path, typer.Argument(help="A pipeline with an ner_student")],
    text: Annotated[str, typer.Option(help="Text, as distill-annotate takes it")],
    sizes: Annotated[
        str, typer.Option(help="Least number of tokens in a document")
    ] = "1,1000,50000",
    limit: Annotated[int, typer.Option(help="Approximate number of tokens in all")] = 60_000,
    output: Annotated[Optional[Path], typer.Option(help="JSON file of measurements")] = None,
) -> None:
    """Measure and print a table."""
    kernels.use(f"{kernels.in_use},float32")
    nlp = spacy.load(student)
    pipe: Any = nlp.get_pipe("ner_student")
    encoder = pipe.model.layers[0]
    head = pipe.model.get_ref("output_layer")
    documents: List[List[str]] = []
    for document in Input(text):
        documents.append(document.words or [token.text for token in nlp.make_doc(document.text)])
        if sum(map(len, documents)) >= limit:
            break
    rows = []
    for size in map(int, sizes.split(",")):
        docs = joined(documents, nlp.vocab, size)
        n_words = sum(map(len, docs))
        found = []
        for layers in (encoder, encoder.layers[0]):
            layers.predict(docs[:1])
            start = process_time()
            chain = head.predict(layers.predict(docs))
            found.append((chain, n_words / (process_time() - start)))
        (fast, fast_rate), (whole, whole_rate) = found
        both = entities(pipe, fast), entities(pipe, whole)
        f1 = 200 * len(both[0] & both[1]) / max(sum(map(len, both)), 1)
        difference = float(numpy.abs(fast.emissions - whole.emissions).max())
        counts = (f"{len(docs):,}", f"{max(map(len, docs)):,}", f"{len(both[1]):,}")
        figures = (f"{f1:.3f}", f"{difference:.1e}", f"{fast_rate:,.0f}", f"{whole_rate:,.0f}")
        rows.append((*counts, *figures))
    rates = ("words/s, windows", "words/s, trained layers")
    header = ("documents", "longest", "entities", "F1", "difference", *rates)
    show(output, "windows", header, rows)


if __name__ == "__main__":
    typer.run(main)
