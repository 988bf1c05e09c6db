"""Calibration of confidences: of entities with a confidence of 0.8, 80 % should be right."""

from dataclasses import dataclass
from typing import Callable, Iterable, Iterator, List, NamedTuple

import numpy
from spacy.language import Language
from spacy.training import Example
from thinc.types import Floats1d, Ints1d

from ..pipeline.confidences import CONFIDENCE, confidence_of
from .entity_counts import RIGHT, outcomes

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Confidences in bins of equal width (Niculescu-Mizil, Caruana 2005).

    counts (Ints1d): (bins,) number of confidences in each bin, int64.
    confidence (Floats1d): (bins,) mean confidence, float64; 0 in an empty bin.
    accuracy (Floats1d): (bins,) share of correct predictions, float64; 0 in an empty bin.
    """

    counts: Ints1d
    confidence: Floats1d
    accuracy: Floats1d

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance of confidence and accuracy, weighted by counts (Naeini, Cooper,
        Hauskrecht 2015); 0 without any confidence."""
        distances = numpy.abs(self.confidence - self.accuracy) * self.counts
        return float(distances.sum() / max(self.counts.sum(), 1))


def reliability(confidences: Floats1d, correct: numpy.ndarray, bins: int = BINS) -> Reliability:
    """Compare the confidences of predictions with their accuracy.

    confidences (Floats1d): (predictions,) confidences from 0 to 1.
    correct (numpy.ndarray): (predictions,) bool: whether each prediction is correct.
    bins (int): Number of bins.
    RETURNS (Reliability): The comparison.
    """
    confidences = numpy.asarray(confidences, dtype="float64")
    bin_ids = numpy.minimum((confidences * bins).astype("int64"), bins - 1)
    counts = numpy.bincount(bin_ids, minlength=bins)
    at_least_one = numpy.maximum(counts, 1)
    return Reliability(
        counts,
        numpy.bincount(bin_ids, weights=confidences, minlength=bins) / at_least_one,
        numpy.bincount(bin_ids, weights=correct, minlength=bins) / at_least_one,
    )


def entity_reliability(examples: Iterable[Example], *, attr: str = CONFIDENCE) -> Reliability:
    """Compare the confidences of predicted entities with the gold annotation. An entity is correct
    if its boundaries and its label are.

    examples (Iterable[Example]): Predicted documents with confidences, and their annotated
        references. Entities without a confidence, or on a token without annotation, are left out.
    attr (str): The extension attribute of the confidences: the component's setting
        `confidence_attr`.
    RETURNS (Reliability): The comparison.
    """
    entities = list(judged_entities(examples, attr))
    confidences = numpy.asarray([entity.confidence for entity in entities])
    correct = numpy.asarray([entity.is_correct for entity in entities], dtype=bool)
    return reliability(confidences, correct)


class JudgedEntity(NamedTuple):
    """A predicted entity: its label, its confidence, and whether it is in the gold annotation."""

    label: str
    confidence: float
    is_correct: bool


def judged_entities(examples: Iterable[Example], attr: str = CONFIDENCE) -> Iterator[JudgedEntity]:
    """Compare predicted entities with the gold annotation, as `outcomes` does.

    examples (Iterable[Example]): As for `entity_reliability`.
    attr (str): The extension attribute of the confidences.
    YIELDS (JudgedEntity): The predicted entities that have a confidence, and no token without
        annotation.
    """
    for example in examples:
        for label, outcome, span in outcomes(example):
            confidence = None if span is None else confidence_of(span, attr)
            if confidence is not None:
                yield JudgedEntity(label, confidence, outcome == RIGHT)


def with_predictions(
    nlp: Language, examples: Iterable[Example], advance: Callable[[], object] = lambda: None
) -> List[Example]:
    """Run a pipeline on examples, and keep its predictions, which `nlp.evaluate` does not.

    nlp (Language): The pipeline.
    examples (Iterable[Example]): The examples. Their predicted documents are changed in place.
    advance (Callable[[], object]): Called after each document.
    RETURNS (List[Example]): Examples with the predictions.
    """
    examples = list(examples)
    docs = nlp.pipe(example.predicted for example in examples)
    predicted = []
    for doc, example in zip(docs, examples, strict=True):
        predicted.append(Example(doc, example.reference))
        advance()
    return predicted
