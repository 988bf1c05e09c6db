"""Right, wrong and missed entities of each document and label, and scores out of these counts."""

from collections import Counter
from typing import Iterable, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.types import Ints3d

RIGHT, WRONG, MISSED = range(3)


def count_entities(examples: Sequence[Example], labels: Sequence[str]) -> Ints3d:
    """Compare predicted entities with gold ones as spaCy's Scorer does: boundaries and label have
    to be the same, and an entity on a token without annotation is neither right nor wrong.

    examples (Sequence[Example]): Predicted documents beside annotated ones.
    labels (Sequence[str]): The labels that count; all others are left out.
    RETURNS (Ints3d): (documents, labels, 3) how many are right, wrong and missed, int64.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    counts = numpy.zeros((len(examples), len(labels), 3), dtype="int64")
    for row, example in zip(counts, examples, strict=True):
        for (label, outcome), count in _outcomes(example).items():
            if label in numbers:
                row[numbers[label], outcome] = count
    return counts


def scores(counts: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): (..., 3) precision, recall and F1 out of (..., 3) counts; nan where
    there is nothing to find and nothing was found, or a share of nothing."""
    right, wrong, missed = (counts[..., column].astype("float64") for column in range(3))
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return numpy.stack(
            [
                right / (right + wrong),
                right / (right + missed),
                2 * right / (2 * right + wrong + missed),
            ],
            axis=-1,
        )


def labels_in(*corpora: Iterable[Example]) -> Tuple[str, ...]:
    """RETURNS (Tuple[str, ...]): The labels of all gold and predicted entities: the frequent ones
    among the gold entities first."""
    gold: Counter = Counter()
    others: Counter = Counter()
    for number, examples in enumerate(corpora):
        for example in examples:
            others.update(span.label_ for span in example.predicted.ents)
            if number == 0:
                gold.update(span.label_ for span in example.reference.ents)
    return tuple(sorted({*gold, *others}, key=lambda label: (-gold[label], label)))


def _outcomes(example: Example) -> Counter:
    """RETURNS (Counter): How many entities of an example have a label and an outcome."""
    found: Counter = Counter()
    reference = example.reference
    if not reference.has_annotation("ENT_IOB"):
        return found
    iob = reference.to_array("ENT_IOB")
    missed = {(span.start, span.end, span.label_) for span in reference.ents}
    to_gold = example.alignment.x2y
    for span in example.predicted.ents:
        tokens = to_gold[span.start : span.end]
        if not len(tokens) or not iob[tokens[0] : tokens[-1] + 1].all():
            continue
        key = (int(tokens[0]), int(tokens[-1]) + 1, span.label_)
        found[span.label_, RIGHT if key in missed else WRONG] += 1
        missed.discard(key)
    found.update((label, MISSED) for _, _, label in missed)
    return found


def require_entities(gold: Sequence[Doc], data: str) -> None:
    """Make sure that there is something to compare with.

    gold (Sequence[Doc]): The annotated documents.
    data (str): What they are, for the error.
    RAISES (ValueError): None of them has an entity.
    """
    if not any(doc.ents for doc in gold):
        raise ValueError(
            f"[D511] {data}: found no entity in {len(gold):,} documents, and without any there is "
            "no F1. Name a labeled .spacy file."
        )
