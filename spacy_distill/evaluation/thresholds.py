"""Thresholds of confidence: the lowest one above which enough entities are right."""

from collections import Counter
from itertools import groupby
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence

from spacy.language import Language
from spacy.training import Example

from ..checks import require_range
from ..pipeline.confidences import EVALUATION_ATTR, with_confidences
from .reliability import JudgedEntity, judged_entities, with_predictions


class Threshold(NamedTuple):
    """A minimum confidence, and what it does on labeled documents.

    value (Optional[float]): The minimum confidence. None if no minimum has the wanted precision;
        then no entity is kept.
    n_kept (int): The number of predicted entities with at least this confidence.
    n_correct (int): How many of them are right.
    n_predicted (int): The number of all predicted entities.
    n_gold (int): The number of gold entities.
    """

    value: Optional[float]
    n_kept: int
    n_correct: int
    n_predicted: int
    n_gold: int

    @property
    def precision(self) -> float:
        """The share of the entities that are kept that is right; 0 if none is kept."""
        return self.n_correct / self.n_kept if self.n_kept else 0.0

    @property
    def recall(self) -> float:
        """The share of the gold entities that is found and kept; 0 without gold entities."""
        return self.n_correct / self.n_gold if self.n_gold else 0.0


def lowest_threshold(entities: Iterable[JudgedEntity], n_gold: int, precision: float) -> Threshold:
    """Find the lowest minimum of the confidence with a precision.

    entities (Iterable[JudgedEntity]): The predicted entities.
    n_gold (int): The number of gold entities.
    precision (float): The wanted precision, from 0 to 1.
    RETURNS (Threshold): The threshold. It has as few decimals as it can have to keep just these
        entities.
    """
    ranked = sorted(entities, key=lambda entity: -entity.confidence)
    best = Threshold(None, 0, 0, len(ranked), n_gold)
    n_kept = n_correct = 0
    levels = [(level, list(group)) for level, group in groupby(ranked, lambda one: one.confidence)]
    # Each confidence with the next lower one.
    for (level, group), (lower, _) in zip(levels, [*levels[1:], (None, [])], strict=False):
        n_kept += len(group)
        n_correct += sum(entity.is_correct for entity in group)
        if n_correct / n_kept >= precision:
            value = _shortest_between(lower, level)
            best = Threshold(value, n_kept, n_correct, len(ranked), n_gold)
    return best


def find_thresholds(
    nlp: Language,
    examples: Iterable[Example],
    precisions: Sequence[float],
    advance: Callable[[], object] = lambda: None,
) -> Dict[Optional[str], List[Threshold]]:
    """Find the minimum confidence for each wanted precision, for all entities together and for each
    label. The `min_confidence` of the pipeline's components has no influence.

    nlp (Language): A pipeline with a `ner_student` or `ner_teacher`.
    examples (Iterable[Example]): Labeled documents. Entities on tokens without annotation are left
        out.
    precisions (Sequence[float]): The wanted precisions, from 0 to 1.
    advance (Callable[[], object]): Called after each document.
    RETURNS (Dict[Optional[str], List[Threshold]]): The thresholds of the precisions, by label; of
        all entities under None.
    RAISES (ValueError): A precision is out of range, the documents have no entities, or the
        pipeline finds none with a confidence.
    """
    for precision in precisions:
        require_range("precision", precision, 0, 1)
    with with_confidences(nlp, every=True):
        examples = with_predictions(nlp, examples, advance)
    found = list(judged_entities(examples, EVALUATION_ATTR))
    gold = Counter(span.label_ for example in examples for span in example.reference.ents)
    if not found or not gold:
        kind = "found no entity with a confidence in" if gold else "found no gold entity in"
        raise ValueError(
            f"[D523] There is no threshold: {kind} {len(examples)} documents. Take labeled "
            "documents, and a pipeline with a ner_student or ner_teacher that finds entities."
        )
    thresholds: Dict[Optional[str], List[Threshold]] = {
        None: [lowest_threshold(found, gold.total(), precision) for precision in precisions]
    }
    for label in sorted({*gold, *(entity.label for entity in found)}):
        own = [entity for entity in found if entity.label == label]
        thresholds[label] = [
            lowest_threshold(own, gold[label], precision) for precision in precisions
        ]
    return thresholds


def _shortest_between(low: Optional[float], high: float) -> float:
    """RETURNS (float): The number with the fewest decimals that is above `low` and at most `high`;
    0 without `low`."""
    if low is None:
        return 0.0
    for decimals in range(1, 17):
        value = int(high * 10**decimals) / 10**decimals
        if low < value <= high:
            return value
    return high
