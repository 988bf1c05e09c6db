"""Counts by document and label, compared with spaCy's scorer."""

import random

import numpy
import pytest
import spacy
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_distill.evaluation.entity_counts import count_entities, labels_in, scores

LABELS = ("A", "B", "C")


def random_spans(doc, rng):
    start, spans = 0, []
    while start < len(doc):
        end = min(start + rng.randint(1, 3), len(doc))
        if rng.random() < 0.5:
            spans.append(Span(doc, start, end, label=rng.choice(LABELS)))
        start = end
    return spans


def random_example(vocab, rng):
    """Make an example with different tokens in both documents, and some tokens without
    annotation."""
    text = " ".join(rng.choice(("ab", "cdef", "x")) for _ in range(rng.randint(1, 12)))
    words = text.split(" ")
    reference = Doc(vocab, words=words, spaces=[True] * (len(words) - 1) + [False])
    predicted_words, spaces = [], []
    for number, word in enumerate(words):
        parts = [word[:1], word[1:]] if len(word) > 1 and rng.random() < 0.3 else [word]
        predicted_words += parts
        spaces += [False] * (len(parts) - 1) + [number < len(words) - 1]
    predicted = Doc(vocab, words=predicted_words, spaces=spaces)
    predicted.ents = random_spans(predicted, rng)
    spans = random_spans(reference, rng)
    taken = {token for span in spans for token in range(span.start, span.end)}
    free = [i for i in range(len(reference)) if i not in taken and rng.random() < 0.3]
    if rng.random() < 0.9:
        reference.set_ents(spans, missing=[reference[i : i + 1] for i in free])
    return Example(predicted, reference)


def test_sums_are_what_spacys_scorer_says():
    rng = random.Random(0)
    vocab = spacy.blank("en").vocab
    examples = [random_example(vocab, rng) for _ in range(300)]
    assert any(not example.reference.has_annotation("ENT_IOB") for example in examples)
    counts = count_entities(examples, LABELS)
    expected = get_ner_prf(examples)
    total = scores(counts.sum(axis=(0, 1)))
    assert total == pytest.approx([expected[f"ents_{letter}"] for letter in "prf"])
    for column, label in enumerate(LABELS):
        of_label = expected["ents_per_type"][label]
        found = scores(counts[:, column].sum(axis=0))
        assert found == pytest.approx([of_label[letter] for letter in "prf"])
    # Each document is counted by itself.
    alone = [count_entities([example], LABELS)[0] for example in examples]
    assert (numpy.stack(alone) == counts).all()


def test_a_score_without_entities_is_nan():
    found = scores(numpy.asarray([[0, 0, 0], [0, 0, 2], [0, 3, 0]]))
    assert numpy.isnan(found[0]).all()
    assert found[1, 1:].tolist() == [0, 0] and numpy.isnan(found[1, 0])
    assert found[2, [0, 2]].tolist() == [0, 0] and numpy.isnan(found[2, 1])


def test_frequent_gold_labels_come_first():
    vocab = spacy.blank("en").vocab
    gold, found = Doc(vocab, words=["a"] * 4), Doc(vocab, words=["a"] * 4)
    gold.ents = [Span(gold, i, i + 1, label=label) for i, label in enumerate("BAB")]
    found.ents = [Span(found, i, i + 1, label=label) for i, label in enumerate("ZZZC")]
    assert labels_in([Example(found, gold)]) == ("B", "A", "C", "Z")
