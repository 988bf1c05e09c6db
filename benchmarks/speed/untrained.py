"""A new student, for the section of `measure.py` about training."""

import random
from dataclasses import replace
from typing import Any, Callable, Dict, List

import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from benchmarks.speed.systems import Words, add_random_vectors


def untrained(batches: List[List[Words]], n_labels: int) -> Dict[str, Callable[[], None]]:
    """Create a new student of default size with random word vectors.

    RETURNS (Dict[str, Callable[[], None]]): What trains it on the batches, on entities that are
        drawn, and on a teacher whose chains are ready.
    """
    fix_random_seed(0)
    generator = random.Random(0)
    nlp = spacy.blank("en")
    words = sorted({word.lower() for batch in batches for words in batch for word in words})
    add_random_vectors(nlp, words, (len(words), 50))
    pipe: Any = nlp.add_pipe("ner_student")
    labels = [f"LABEL{number}" for number in range(n_labels)]
    for label in labels:
        pipe.add_label(label)
    examples = []
    for batch in batches:
        golds = [Doc(nlp.vocab, words=words) for words in batch]
        for gold in golds:
            start = generator.randrange(len(gold))
            end = min(start + generator.choice((1, 2, 3)), len(gold))
            gold.set_ents([Span(gold, start, end, label=generator.choice(labels))])
        examples.append(
            [
                Example(Doc(nlp.vocab, words=words), gold)
                for words, gold in zip(batch, golds, strict=True)
            ]
        )
    pipe.initialize(lambda: examples[0], nlp=nlp, labels=labels)
    chains = [pipe.predict_chain([example.reference for example in batch]) for batch in examples]
    optimizer = Adam(0.001)

    class Teacher:
        def __init__(self, chain: Any) -> None:
            self.labels, self.chain = pipe.labels, chain

        def predict_chain(self, docs: Any) -> Any:
            return self.chain

    def update() -> None:
        for batch in examples:
            pipe.update(batch, drop=0.3, sgd=optimizer)

    def distill() -> None:
        for batch, chain in zip(examples, chains, strict=True):
            # A new chain each time, as from a cache, since a chain keeps its results.
            pipe.distill(Teacher(replace(chain)), batch, drop=0.3, sgd=optimizer)

    return {"update": update, "distill": distill}
