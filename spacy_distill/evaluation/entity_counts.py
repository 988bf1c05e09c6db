"""Counts of right, wrong and missed entities by document and label, and scores of these counts."""

from collections import Counter
from typing import Iterable, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.types import Ints3d

RIGHT, WRONG, MISSED = range(3)


class Outcome(NamedTuple):
    """What a comparison says of an entity.

    label (str): The entity's label.
    outcome (int): RIGHT, WRONG or MISSED.
    predicted (Optional[Span]): The predicted entity; None if it was missed.
    """

    label: str
    outcome: int
    predicted: Optional[Span] = None


def count_entities(examples: Sequence[Example], labels: Sequence[str]) -> Ints3d:
    """Count the outcomes of a comparison of predicted entities with gold entities.

    examples (Sequence[Example]): Predicted documents with their annotated references.
    labels (Sequence[str]): The labels to count. Entities with other labels are left out.
    RETURNS (Ints3d): (documents, labels, 3), int64: numbers of right, wrong and missed entities.
    """
    columns = {label: column for column, label in enumerate(labels)}
    counts = numpy.zeros((len(examples), len(labels), 3), dtype="int64")
    for row, example in zip(counts, examples, strict=True):
        for label, outcome, _ in outcomes(example):
            if label in columns:
                row[columns[label], outcome] += 1
    return counts


def scores(counts: numpy.ndarray) -> numpy.ndarray:
    """Compute precision, recall and F1.

    counts (numpy.ndarray): (..., 3) numbers of right, wrong and missed entities.
    RETURNS (numpy.ndarray): (..., 3) precision, recall and F1; nan where the denominator is 0.
    """
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
    """List the labels of all gold and predicted entities, by their frequency in the gold entities.

    *corpora (Iterable[Example]): The predictions of each system, with the same gold documents.
    RETURNS (Tuple[str, ...]): The labels.
    """
    gold: Counter = Counter()
    predicted: Counter = Counter()
    for number, examples in enumerate(corpora):
        for example in examples:
            predicted.update(span.label_ for span in example.predicted.ents)
            if number == 0:
                gold.update(span.label_ for span in example.reference.ents)
    return tuple(sorted({*gold, *predicted}, key=lambda label: (-gold[label], label)))


def outcomes(example: Example) -> Iterator[Outcome]:
    """Compare predicted entities with gold entities as spaCy's Scorer does. Boundaries, in the gold
    document's tokens, and label have to be equal. An entity on a token without annotation is
    neither right nor wrong.

    example (Example): The predicted document with its annotated reference.
    YIELDS (Outcome): The predicted entities, then the missed ones.
    """
    reference = example.reference
    if not reference.has_annotation("ENT_IOB"):
        return
    iob = reference.to_array("ENT_IOB")
    missed = {(span.start, span.end, span.label_) for span in reference.ents}
    to_gold = example.alignment.x2y
    for span in example.predicted.ents:
        tokens = to_gold[span.start : span.end]
        if not len(tokens) or not iob[tokens[0] : tokens[-1] + 1].all():
            continue
        key = (int(tokens[0]), int(tokens[-1]) + 1, span.label_)
        yield Outcome(span.label_, RIGHT if key in missed else WRONG, span)
        missed.discard(key)
    yield from (Outcome(label, MISSED) for _, _, label in sorted(missed))


def require_entities(gold: Sequence[Doc], data: str) -> None:
    """Raise ValueError if no annotated document has an entity. `data` describes them in the
    error."""
    if not any(doc.ents for doc in gold):
        raise ValueError(
            f"[D511] {data}: found no entity in {len(gold):,} documents, so there is no F1. Name a "
            "labeled .spacy file."
        )
