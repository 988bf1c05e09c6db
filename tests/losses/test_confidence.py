"""Sentences and tokens at which the teacher is ignored because its confidence is too low."""

from dataclasses import replace

import numpy
import pytest

from spacy_distill.losses import (
    ChainDistillation,
    ConfidentSentences,
    ConfidentTokens,
    TokenDistillation,
)
from spacy_distill.losses.confidence import sentence_confidence


def test_confidence_is_the_mean_probability_of_the_best_sequence(tiny):
    chain = tiny.chain(0)
    found = sentence_confidence(chain)
    for logs, length, value in zip(
        tiny.enumerate(chain).sentences, tiny.lengths, found, strict=True
    ):
        assert value == pytest.approx(numpy.exp(max(logs.values()) / max(length, 1)), rel=1e-4)


def test_unknown_tokens_do_not_lower_the_confidence(tiny):
    """The confidence is 1 if the teacher is certain at all known tokens."""
    teacher = tiny.chain(0, scale=40.0)
    assert (sentence_confidence(teacher) > 0.99).all()
    emissions = teacher.emissions.copy()
    emissions[~tiny.known] = 0
    found = sentence_confidence(replace(teacher, emissions=emissions, known=tiny.known))
    assert (found > 0.99).all()
    # Unknown tokens are ignored, known tokens are used.
    student, loss = tiny.chain(1), ConfidentSentences(ChainDistillation(alpha=0.0, beta=1.0), 0.9)
    some = replace(teacher, known=tiny.known)
    plain = loss.loss(student, some, tiny.unlabeled)
    value, gradient = loss(student, some, tiny.unlabeled)
    assert value == pytest.approx(plain[0]) and not gradient.emissions[~tiny.known].any()


def test_sentences_with_low_confidence_are_ignored(tiny):
    student, teacher = tiny.chain(1), tiny.chain(2)
    values = sentence_confidence(teacher)
    plain = ChainDistillation()
    everything = plain(student, teacher, tiny.unlabeled)[0]
    for least in (0.0, *(values[values < 1] + 1e-6), 1.0):
        loss = ConfidentSentences(plain, least)
        value, gradient = loss(student, teacher, tiny.unlabeled)
        rows = numpy.repeat(values >= least, tiny.lengths)
        assert (numpy.abs(gradient.emissions).sum(axis=1) > 0).tolist() == rows.tolist()
        assert value == pytest.approx(everything) if rows.all() else value < everything


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_loss_and_gradient_equal_enumeration_of_confident_sentences(tiny, alpha):
    """Both parts of the loss are 0 in other sentences, but their tokens are counted in the mean."""
    student, teacher = tiny.chain(1), tiny.chain(2)
    values = sentence_confidence(teacher)
    least = float(numpy.median(values[:2]))
    sure = (values >= least).tolist()
    assert True in sure[:2] and False in sure[:2]
    best = [max(logs, key=logs.get) for logs in tiny.enumerate(teacher).sentences]

    def expected(chain):
        total = 0.0
        sentences = zip(
            tiny.enumerate(chain).sentences,
            tiny.enumerate(teacher).sentences,
            best,
            sure,
            strict=True,
        )
        for ours, theirs, tags, counts in sentences:
            if counts:
                total -= alpha * ours[tags]
                total += (1 - alpha) * sum(
                    numpy.exp(log) * (log - ours[sequence]) for sequence, log in theirs.items()
                )
        return total / sum(tiny.lengths)

    loss = ConfidentSentences(ChainDistillation(alpha=alpha, beta=1 - alpha), least)
    value, gradient = loss(student, teacher, tiny.unlabeled)
    assert value == pytest.approx(expected(student), rel=1e-4)
    tiny.check_gradient(expected, student, gradient)


def test_tokens_with_low_confidence_are_ignored(tiny):
    student, teacher = tiny.chain(1), tiny.chain(2)
    plain = TokenDistillation(alpha=0.0, beta=1.0)
    marginals = tiny.enumerate(teacher).marginals()
    least = float(numpy.median(marginals.max(axis=1))) - 1e-5
    sure = marginals.max(axis=1) >= least
    assert 0 < sure.sum() < len(sure)

    def expected(chain):
        predicted = tiny.enumerate(chain).marginals()
        logarithms = numpy.log(numpy.maximum(marginals, 1e-12) / numpy.maximum(predicted, 1e-12))
        return (marginals * logarithms)[sure].sum() / sum(tiny.lengths)

    value, gradient = ConfidentTokens(plain, least)(student, teacher, tiny.unlabeled)
    assert value == pytest.approx(expected(student), rel=1e-4)
    tiny.check_gradient(expected, student, gradient)
    everything = plain(student, teacher, tiny.unlabeled)[0]
    for least, wanted in ((0.0, everything), (1.0, 0.0)):
        loss = ConfidentTokens(plain, least)
        assert loss(student, teacher, tiny.unlabeled)[0] == pytest.approx(wanted)


def test_a_hard_task_leaves_unsure_tokens_open(tiny):
    """All sequences with the teacher's best tags at the other tokens count."""
    student, teacher = tiny.chain(1), tiny.chain(2)
    confidence, best = teacher.marginals().max(axis=1), teacher.argmax().tolist()
    least = float(numpy.median(confidence))
    wanted = [tag if sure else None for tag, sure in zip(best, confidence >= least, strict=True)]
    expected, start = 0.0, 0
    for logs, length in zip(tiny.enumerate(student).sentences, tiny.lengths, strict=True):
        tags = wanted[start : start + length]
        start += length
        fits = [
            log
            for sequence, log in logs.items()
            if all(tag in (None, own) for tag, own in zip(tags, sequence, strict=True))
        ]
        expected -= numpy.log(numpy.exp(fits).sum())
    loss = ConfidentTokens(ChainDistillation(alpha=1.0, beta=0.0), least)
    value, _ = loss(student, teacher, tiny.unlabeled)
    assert value == pytest.approx(expected / sum(tiny.lengths), rel=1e-4) and value > 0


@pytest.mark.parametrize("confident", [ConfidentSentences, ConfidentTokens])
def test_gold_annotation_is_used_in_all_sentences(tiny, confident):
    student, teacher = tiny.chain(3), tiny.chain(4)
    gold = teacher.argmax()[:, None] == numpy.arange(tiny.unlabeled.shape[1])
    task = ChainDistillation(alpha=1.0, beta=0.0)
    value, _ = confident(task, 1.0)(student, teacher, gold)
    assert value == pytest.approx(task(student, teacher, gold)[0]) and value > 0


@pytest.mark.parametrize("confident", [ConfidentSentences, ConfidentTokens])
@pytest.mark.parametrize("least", [-0.1, 1.1, float("nan")])
def test_thresholds_that_are_not_probabilities_are_rejected(confident, least):
    with pytest.raises(ValueError, match="is not a probability"):
        confident(ChainDistillation(), least)
