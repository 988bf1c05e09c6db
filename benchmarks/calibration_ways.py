"""Ways to make confidences right, to choose one of them on the development set.

python benchmarks/calibration_ways.py training/student/model-best corpus/dev.spacy corpus/test.spacy

Prints the expected calibration error of the entities that a student finds: as trained; with one
temperature for whole tag sequences (Guo et al. 2017), for entities (what `distill-calibrate` fits)
and for the entities of each label; with two parameters (Platt 1999); and with isotonic regression
(Zadrozny, Elkan 2002). On the development set it is cross-validated: each part of the documents is
judged by what was fitted to the others. Fitted to all of it, each way is judged on the test set.
"""

from functools import partial
from math import exp, log
from pathlib import Path
from typing import Annotated, Callable, Dict, List, NamedTuple, Sequence

import numpy
import spacy
import typer
from scipy.optimize import isotonic_regression, minimize
from spacy.training import Corpus
from thinc.types import Floats1d
from wasabi import msg

from spacy_distill.chain import LinearChain
from spacy_distill.evaluation import reliability
from spacy_distill.training.calibrate import (
    HIGHEST,
    LEAST,
    LOWEST,
    TOLERANCE,
    Judged,
    best_temperature,
    find_component,
    golden_section,
    judge,
    read_chains,
)

FOLDS = 4


class Batch(NamedTuple):
    """Some documents as a student reads them.

    chain (LinearChain): What it predicts.
    allowed (numpy.ndarray): (tokens, tags), bool, the tags that the annotation leaves open.
    segments (tuple): The entities of the best sequences, as `LinearChain.span_marginal` takes them.
    right (numpy.ndarray): (entities,) bool.
    labels (numpy.ndarray): (entities,)
    fold (int): Which part of the documents it is of.
    """

    chain: LinearChain
    allowed: numpy.ndarray
    segments: tuple
    right: numpy.ndarray
    labels: numpy.ndarray
    fold: int


# The confidences (entities,) of what is found in documents.
Reading = Callable[[Sequence[Batch]], Floats1d]
# How to read, learnt from annotated documents.
Way = Callable[[Sequence[Batch]], Reading]


class Ways:
    """The ways to calibrate a student."""

    def __init__(self, student: Path) -> None:
        self.nlp = spacy.load(student)
        self.name, self.pipe = find_component(self.nlp)
        self.all: Dict[str, Way] = {
            "as trained": lambda batches: self.at(1.0),
            "whole sequences": lambda batches: self.at(lowest(sequence_surprise(batches))),
            "entities": lambda batches: self.at(self.temperature(batches)),
            "entities, two parameters (Platt)": self.platt,
            "a temperature for each label": self.by_label,
            "isotonic": self.isotonic,
        }

    def read(self, path: Path) -> List[Batch]:
        """RETURNS (List[Batch]): A labeled corpus, read by the student."""
        batches = []
        examples = list(Corpus(path)(self.nlp))
        for fold in range(FOLDS):
            part = examples[fold::FOLDS]
            for chain, allowed in read_chains(self.nlp, self.name, self.pipe, part):
                _, (lengths, tags), right = judge(self.pipe.tags, chain, allowed)
                labels = [self.pipe.tags.names[row[0]].partition("-")[2] for row in tags]
                segments = lengths, tags
                batch = Batch(chain, allowed, segments, right, numpy.asarray(labels), fold)
                batches.append(batch)
        return batches

    def at(self, temperature: float) -> Reading:
        """RETURNS (Reading): The probabilities of the scores, divided by a temperature."""
        return lambda batches: numpy.concatenate(
            [one.chain.scaled(temperature).span_marginal(*one.segments) for one in batches]
        ).astype("float64")

    def temperature(self, batches: Sequence[Batch]) -> float:
        """RETURNS (float): The one that the package fits."""
        return best_temperature([Judged(one.chain, one.segments, one.right) for one in batches])

    def platt(self, batches: Sequence[Batch]) -> Reading:
        """RETURNS (Reading): A sigmoid of the log-odds, its slope and place fitted."""
        right, plain = joined(batches, "right"), self.at(1.0)

        def squeezed(parameters, sure: Floats1d) -> Floats1d:
            sure = numpy.clip(sure, LEAST, 1 - LEAST)
            scores = parameters[0] * numpy.log(sure / (1 - sure)) + parameters[1]
            return 1 / (1 + numpy.exp(-scores))

        sure = plain(batches)
        best = minimize(
            lambda p: surprise(squeezed(p, sure), right), [1.0, 0.0], method="Nelder-Mead"
        ).x
        return lambda others: squeezed(best, plain(others))

    def by_label(self, batches: Sequence[Batch]) -> Reading:
        """RETURNS (Reading): Probabilities under a temperature for the entities of each label."""
        right, labels = joined(batches, "right"), joined(batches, "labels")

        def loss(label: str, temperature: float) -> float:
            own = labels == label
            return surprise(self.at(temperature)(batches)[own], right[own])

        found = {label: lowest(partial(loss, label)) for label in sorted(set(labels))}

        def reading(others: Sequence[Batch]) -> Floats1d:
            theirs = joined(others, "labels")
            sure = self.at(1.0)(others)
            for label, temperature in found.items():
                sure[theirs == label] = self.at(temperature)(others)[theirs == label]
            return sure

        return reading

    def isotonic(self, batches: Sequence[Batch]) -> Reading:
        """RETURNS (Reading): Steps that rise with the probability, with lines between them."""
        plain = self.at(1.0)
        sure = plain(batches)
        order = numpy.argsort(sure)
        steps = isotonic_regression(joined(batches, "right")[order].astype("float64")).x
        return lambda others: numpy.interp(plain(others), sure[order], steps)


def joined(batches: Sequence[Batch], name: str) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): A field of all batches."""
    return numpy.concatenate([getattr(one, name) for one in batches])


def lowest(loss: Callable[[float], float]) -> float:
    """RETURNS (float): The temperature with the lowest loss."""
    low, high = log(LOWEST), log(HIGHEST)
    return exp(golden_section(lambda logarithm: loss(exp(logarithm)), low, high, TOLERANCE))


def surprise(sure: Floats1d, right: numpy.ndarray) -> float:
    """RETURNS (float): The negative log-likelihood of what is right."""
    sure = numpy.clip(sure, LEAST, 1 - LEAST)
    return -float(numpy.log(numpy.where(right, sure, 1 - sure)).sum())


def sequence_surprise(batches: Sequence[Batch]) -> Callable[[float], float]:
    """RETURNS (Callable): The negative log-likelihood of the annotation as a whole, by the
    temperature."""

    def loss(temperature: float) -> float:
        total = 0.0
        for one in batches:
            scaled = one.chain.scaled(temperature)
            of_all, of_right = scaled.log_partition, scaled.restricted(one.allowed).log_partition
            possible = numpy.isfinite(of_right)
            total += float((of_all[possible] - of_right[possible]).sum())
        return total

    return loss


def error(sure: Floats1d, right: numpy.ndarray) -> float:
    """RETURNS (float): The expected calibration error in ten bins."""
    return reliability(sure, right).expected_calibration_error


def cross_validated(way: Way, batches: Sequence[Batch]) -> float:
    """RETURNS (float): The error on all parts, each judged by what was fitted to the others."""
    sure, right = [], []
    for fold in range(FOLDS):
        judged = [one for one in batches if one.fold == fold]
        others = [one for one in batches if one.fold != fold]
        sure.append(way(others)(judged))
        right.append(joined(judged, "right"))
    return error(numpy.concatenate(sure), numpy.concatenate(right))


def main(
    student: Annotated[Path, typer.Argument(help="Trained pipeline with a ner_student")],
    dev: Annotated[Path, typer.Argument(help="Labeled .spacy file to fit to")],
    test: Annotated[Path, typer.Argument(help="Labeled .spacy file to judge on")],
) -> None:
    """Compare ways to calibrate."""
    ways = Ways(student)
    fitted, judged = ways.read(dev), ways.read(test)
    rows = []
    for name, way in ways.all.items():
        of_test = error(way(fitted)(judged), joined(judged, "right"))
        rows.append((name, f"{cross_validated(way, fitted):.3f}", f"{of_test:.3f}"))
    msg.table(rows, header=("way", "dev", "test"), aligns=("l", "r", "r"), divider=True)


if __name__ == "__main__":
    typer.run(main)
