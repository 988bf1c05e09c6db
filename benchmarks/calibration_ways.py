"""Ways to make confidences right: fitted to the development set, judged on the test set.

python benchmarks/calibration_ways.py training/student/model-best corpus/dev.spacy corpus/test.spacy

Prints the expected calibration error of the entities that a student finds: as trained; with one
temperature for whole tag sequences (Guo et al. 2017), for entities (what `distill-calibrate` fits)
and for the entities of each label; with two parameters (Platt 1999); and with isotonic regression
(Zadrozny, Elkan 2002).
"""

from math import log
from pathlib import Path
from typing import Annotated, Callable, Dict, List, NamedTuple, Tuple

import numpy
import spacy
import typer
from scipy.optimize import isotonic_regression, minimize
from spacy.language import Language
from spacy.training import Corpus
from thinc.types import Floats1d
from wasabi import msg

from spacy_distill.chain import LinearChain
from spacy_distill.evaluation import reliability
from spacy_distill.training.calibrate import find_component, judge, read_chains

LEAST = 1e-6
TEMPERATURES = numpy.exp(numpy.linspace(log(0.7), log(3.5), 61))


class Part(NamedTuple):
    """A labeled set as a student reads it.

    chains (List[Tuple[LinearChain, numpy.ndarray]]): What it predicts, and the tags that the
        annotation leaves open.
    right (numpy.ndarray): (entities,) bool, whether what it finds is right.
    labels (numpy.ndarray): (entities,) the labels of what it finds.
    """

    chains: List[Tuple[LinearChain, numpy.ndarray]]
    right: numpy.ndarray
    labels: numpy.ndarray


def read(nlp: Language, path: Path) -> Part:
    """RETURNS (Part): A labeled corpus, read by the student."""
    name, pipe = find_component(nlp)
    chains = list(read_chains(nlp, name, pipe, Corpus(path)(nlp)))
    right, labels = [], []
    for chain, allowed in chains:
        (_, tags), judged = judge(pipe.tags, chain, allowed)
        right.append(judged)
        labels += [pipe.tags.names[row[0]].partition("-")[2] for row in tags]
    return Part(chains, numpy.concatenate(right), numpy.asarray(labels))


def confidences(nlp: Language, part: Part, temperature: float) -> Floats1d:
    """RETURNS (Floats1d): (entities,) probabilities of what is found."""
    _, pipe = find_component(nlp)
    found = []
    for chain, allowed in part.chains:
        segments, _ = judge(pipe.tags, chain, allowed)
        found.append(chain.scaled(float(temperature)).span_marginal(*segments))
    return numpy.clip(numpy.concatenate(found).astype("float64"), LEAST, 1 - LEAST)


def error(sure: Floats1d, right: numpy.ndarray) -> float:
    """RETURNS (float): The expected calibration error in ten bins."""
    return reliability(sure, right).expected_calibration_error


def surprise(sure: Floats1d, right: numpy.ndarray) -> float:
    """RETURNS (float): The negative log-likelihood of what is right."""
    return -float(numpy.log(numpy.where(right, sure, 1 - sure)).sum())


def sequence_surprise(part: Part, temperature: float) -> float:
    """RETURNS (float): The negative log-likelihood of the annotation as a whole."""
    total = 0.0
    for chain, allowed in part.chains:
        scaled = chain.scaled(float(temperature))
        of_all, of_right = scaled.log_partition, scaled.restricted(allowed).log_partition
        possible = numpy.isfinite(of_right)
        total += float((of_all[possible] - of_right[possible]).sum())
    return total


def main(
    student: Annotated[Path, typer.Argument(help="Trained pipeline with a ner_student")],
    dev: Annotated[Path, typer.Argument(help="Labeled .spacy file to fit to")],
    test: Annotated[Path, typer.Argument(help="Labeled .spacy file to judge on")],
) -> None:
    """Compare ways to calibrate."""
    nlp = spacy.load(student)
    fit, judged = read(nlp, dev), read(nlp, test)
    sure_fit = {float(t): confidences(nlp, fit, t) for t in TEMPERATURES}
    sure_test = {float(t): confidences(nlp, judged, t) for t in TEMPERATURES}

    def best(of: Callable[[float], float]) -> float:
        return min(sure_fit, key=of)

    def entity_surprise(own: numpy.ndarray) -> Callable[[float], float]:
        return lambda temperature: surprise(sure_fit[temperature][own], fit.right[own])

    plain_fit, plain_test = confidences(nlp, fit, 1), confidences(nlp, judged, 1)
    sequences = best(lambda t: sequence_surprise(fit, t))
    entities = best(entity_surprise(numpy.ones(len(fit.right), dtype=bool)))
    found: Dict[str, Tuple[Floats1d, Floats1d]] = {
        "as trained": (plain_fit, plain_test),
        f"sequences, temperature {sequences:.2f}": (sure_fit[sequences], sure_test[sequences]),
        f"entities, temperature {entities:.2f}": (sure_fit[entities], sure_test[entities]),
    }

    def squeezed(parameters, sure: Floats1d) -> Floats1d:
        scores = parameters[0] * numpy.log(sure / (1 - sure)) + parameters[1]
        return numpy.clip(1 / (1 + numpy.exp(-scores)), LEAST, 1 - LEAST)

    platt = minimize(
        lambda p: surprise(squeezed(p, plain_fit), fit.right), [1.0, 0.0], method="Nelder-Mead"
    ).x
    name = f"two parameters (Platt), {platt[0]:.2f} and {platt[1]:.2f}"
    found[name] = squeezed(platt, plain_fit), squeezed(platt, plain_test)
    by_label = plain_fit.copy(), plain_test.copy()
    for label in sorted(set(fit.labels)):
        own = fit.labels == label
        own_best = best(entity_surprise(own))
        by_label[0][own] = sure_fit[own_best][own]
        by_label[1][judged.labels == label] = sure_test[own_best][judged.labels == label]
    found["a temperature for each label"] = by_label
    order = numpy.argsort(plain_fit)
    steps = isotonic_regression(fit.right[order].astype("float64")).x

    def stepped(sure: Floats1d) -> Floats1d:
        return numpy.interp(sure, plain_fit[order], steps)

    found["isotonic"] = stepped(plain_fit), stepped(plain_test)
    rows = [
        (name, f"{error(on_fit, fit.right):.3f}", f"{error(on_test, judged.right):.3f}")
        for name, (on_fit, on_test) in found.items()
    ]
    msg.table(rows, header=("way", "dev", "test"), aligns=("l", "r", "r"), divider=True)


if __name__ == "__main__":
    typer.run(main)
