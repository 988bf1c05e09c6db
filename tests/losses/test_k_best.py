"""The k best sequences as targets, compared with the sorted enumeration of all sequences."""

from dataclasses import replace

import numpy
import pytest

from spacy_distill.losses import KBestDistillation
from spacy_distill.losses.k_best import k_best_cross_entropy


def expected_cross_entropy(tiny, teacher, student, k):
    total = 0.0
    for best, theirs in zip(
        tiny.enumerate(teacher).k_best(k), tiny.enumerate(student).sentences, strict=True
    ):
        shares = numpy.exp(list(best.values()))
        shares /= shares.sum()
        total -= sum(
            share * theirs[tags] for tags, share in zip(best, shares.tolist(), strict=True)
        )
    return total


def fuzzy_mask(tiny, teacher, k):
    masks = []
    for best, length in zip(tiny.enumerate(teacher).k_best(k), tiny.lengths, strict=True):
        mask = numpy.zeros((length, tiny.unlabeled.shape[1]), dtype=bool)
        for tags in best:
            mask[numpy.arange(length), list(tags)] = True
        masks.append(mask)
    return numpy.concatenate(masks)


# The shorter sentences have fewer than 100 sequences.
@pytest.mark.parametrize("k", [1, 2, 5, 100])
def test_value_and_gradient_equal_enumeration(tiny, k):
    student, teacher = tiny.chain(0), tiny.chain(1)
    loss = KBestDistillation(alpha=0.0, beta=1.0, k=k)
    value, gradient = loss(student, teacher, tiny.unlabeled)

    def by_enumeration(student):
        return expected_cross_entropy(tiny, teacher, student, k) / 6

    assert value == pytest.approx(by_enumeration(student), rel=1e-4)
    tiny.check_gradient(by_enumeration, student, gradient)


@pytest.mark.parametrize("k", [1, 2, 5, 100])
def test_fuzzy_value_and_gradient_equal_enumeration(tiny, k):
    student, teacher = tiny.chain(2), tiny.chain(3)
    mask = fuzzy_mask(tiny, teacher, k)
    loss = KBestDistillation(alpha=0.0, beta=1.0, k=k, fuzzy=True)
    value, gradient = loss(student, teacher, tiny.unlabeled)

    def by_enumeration(student):
        return sum(tiny.enumerate(student).negative_log_likelihoods(mask)) / 6

    assert value == pytest.approx(by_enumeration(student), rel=1e-4, abs=1e-6)
    tiny.check_gradient(by_enumeration, student, gradient)


def test_one_best_sequence_equals_a_hard_pseudo_label(tiny):
    student, teacher = tiny.chain(4), tiny.chain(5)
    one, fuzzy, hard = (
        KBestDistillation(alpha=0.0, beta=1.0, k=1),
        KBestDistillation(alpha=0.0, beta=1.0, k=1, fuzzy=True),
        KBestDistillation(alpha=1.0, beta=0.0, k=7),
    )
    values = [loss(student, teacher, tiny.unlabeled)[0] for loss in (one, fuzzy, hard)]
    assert values == pytest.approx([values[0]] * 3, rel=1e-5)


def best_of_alike(tiny, teacher, known, k):
    """Tags (None at unknown tokens) and scores of the k best sequences that differ at known
    tokens."""
    found = []
    for logs, of_sentence in zip(
        tiny.enumerate(teacher).sentences,
        numpy.split(known, numpy.cumsum(tiny.lengths)[:-1]),
        strict=True,
    ):
        best = {}
        for tags, log in logs.items():
            restricted = tuple(
                tag if there else None for tag, there in zip(tags, of_sentence, strict=True)
            )
            best[restricted] = max(log, best.get(restricted, -numpy.inf))
        found.append(dict(sorted(best.items(), key=lambda item: -item[1])[:k]))
    return found


@pytest.mark.parametrize("known", [(1, 0, 1, 0, 1, 1), (0, 0, 1, 1, 0, 1), (1, 1, 0, 0, 1, 0)])
@pytest.mark.parametrize("k", [1, 3, 100])
def test_sequences_that_differ_at_unknown_tokens_are_merged(tiny, known, k):
    student, teacher = tiny.chain(10), tiny.chain(11)
    known = numpy.asarray(known, dtype=bool)
    expected = 0.0
    theirs = tiny.enumerate(student).sentences
    for best, logs in zip(best_of_alike(tiny, teacher, known, k), theirs, strict=True):
        shares = numpy.exp(list(best.values()))
        for restricted, share in zip(best, (shares / shares.sum()).tolist(), strict=True):
            fitting = [
                log
                for tags, log in logs.items()
                if all(other in (None, tag) for tag, other in zip(tags, restricted, strict=True))
            ]
            expected -= share * numpy.logaddexp.reduce(fitting)
    value, _ = k_best_cross_entropy(replace(teacher, known=known), student, k)
    assert value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("fuzzy", [True, False])
def test_unknown_tokens_have_no_gradient(tiny, fuzzy):
    student = tiny.chain(6)
    loss = KBestDistillation(alpha=0.0, beta=1.0, k=3, fuzzy=fuzzy)
    nothing = replace(tiny.chain(7), known=numpy.zeros(6, dtype=bool))
    value, gradient = loss(student, nothing, tiny.unlabeled)
    assert value == pytest.approx(0, abs=1e-5) and numpy.abs(gradient.emissions).max() < 1e-6
    some = replace(tiny.chain(7), known=tiny.known)
    whole = loss(student, tiny.chain(7), tiny.unlabeled)[0]
    assert 0 < loss(student, some, tiny.unlabeled)[0] < whole


def test_sentences_without_a_possible_sequence_are_ignored(tiny):
    student, teacher = tiny.chain(8), tiny.chain(9)
    whole = k_best_cross_entropy(teacher, student, 2)
    teacher.emissions[:3] = -numpy.inf
    value, gradient = k_best_cross_entropy(replace(teacher), student, 2)
    assert 0 < value < whole[0]
    assert not gradient.emissions[:3].any()
    numpy.testing.assert_allclose(gradient.emissions[3:], whole[1].emissions[3:], atol=1e-6)


def test_k_below_one_is_rejected():
    for k in (0, 2.5):
        with pytest.raises(ValueError, match=f"k={k} cannot be used"):
            KBestDistillation(k=k)
