"""The reference for the algebra: an enumeration of all tag sequences in float64."""

from dataclasses import dataclass

import numpy
import pytest

from spacy_distill.chain import LinearChain
from spacy_distill.chain.forward_backward import PackedTrellis, log_trellis


@dataclass(frozen=True, eq=False)
class Enumeration:
    """All tag sequences of one sentence.

    sequences (Ints2d): (sequences, tokens)
    scores (Floats1d): (sequences,) -inf where impossible.
    """

    sequences: numpy.ndarray
    scores: numpy.ndarray

    @property
    def possible(self) -> bool:
        return bool(numpy.isfinite(self.scores).any())

    @property
    def log_partition(self) -> float:
        return float(numpy.logaddexp.reduce(self.scores))

    @property
    def log_probabilities(self) -> numpy.ndarray:
        return self.scores - self.log_partition

    @property
    def probabilities(self) -> numpy.ndarray:
        if not self.possible:
            return numpy.zeros(len(self.scores))
        return numpy.exp(self.log_probabilities)

    def probability_of(self, start: int, tags) -> float:
        """RETURNS (float): The probability of all sequences with these tags from this token on."""
        matching = (self.sequences[:, start : start + len(tags)] == tags).all(axis=1)
        return float(self.probabilities[matching].sum())

    def cross_entropy(self, other: "Enumeration") -> float:
        used = self.probabilities > 0
        return float(-(self.probabilities[used] * other.log_probabilities[used]).sum())


def enumerate_sentences(chain: LinearChain) -> list:
    """RETURNS (list): An `Enumeration` for each sentence."""
    parts = (chain.emissions, chain.transitions, chain.start, chain.end)
    emissions, transitions, start, end = (numpy.asarray(part, dtype="float64") for part in parts)
    sentences = []
    for rows in numpy.split(emissions, numpy.cumsum(chain.lengths)[:-1]):
        length, size = rows.shape
        sequences = numpy.indices((size,) * length).reshape(length, size**length).T
        scores = rows[numpy.arange(length), sequences].sum(axis=1)
        if length:
            scores = scores + start[sequences[:, 0]] + end[sequences[:, -1]]
            scores = scores + transitions[sequences[:, :-1], sequences[:, 1:]].sum(axis=1)
        sentences.append(Enumeration(sequences, scores))
    return sentences


def use_logarithms(chain: LinearChain) -> LinearChain:
    """RETURNS (LinearChain): The chain, forced to use logarithms as for extreme scores."""
    emissions, transitions = (a.astype("float64") for a in (chain._emissions, chain.transitions))
    trellis = log_trellis(emissions, transitions, chain._packing, len(chain.lengths))
    chain.__dict__.update(_trellis=trellis, _token_probabilities=PackedTrellis(trellis))
    return chain


# The fixtures return these functions.


@pytest.fixture(scope="session")
def enumerated():
    return enumerate_sentences


@pytest.fixture(scope="session")
def in_logarithms():
    return use_logarithms
