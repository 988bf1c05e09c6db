"""Chains that are small enough to enumerate all tag sequences."""

import itertools
from dataclasses import replace

import numpy
import pytest

from spacy_distill.chain import LinearChain, constraints

N_LABELS = 1
LENGTHS = numpy.asarray([3, 1, 0, 2])


class Enumerated:
    """All tag sequences of each sentence of a batch, with scores in float64."""

    def __init__(self, chain, temperature=1.0):
        names = ("emissions", "transitions", "start", "end")
        parts = (numpy.asarray(getattr(chain, name), dtype="float64") for name in names)
        emissions, transitions, start, end = (part / temperature for part in parts)
        size = len(start)
        self.sentences = []
        for rows in numpy.split(emissions, numpy.cumsum(chain.lengths)[:-1]):
            scores = {}
            for tags in itertools.product(range(size), repeat=len(rows)):
                score = sum(rows[token, tag] for token, tag in enumerate(tags))
                score += sum(transitions[pair] for pair in itertools.pairwise(tags))
                scores[tags] = score + (start[tags[0]] + end[tags[-1]] if tags else 0.0)
            partition = numpy.logaddexp.reduce(list(scores.values()))
            logs = {tags: score - partition for tags, score in scores.items()}
            self.sentences.append({t: log for t, log in logs.items() if log > -numpy.inf})

    def marginals(self):
        """RETURNS (Floats2d): (tokens, tags) probabilities."""
        tokens = []
        for logs, length in zip(self.sentences, LENGTHS, strict=True):
            of_sentence = numpy.zeros((length, 1 + 4 * N_LABELS))
            for tags, log in logs.items():
                of_sentence[numpy.arange(length), list(tags)] += numpy.exp(log)
            tokens.append(of_sentence)
        return numpy.concatenate(tokens)

    def k_best(self, k):
        """RETURNS (List[Dict]): The k most probable sequences of each sentence, with their
        scores."""
        return [
            dict(sorted(logs.items(), key=lambda item: -item[1])[:k]) for logs in self.sentences
        ]

    def best(self):
        """RETURNS (List[int]): The tags of the best sequences, one sentence after another."""
        return [tag for logs in self.sentences for tag in max(logs, key=logs.get)]

    def negative_log_likelihoods(self, allowed):
        """RETURNS (List[float]): The negative log-likelihood of the sequences that a mask allows,
        for each sentence; inf if there are none."""
        losses, start = [], 0
        for logs, length in zip(self.sentences, LENGTHS, strict=True):
            rows, start = allowed[start : start + length], start + length
            fitting = [
                log
                for tags, log in logs.items()
                if all(rows[token, tag] for token, tag in enumerate(tags))
            ]
            losses.append(-float(numpy.logaddexp.reduce(fitting)) if fitting else numpy.inf)
        return losses

    def divergence_of(self, other):
        """RETURNS (float): KL(self || other), summed over the batch."""
        return sum(
            numpy.exp(log) * (log - theirs[tags])
            for ours, theirs in zip(self.sentences, other.sentences, strict=True)
            for tags, log in ours.items()
        )


def random_chain(seed, scale=2.0):
    random = numpy.random.default_rng(seed)
    start, transitions, end = constraints(N_LABELS)
    size = len(start)

    def scores(*shape):
        return (random.normal(size=shape) * scale).astype("float32")

    return LinearChain(
        scores(int(LENGTHS.sum()), size),
        LENGTHS,
        transitions + scores(size, size),
        start + scores(size),
        end + scores(size),
    )


def check_gradient(value, chain, gradient, eps=1e-4):
    """Compare a gradient with finite differences of a function of the chain, in float64.

    value (Callable[[LinearChain], float]): Computes the loss by enumeration.
    """
    for name in ("emissions", "transitions", "start", "end"):
        scores = numpy.asarray(getattr(chain, name), dtype="float64")
        analytic = getattr(gradient, name)
        assert analytic.shape == scores.shape
        for index in numpy.ndindex(scores.shape):
            if not numpy.isfinite(scores[index]):
                assert analytic[index] == 0
                continue
            ends = []
            for step in (eps, -eps):
                moved = scores.copy()
                moved[index] += step
                ends.append(value(replace(chain, **{name: moved})))
            expected = (ends[0] - ends[1]) / (2 * eps)
            assert analytic[index] == pytest.approx(expected, abs=2e-5), (name, index)


@pytest.fixture(scope="session")
def tiny():
    """The functions above."""

    class Tiny:
        lengths = LENGTHS
        n_labels = N_LABELS
        enumerate = Enumerated
        chain = staticmethod(random_chain)
        check_gradient = staticmethod(check_gradient)
        # Unknown tokens in the middle of a sentence, in a whole sentence, and nowhere.
        known = numpy.asarray([True, False, True, False, True, True])
        # Allows all tags.
        unlabeled = numpy.ones((int(LENGTHS.sum()), 1 + 4 * N_LABELS), dtype=bool)

    return Tiny
