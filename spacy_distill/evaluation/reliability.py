"""Whether confidences are what they say: of entities with a confidence of 0.8, 80 % are right."""

from dataclasses import dataclass
from typing import Callable, Iterable, List

import numpy
from spacy.language import Language
from spacy.training import Example
from thinc.types import Floats1d, Ints1d

from ..pipeline.confidences import CONFIDENCE, confidence_of

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Confidences in bins of the same width (Niculescu-Mizil, Caruana 2005).

    counts (Ints1d): (bins,) how many confidences are in each bin, int64.
    confidence (Floats1d): (bins,) their mean, float64; 0 in an empty bin.
    accuracy (Floats1d): (bins,) which share of them is right, float64; 0 in an empty bin.
    """

    counts: Ints1d
    confidence: Floats1d
    accuracy: Floats1d

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance of confidence and accuracy (Naeini, Cooper, Hauskrecht 2015), weighed
        by counts; 0 if there is no confidence at all."""
        distances = numpy.abs(self.confidence - self.accuracy) * self.counts
        return float(distances.sum() / max(self.counts.sum(), 1))


def reliability(confidences: Floats1d, correct: numpy.ndarray, bins: int = BINS) -> Reliability:
    """Compare confidences with what was right.

    confidences (Floats1d): (predictions,) from 0 to 1.
    correct (numpy.ndarray): (predictions,) bool.
    bins (int): How many.
    RETURNS (Reliability): The comparison.
    """
    confidences = numpy.asarray(confidences, dtype="float64")
    numbers = numpy.minimum((confidences * bins).astype("int64"), bins - 1)
    counts = numpy.bincount(numbers, minlength=bins)
    at_least_one = numpy.maximum(counts, 1)
    return Reliability(
        counts,
        numpy.bincount(numbers, weights=confidences, minlength=bins) / at_least_one,
        numpy.bincount(numbers, weights=correct, minlength=bins) / at_least_one,
    )


def entity_reliability(
    examples: Iterable[Example], bins: int = BINS, *, attr: str = CONFIDENCE
) -> Reliability:
    """Compare the confidences of predicted entities with the gold annotation.

    examples (Iterable[Example]): Predicted documents with `ent._.confidence`, beside annotated
        ones. Entities without a confidence are left out, and so are those that touch a token that
        is not annotated.
    bins (int): How many.
    attr (str): The attribute that the confidences were written to: the component's setting
        `confidence_attr`.
    RETURNS (Reliability): The comparison; an entity is right if boundaries and label are.
    """
    confidences, correct = [], []
    for example in examples:
        tags = example.get_aligned_ner()
        gold = {(span.start, span.end, span.label_) for span in _gold_spans(example)}
        for span in example.predicted.ents:
            confidence = confidence_of(span, attr)
            if confidence is None or None in tags[span.start : span.end]:
                continue
            confidences.append(confidence)
            correct.append((span.start, span.end, span.label_) in gold)
    return reliability(numpy.asarray(confidences), numpy.asarray(correct, dtype=bool), bins)


def with_predictions(
    nlp: Language, examples: Iterable[Example], advance: Callable[[], object] = lambda: None
) -> List[Example]:
    """Let a pipeline predict, and keep what it predicts, which `nlp.evaluate` does not.

    nlp (Language): The pipeline.
    examples (Iterable[Example]): The examples; their predicted documents are changed.
    advance (Callable[[], object]): Called after each document.
    RETURNS (List[Example]): The examples.
    """
    examples = list(examples)
    docs = nlp.pipe(example.predicted for example in examples)
    predicted = []
    for doc, example in zip(docs, examples, strict=True):
        predicted.append(Example(doc, example.reference))
        advance()
    return predicted


def _gold_spans(example: Example):
    """RETURNS (Iterable[Span]): The gold entities, in the tokens of the predicted document."""
    return example.get_aligned_spans_y2x(example.reference.ents)
