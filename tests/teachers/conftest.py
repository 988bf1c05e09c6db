"""Tiny teachers: one whose scores depend only on the words, spaCy's `ner`, and token
classifiers."""

import itertools
from dataclasses import replace
from functools import partial

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_distill.chain import LinearChain, constraints, n_tags


class WordTeacher:
    """Scores each word by its hash, and counts the documents that it reads."""

    def __init__(self, labels=("LOC", "PER")):
        self.labels = labels
        self.calls = []

    def predict_chain(self, docs):
        self.calls.append([doc.text for doc in docs])
        size = n_tags(len(self.labels))
        start, transitions, end = constraints(len(self.labels))
        rows = [
            numpy.random.default_rng(token.orth % 2**32).normal(size=size)
            for doc in docs
            for token in doc
        ]
        emissions = numpy.asarray(rows, dtype="float32").reshape(-1, size)
        lengths = numpy.asarray([len(doc) for doc in docs])
        return LinearChain(emissions, lengths, transitions + 0.5, start, end - 0.25)

    @property
    def n_read(self):
        return sum(len(call) for call in self.calls)


@pytest.fixture
def word_teacher():
    return WordTeacher()


@pytest.fixture
def doc():
    vocab = spacy.blank("xx").vocab
    return lambda text, spaces=None: Doc(vocab, words=text.split(), spaces=spaces)


# Entities have several tokens, so that a parse must continue them.
NAMED = {
    "PER": ["Anna", "Carl Lund", "Maria von der Holm"],
    "WORK-OF-ART": ["The Long Way to Kiel", "Lund", "A Song"],
    "LOC": ["Oslo", "New York", "Kiel"],
}
FRAMES = ["{PER} sails to {LOC} .", "In {LOC} {PER} read {WORK-OF-ART} .", "It rains ."]


def named_examples(nlp):
    """RETURNS (List[Example]): Each sentence frame with every third name."""
    examples = []
    for number, frame in itertools.product(range(3), FRAMES):
        words, spans = [], []
        for piece in frame.split():
            label = piece.strip("{}")
            names = NAMED.get(label, [piece]) if piece != label else [piece]
            name = names[number % len(names)].split()
            if piece != label:
                spans.append((len(words), len(words) + len(name), label))
            words += name
        doc = Doc(nlp.vocab, words=words)
        doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans])
        examples.append(Example(nlp.make_doc(doc.text), doc))
    return examples


def random_words(rng, length):
    """RETURNS (List[str]): Words that were seen in training, words that were not, and spaces."""
    seen = [word for names in NAMED.values() for name in names for word in name.split()]
    words = [*seen, *seen, "In", "sails", ".", "Zürich", "von", "\n", "  ", "1789"]
    return [words[number] for number in rng.integers(len(words), size=length)]


@pytest.fixture(scope="session")
def train_ner():
    """A pipeline with spaCy's `ner`, trained so briefly that it is often uncertain."""

    def train(factory="ner", updates=25, **settings):
        fix_random_seed(0)
        model = {
            "@architectures": "spacy.TransitionBasedParser.v2",
            "state_type": "ner",
            "extra_state_tokens": settings.pop("extra_state_tokens", False),
            "hidden_width": 16,
            "maxout_pieces": 2,
            "use_upper": settings.pop("use_upper", True),
            "tok2vec": {
                "@architectures": "spacy.HashEmbedCNN.v2",
                "pretrained_vectors": None,
                "width": 16,
                "depth": 2,
                "embed_size": 200,
                "window_size": 1,
                "maxout_pieces": 2,
                "subword_features": True,
            },
        }
        nlp = spacy.blank("xx")
        nlp.add_pipe(factory, name="ner", config={"model": model, **settings})
        examples = named_examples(nlp)
        nlp.initialize(lambda: examples)
        optimizer = Adam(0.01)
        for _ in range(updates):
            nlp.update(examples, sgd=optimizer)
        return nlp

    return train


@pytest.fixture(scope="session")
def random_docs():
    """Documents of random words, some of them empty or of one token."""

    def make(vocab, count, seed=0, longest=15):
        rng = numpy.random.default_rng(seed)
        lengths = [0, 1, 1, *rng.integers(longest, size=count)]
        texts = [random_words(rng, length) for length in lengths]
        return [Doc(vocab, words=words) for words in texts]

    return make


class UnsureTeacher(WordTeacher):
    """Marks words without a capital letter as unknown."""

    def predict_chain(self, docs):
        chain = super().predict_chain(docs)
        known = [token.text[0].isupper() for doc in docs for token in doc]
        return replace(chain, known=numpy.asarray(known, dtype=bool))


@pytest.fixture
def unsure_teacher():
    return UnsureTeacher()


# Token classifiers need the train extra, which the other tests here do without.


@pytest.fixture(scope="module")
def quiet():
    import torch
    import transformers

    # For a model of this size, several threads are slower than one.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def save(tmp_path):
    """Write a random model with these classes, and its tokenizer."""
    from tests.teachers.token_classifiers import save_classifier

    return partial(save_classifier, tmp_path)
