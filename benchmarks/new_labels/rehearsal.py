"""Forgetting of old labels when a student learns a new one, with and without rehearsal:

python -m benchmarks.new_labels.rehearsal conll2003 --sentences 3000

A student learns PER, LOC and ORG on the first sentences of `train.txt`. Then it gets MISC, and
learns it on as many sentences after these, in which nobody annotated the other labels. The table
has the strict F1 of the old labels and of the new one on `valid.txt`.

The student has no word vectors, so its scores are below those of the other benchmarks. Everything
runs in one thread.
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

import random
import time
from itertools import islice
from pathlib import Path
from typing import Annotated, Dict, Iterable, List, Sequence

import spacy
import typer
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import Adam, fix_random_seed

from spacy_distill.corpora.conll import read_conll

OLD, NEW = ("PER", "LOC", "ORG"), ("MISC",)
MODEL = {"encode": {"width": 100, "depth": 1}}
BATCH_SIZE, DROPOUT, RATE = 16, 0.3, 0.003
# How tokens without the new label are annotated: as outside, as unknown, or as outside but for
# those where the former student finds an entity, which are unknown.
WAYS = ("outside", "unknown", "outside, found ones unknown")


def annotated(
    nlp: Language, docs: Iterable[Doc], labels: Sequence[str], way: str = WAYS[0]
) -> List[Example]:
    """Make examples with the entities of some labels.

    nlp (Language): The student, which finds entities for the last way.
    docs (Iterable[Doc]): Documents with all gold entities.
    labels (Sequence[str]): The labels that somebody annotated.
    way (str): One of WAYS.
    RETURNS (List[Example]): The examples.
    """
    examples = []
    for gold in docs:
        words = [token.text for token in gold]
        reference, predicted = Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words)
        spans = [Span(reference, e.start, e.end, e.label_) for e in gold.ents if e.label_ in labels]
        taken = {token.i for span in spans for token in span}
        missing: List[Span] = []
        if way == WAYS[2]:
            found = nlp(Doc(nlp.vocab, words=words)).ents
            missing = [reference[e.start : e.end] for e in found if not taken & {t.i for t in e}]
        default = "missing" if way == WAYS[1] else "outside"
        reference.set_ents(spans, missing=missing, default=default)
        examples.append(Example(predicted, reference))
    return examples


def train(nlp: Language, examples: List[Example], epochs: int, *, rehearse: bool = False) -> None:
    """Train a student, with rehearsal of the same documents after each update if wanted."""
    optimizer = Adam(RATE)
    for epoch in range(epochs):
        random.Random(epoch).shuffle(examples)
        for batch in minibatch(examples, BATCH_SIZE):
            nlp.update(batch, sgd=optimizer, drop=DROPOUT)
            if rehearse:
                nlp.rehearse(batch, sgd=optimizer)


def scores(nlp: Language, docs: List[Doc]) -> Dict[str, float]:
    """Compute the F1 of the old labels and of the new one, in percent."""
    found = {}
    for name, labels in (("old", OLD), ("new", NEW)):
        examples = annotated(nlp, docs, labels)
        for doc in nlp.pipe([example.predicted for example in examples]):
            doc.set_ents([ent for ent in doc.ents if ent.label_ in labels])
        found[name] = 100 * (get_ner_prf(examples)["ents_f"] or 0.0)
    return found


def make_student(docs: List[Doc], epochs: int, seed: int) -> Language:
    """Create a student of the old labels."""
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_student", config={"model": MODEL})
    examples = annotated(nlp, docs, OLD)
    nlp.initialize(lambda: examples)
    train(nlp, examples, epochs)
    return nlp


def row(*cells: object) -> None:
    print("| " + " | ".join(f"{c:.1f}" if isinstance(c, float) else str(c) for c in cells) + " |")


def main(
    corpus: Annotated[Path, typer.Argument(help="Folder with train.txt and valid.txt")],
    sentences: Annotated[int, typer.Option(help="Sentences of each of the two trainings")] = 3000,
    epochs: Annotated[int, typer.Option(help="Epochs of the training on the old labels")] = 10,
    more_epochs: Annotated[int, typer.Option(help="Epochs of the training on the new label")] = 5,
    seeds: Annotated[int, typer.Option(help="Number of runs, whose mean is printed")] = 1,
) -> None:
    start = time.perf_counter()
    vocab = spacy.blank("en").vocab
    docs = list(islice(read_conll(corpus / "train.txt", vocab, tag_column=1), 2 * sentences))
    dev = list(read_conll(corpus / "valid.txt", vocab, tag_column=1))
    found: Dict[str, List[Dict[str, float]]] = {}
    for seed in range(seeds):
        student = make_student(docs[:sentences], epochs, seed)
        found.setdefault("before", []).append(scores(student, dev))
        for way in WAYS:
            for rehearse in (False, True):
                nlp = copy_of(student)
                examples = annotated(nlp, docs[sentences:], NEW, way)
                nlp.resume_training()
                nlp.get_pipe("ner_student").add_label(NEW[0])  # type: ignore[attr-defined]
                fix_random_seed(seed)
                train(nlp, examples, more_epochs, rehearse=rehearse)
                name = f"{way} | {'yes' if rehearse else 'no'}"
                found.setdefault(name, []).append(scores(nlp, dev))
                print(f"seed {seed}: {name}: {found[name][-1]}", flush=True)
    row("tokens without MISC", "rehearsal", f"F1 of {', '.join(OLD)}", f"F1 of {NEW[0]}")
    row("---", "---", "---:", "---:")
    for name, of_seeds in found.items():
        cells = name if " | " in name else f"{name} | "
        row(cells, *(sum(one[key] for one in of_seeds) / seeds for key in ("old", "new")))
    print(f"{time.perf_counter() - start:.0f} seconds")


def copy_of(nlp: Language) -> Language:
    """Copy a pipeline."""
    return type(nlp).from_config(nlp.config).from_bytes(nlp.to_bytes())


if __name__ == "__main__":
    typer.run(main)
