"""A teacher that is no model: what it thinks follows from the words, and needs no training."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc

from spacy_distill.chain import LinearChain, constraints, n_tags


class WordTeacher:
    """Scores each word by its hash, and counts the documents that it is asked for."""

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
    vocab = spacy.blank("en").vocab
    return lambda text, spaces=None: Doc(vocab, words=text.split(), spaces=spaces)
