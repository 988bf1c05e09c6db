"""Small inputs for the layers, and random chains as training targets."""

import numpy
from spacy.tokens import Doc
from spacy.vectors import Vectors
from thinc.api import Ragged

from spacy_distill.chain import LinearChain, constraints, n_tags

# The same words in other cases, astral characters, and a word that is too long for the CNN.
WORDS = "In 1998 Anna met anna and ANNA in Łódź , or 😀🚀 in Llanfairpwllgwyngyllgogerychwyrn"
CHAIN_PARTS = ("emissions", "transitions", "start", "end")


def make_docs(vocab):
    words = WORDS.split()
    batch = [words, [], words[3:5], ["Anna"], []]
    return [Doc(vocab, words=batch_words) for batch_words in batch]


def add_vectors(vocab, width=3, words=("Anna", "anna", "in", "1998"), attr="ORTH"):
    data = numpy.random.default_rng(7).normal(size=(len(words), width)).astype("float32")
    keys = [vocab.strings.add(word) for word in words]
    vocab.vectors = Vectors(data=data, keys=keys, strings=vocab.strings, attr=attr)
    return dict(zip(words, data, strict=True))


def add_floret(vocab, attr="ORTH"):
    data = numpy.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    vocab.vectors = Vectors(
        data=data, mode="floret", hash_count=2, minn=2, maxn=3, strings=vocab.strings, attr=attr
    )


def random_ragged(rng, lengths, width):
    data = rng.normal(size=(sum(lengths), width)).astype("float32")
    return Ragged(data, numpy.asarray(lengths, dtype="int32"))


def random_chain(rng, lengths, n_labels, constrained):
    size = n_tags(n_labels)
    start, transitions, end = constraints(n_labels)
    if not constrained:
        start, transitions, end = (numpy.zeros_like(mask) for mask in (start, transitions, end))
    emissions = rng.normal(size=(sum(lengths), size)).astype("float32")
    return LinearChain(emissions, numpy.asarray(lengths), transitions, start, end)
