"""Files of a user: a teacher, a corpus and a student's config."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from tests.small_student import SMALL_STUDENT

CONFIG = """
[paths]
train = "{corpus}"

"""
CONFIG += SMALL_STUDENT % {"filters": 8, "width": 16}
CONFIG += """
[corpora]

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${{paths.train}}

[training]
seed = 0
gpu_allocator = null
eval_frequency = 2

[training.logger]
@loggers = "spacy.ConsoleLogger.v3"

[distillation]
corpus = "corpora.train"
max_steps = 4
"""
SENTENCES = [("Anna sails to Oslo", [(0, 1, "PER"), (3, 4, "LOC")]), ("It rains", [])]


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Paths of the teacher and the config."""
    folder = tmp_path_factory.mktemp("files")
    nlp = spacy.blank("xx")
    docs = []
    for words, spans in SENTENCES:
        doc = Doc(nlp.vocab, words=words.split())
        doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans])
        docs.append(doc)
    DocBin(docs=docs).to_disk(folder / "corpus.spacy")
    nlp.add_pipe(
        "ner_student",
        config={
            "model": {"embed": {"characters": {"filters": 8}}, "encode": {"width": 16, "depth": 1}}
        },
    )
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in docs])
    nlp.to_disk(folder / "teacher")
    (folder / "student.cfg").write_text(CONFIG.format(corpus=folder / "corpus.spacy"))
    return {"teacher": str(folder / "teacher"), "config": str(folder / "student.cfg")}


TEXTS = ["Anna sails", "Nobody sails", "Carl left", "It rains"] * 3


@pytest.fixture(scope="session")
def uncertain(tmp_path_factory):
    """A student after a short training, and a corpus on which it makes errors."""
    folder = tmp_path_factory.mktemp("uncertain")
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_student", config={"model": {"encode": {"width": 16, "depth": 1}}})
    docs = [nlp.make_doc(text) for text in TEXTS]
    for doc in docs:
        is_name = doc[0].text in ("Anna", "Carl")
        doc.set_ents([Span(doc, 0, 1, label="PER")] if is_name else [])
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(folder / "student")
    for doc in docs[:3]:
        doc.set_ents([])
    DocBin(docs=docs).to_disk(folder / "dev.spacy")
    return folder / "student", folder / "dev.spacy"
