"""Students that have learnt a few sentences: the same weights, read in several precisions."""

from typing import Dict, Iterator, List, Tuple

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Adam, fix_random_seed

from spacy_distill import compact

SENTENCES: Tuple[Tuple[str, List[Tuple[int, int, str]]], ...] = (
    ("Anna Berg sails to Oslo .", [(0, 2, "PER"), (4, 5, "LOC")]),
    ("Oslo is where Carl lives .", [(0, 1, "LOC"), (3, 4, "PER")]),
    ("The Nordic Tea Company hired Anna .", [(1, 4, "ORG"), (5, 6, "PER")]),
    ("It rains today .", []),
    ("Carl Maria Lund left New York .", [(0, 3, "PER"), (4, 6, "LOC")]),
    ("Lund Bank opened in Kiel .", [(0, 2, "ORG"), (4, 5, "LOC")]),
    ("Kiel waits for Lund Bank .", [(0, 1, "LOC"), (3, 5, "ORG")]),
    ("Nobody called .", []),
)
PRECISIONS = ("float32", "int8")


def examples(nlp: Language) -> Iterator[Example]:
    """YIELDS (Example): The sentences."""
    for text, spans in SENTENCES:
        reference = Doc(nlp.vocab, words=text.split(" "))
        reference.set_ents([Span(reference, *span) for span in spans])
        yield Example(Doc(nlp.vocab, words=text.split(" ")), reference)


def train_student(*, width: int = 200, steps: int = 30, crf: bool = True) -> Language:
    """Train a student with word vectors of some of its words.

    width (int): The width of the BiLSTM.
    steps (int): The number of updates.
    crf (bool): Whether the head has transition scores.
    RETURNS (Language): The student.
    """
    fix_random_seed(0)
    nlp = spacy.blank("en")
    rng = numpy.random.default_rng(0)
    for word in sorted({word for text, _ in SENTENCES for word in text.split(" ")}):
        nlp.vocab.set_vector(word, rng.normal(size=50).astype("float32"))
    head = {"@architectures": f"spacy-distill.{'CRF' if crf else 'Softmax'}.v1"}
    encode = {"width": width, "depth": 2}
    nlp.add_pipe("ner_student", config={"model": {"encode": encode, "head": head}})
    batch = list(examples(nlp))
    nlp.initialize(lambda: batch)
    optimizer = Adam(0.005)
    for _ in range(steps):
        nlp.update(batch, sgd=optimizer)
    return nlp


def with_precision(nlp: Language, precision: str) -> Language:
    """RETURNS (Language): A copy of a student that reads in another precision."""
    config = nlp.config.copy()
    config["components"]["ner_student"]["model"]["encode"]["precision"] = precision
    return load_model_from_config(config).from_bytes(nlp.to_bytes(exclude=["config.cfg"]))


def make_students(*, width: int = 200, steps: int = 30, crf: bool = True) -> Dict[str, Language]:
    """RETURNS (Dict[str, Language]): The same student in both precisions, and a compact one."""
    trained = train_student(width=width, steps=steps, crf=crf)
    students = {precision: with_precision(trained, precision) for precision in PRECISIONS}
    students["compact"] = compact(students["int8"], bits=4)
    return students
