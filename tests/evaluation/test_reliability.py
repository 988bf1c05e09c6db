import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_distill.evaluation import count_entities, entity_reliability, reliability
from spacy_distill.pipeline.confidences import add_confidence_extension, set_confidence


def test_bins_agree_with_an_example():
    found = reliability([0.95, 1.0, 0.92, 0.41, 0.49], [True, True, False, True, False])
    assert found.counts.tolist() == [0, 0, 0, 0, 2, 0, 0, 0, 0, 3]
    assert found.confidence[[4, 9]] == pytest.approx([0.45, 2.87 / 3])
    assert found.accuracy[[4, 9]] == pytest.approx([0.5, 2 / 3])
    error = 2 / 5 * 0.05 + 3 / 5 * (2.87 / 3 - 2 / 3)
    assert found.expected_calibration_error == pytest.approx(error)


def test_calibrated_confidences_have_no_error():
    rng = numpy.random.default_rng(0)
    confidences = rng.random(200_000)
    correct = rng.random(200_000) < confidences
    assert reliability(confidences, correct).expected_calibration_error < 0.01
    assert reliability(confidences**2, correct).expected_calibration_error > 0.1


def test_without_confidences_there_is_no_error():
    assert reliability([], []).expected_calibration_error == 0


def test_entities_are_right_if_boundaries_and_label_are():
    add_confidence_extension()
    vocab = spacy.blank("en").vocab
    words = ["Anna", "Berg", "sails", "to", "Oslo", "with", "Carl"]
    reference, predicted = Doc(vocab, words=words), Doc(vocab, words=words)
    gold = [Span(reference, 0, 2, label="PER"), Span(reference, 4, 5, label="LOC")]
    reference.set_ents(gold, missing=[reference[6:7]])
    found = [(0, 2, "PER", 0.9), (2, 3, "LOC", 0.3), (4, 5, "PER", 0.6), (6, 7, "PER", 0.8)]
    spans = [Span(predicted, start, end, label=label) for start, end, label, _ in found]
    predicted.set_ents(spans)
    for span, (*_, confidence) in zip(spans[:3], found, strict=False):
        set_confidence(span, confidence)
    result = entity_reliability([Example(predicted, reference)])
    # The last entity has no confidence, and its tokens are not annotated.
    assert result.counts.nonzero()[0].tolist() == [3, 6, 9]
    assert result.accuracy[[3, 6, 9]].tolist() == [0, 0, 1]
    set_confidence(spans[3], 0.8)
    assert entity_reliability([Example(predicted, reference)]).counts.sum() == 3


def test_entities_are_compared_in_the_tokens_of_the_gold_document():
    """As spaCy's scorer and `count_entities` do."""
    add_confidence_extension()
    vocab = spacy.blank("en").vocab
    reference = Doc(vocab, words=["Oslo-Berlin"])
    reference.set_ents([Span(reference, 0, 1, label="LOC")])
    predicted = Doc(vocab, words=["Oslo", "-", "Berlin"], spaces=[False] * 3)
    span = Span(predicted, 0, 1, label="LOC")
    predicted.set_ents([span])
    set_confidence(span, 0.9)
    example = Example(predicted, reference)
    assert entity_reliability([example]).accuracy[9] == 1
    assert count_entities([example], ["LOC"]).tolist() == [[[1, 0, 0]]]
