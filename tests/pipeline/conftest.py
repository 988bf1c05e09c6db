"""Ten sentences, and students that are small enough to learn them in a second."""

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

SENTENCES = [
    ("Anna Berg sails to Oslo .", [(0, 2, "PER"), (4, 5, "LOC")]),
    ("Oslo is where Carl lives .", [(0, 1, "LOC"), (3, 4, "PER")]),
    ("The Nordic Tea Company hired Anna .", [(1, 4, "ORG"), (5, 6, "PER")]),
    ("It rains today .", []),
    ("Carl Maria Lund left New York .", [(0, 3, "PER"), (4, 6, "LOC")]),
    ("Lund Bank opened in Kiel .", [(0, 2, "ORG"), (4, 5, "LOC")]),
    ("Kiel waits for Lund Bank .", [(0, 1, "LOC"), (3, 5, "ORG")]),
    ("Nobody called .", []),
    ("New York Nordic Tea Company", [(0, 2, "LOC"), (2, 5, "ORG")]),
    ("Berg met Berg in Berg", [(0, 1, "PER"), (2, 3, "PER"), (4, 5, "LOC")]),
]

NARROW = {
    "@architectures": "spacy-distill.ChainTagger.v1",
    "embed": {
        "@architectures": "spacy-distill.WordEmbedding.v1",
        "vectors": {"@architectures": "spacy-distill.WordVectors.v1"},
        "features": {
            "@architectures": "spacy-distill.FormFeatures.v1",
            "width": 8,
            "rows": {"LOWER": 200, "SUFFIX": 100, "SHAPE": 50},
        },
        "characters": {
            "@architectures": "spacy-distill.CharacterCNN.v1",
            "width": 8,
            "filters": 16,
        },
    },
    "encode": {"@architectures": "spacy-distill.BiLSTM.v1", "width": 32, "depth": 1},
    "head": {"@architectures": "spacy-distill.CRF.v1"},
}


def make_doc(vocab, words, spans=(), **options):
    """options: Other arguments of `Doc.set_ents`."""
    doc = Doc(vocab, words=words.split(" ") if isinstance(words, str) else words)
    doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans], **options)
    return doc


def make_examples(nlp, sentences=SENTENCES):
    examples = []
    for words, spans in sentences:
        reference = make_doc(nlp.vocab, words, spans)
        examples.append(Example(Doc(nlp.vocab, words=words.split(" ")), reference))
    return examples


def make_student(*, sentences=SENTENCES, crf=True, seed=0):
    fix_random_seed(seed)
    nlp = spacy.blank("xx")
    head = {"@architectures": f"spacy-distill.{'CRF' if crf else 'Softmax'}.v1"}
    nlp.add_pipe("ner_student", config={"model": {**NARROW, "head": head}})
    nlp.initialize(lambda: make_examples(nlp, sentences))
    return nlp


def train(nlp, examples, *, steps=60, drop=0.0):
    """RETURNS (List[float]): The loss of each step."""
    optimizer = Adam(0.01)
    curve = []
    for _ in range(steps):
        losses = nlp.update(examples, sgd=optimizer, drop=drop)
        curve.append(next(iter(losses.values())))
    return curve


def entities(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def copy_of(nlp):
    return type(nlp).from_config(nlp.config).from_bytes(nlp.to_bytes())


@pytest.fixture(scope="session")
def newsroom():
    """The functions above."""

    class Newsroom:
        sentences = SENTENCES
        narrow = NARROW
        doc = staticmethod(make_doc)
        examples = staticmethod(make_examples)
        student = staticmethod(make_student)
        train = staticmethod(train)
        entities = staticmethod(entities)
        copy = staticmethod(copy_of)

    return Newsroom


@pytest.fixture(scope="session", params=[True, False], ids=["crf", "softmax"])
def learned(request):
    """A pipeline that has learnt the ten sentences. Use `newsroom.copy(learned)` to change it."""
    nlp = make_student(crf=request.param)
    train(nlp, make_examples(nlp))
    return nlp
