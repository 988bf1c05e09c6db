"""spaCy's scorer and seqeval compute the same strict entity F1."""

import random

import pytest
import spacy
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example

LABELS = ["LOC", "ORG", "PER"]


def random_spans(rng, n_tokens):
    spans, start = [], 0
    while start < n_tokens:
        length = min(rng.choice([1, 1, 2, 3]), n_tokens - start)
        if rng.random() < 0.4:
            spans.append((start, start + length, rng.choice(LABELS)))
        start += length
    return spans


def disturbed(rng, spans, n_tokens):
    """Make predictions with every kind of error: missed and invented entities, other types,
    other boundaries."""
    changed, end_before = [], 0
    for start, end, label in spans:
        kind = rng.choice(["right", "right", "gone", "type", "shorter", "longer", "split"])
        start = max(start, end_before)
        if kind == "gone" or start >= end:
            continue
        if kind == "type":
            label = rng.choice([other for other in LABELS if other != label])
        if kind == "shorter" and end - start > 1:
            end -= 1
        if kind == "longer":
            end = min(end + 1, n_tokens)
        if kind == "split" and end - start > 1:
            changed.append((start, start + 1, label))
            start += 1
        changed.append((start, end, label))
        end_before = end
    if not changed and n_tokens:
        changed.append((0, 1, rng.choice(LABELS)))
    return changed


def make_doc(vocab, n_tokens, spans):
    doc = Doc(vocab, words=[f"w{number}" for number in range(n_tokens)])
    doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans])
    return doc


def iobes(doc):
    tags = ["O"] * len(doc)
    for ent in doc.ents:
        inside = [f"I-{ent.label_}"] * (len(ent) - 2)
        whole = [f"B-{ent.label_}", *inside, f"E-{ent.label_}"]
        tags[ent.start : ent.end] = [f"S-{ent.label_}"] if len(ent) == 1 else whole
    return tags


@pytest.mark.parametrize("seed", range(10))
def test_strict_f1_is_the_same_to_four_digits(seed):
    metrics = pytest.importorskip("seqeval.metrics", reason="the test extra is not installed")
    from seqeval.scheme import IOBES

    rng, vocab = random.Random(seed), spacy.blank("en").vocab
    examples = []
    for _ in range(40):
        n_tokens = rng.randrange(0, 15)
        gold = random_spans(rng, n_tokens)
        found = disturbed(rng, gold, n_tokens)
        documents = (make_doc(vocab, n_tokens, spans) for spans in (found, gold))
        examples.append(Example(*documents))
    scores = Scorer.score_spans(examples, "ents")
    gold, found = ([iobes(getattr(eg, side)) for eg in examples] for side in ("y", "x"))
    strict = {"mode": "strict", "scheme": IOBES}
    assert round(scores["ents_f"], 4) == round(metrics.f1_score(gold, found, **strict), 4)
    assert round(scores["ents_p"], 4) == round(metrics.precision_score(gold, found, **strict), 4)
    assert round(scores["ents_r"], 4) == round(metrics.recall_score(gold, found, **strict), 4)
    report = metrics.classification_report(gold, found, output_dict=True, **strict)
    for label, part in scores["ents_per_type"].items():
        assert round(part["f"], 4) == round(report[label]["f1-score"], 4)
    # The predictions are neither all right nor all wrong, so that there is something to agree on.
    assert 0.2 < scores["ents_f"] < 0.9
