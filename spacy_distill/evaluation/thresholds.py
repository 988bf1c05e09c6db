"""The lowest minimum confidence with a wanted precision."""

from collections import Counter
from itertools import groupby
from math import sqrt
from typing import Callable, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.training import Example

from ..checks import require_range
from ..pipeline.confidences import EVALUATION_ATTR, confidence_of, with_confidences
from ..pipeline.find_component import find_component
from .reliability import JudgedEntity, judged_entities, with_predictions

# Confidences are compared by four decimals. Their last digits differ between machines.
LEVELS = 10_000
# The quantile of the normal distribution for an interval of 95 %.
Z = 1.96


class Threshold(NamedTuple):
    """A minimum confidence, and what it does on labeled documents.

    label (Optional[str]): The label of the entities; None for all labels together.
    wanted_precision (float): The wanted precision, from 0 to 1.
    min_confidence (Optional[float]): The minimum confidence. None if no minimum has the wanted
        precision; then no entity is kept.
    n_kept (int): The number of predicted entities with at least this confidence.
    n_correct (int): How many of them are right.
    n_predicted (int): The number of all predicted entities.
    n_gold (int): The number of gold entities.
    """

    label: Optional[str]
    wanted_precision: float
    min_confidence: Optional[float]
    n_kept: int
    n_correct: int
    n_predicted: int
    n_gold: int

    @property
    def precision(self) -> float:
        """The share of the kept entities that is right; 0 if none is kept."""
        return self.n_correct / self.n_kept if self.n_kept else 0.0

    @property
    def precision_interval(self) -> Tuple[float, float]:
        """The 95 % interval of the precision (Wilson 1927); 0 to 1 if no entity is kept. It does
        not know that the minimum was chosen on the same documents."""
        if not self.n_kept:
            return 0.0, 1.0
        share = Z**2 / self.n_kept
        center = (self.precision + share / 2) / (1 + share)
        variance = self.precision * (1 - self.precision) / self.n_kept
        half = Z * sqrt(variance + share / (4 * self.n_kept)) / (1 + share)
        return max(center - half, 0.0), min(center + half, 1.0)

    @property
    def recall(self) -> float:
        """The share of the gold entities that is found and kept; 0 without gold entities."""
        return self.n_correct / self.n_gold if self.n_gold else 0.0


def lowest_threshold(
    entities: Iterable[JudgedEntity],
    n_gold: int,
    wanted_precision: float,
    label: Optional[str] = None,
) -> Threshold:
    """Find the lowest minimum confidence with a precision.

    entities (Iterable[JudgedEntity]): The predicted entities.
    n_gold (int): The number of gold entities.
    wanted_precision (float): The wanted precision, from 0 to 1.
    label (Optional[str]): The label of the entities, for the result.
    RETURNS (Threshold): The threshold. Its minimum has as few decimals as it can have to keep just
        these entities, and at most four.
    """
    ranked = sorted(((_level(entity), entity) for entity in entities), key=_first, reverse=True)
    best = Threshold(label, wanted_precision, None, 0, 0, len(ranked), n_gold)
    levels = [(level, list(group)) for level, group in groupby(ranked, _first)]
    n_kept = n_correct = 0
    # Each level with the next lower one.
    for (level, group), (lower, _) in zip(levels, [*levels[1:], (None, [])], strict=False):
        n_kept += len(group)
        n_correct += sum(entity.is_correct for _, entity in group)
        if n_correct / n_kept >= wanted_precision:
            minimum = _shortest_between(lower, level) / LEVELS
            best = best._replace(min_confidence=minimum, n_kept=n_kept, n_correct=n_correct)
    return best


def find_thresholds(
    nlp: Language,
    examples: Iterable[Example],
    precisions: Sequence[float],
    *,
    component: Optional[str] = None,
    advance: Callable[[], object] = lambda: None,
) -> List[Threshold]:
    """Find the minimum confidence for each wanted precision, for all entities together and for each
    label. The `min_confidence` of the component has no influence.

    nlp (Language): A pipeline with a `ner_student` or `ner_teacher`.
    examples (Iterable[Example]): Labeled documents. Entities on tokens without annotation are left
        out, and so are the entities of other components, and the gold entities that these find.
    precisions (Sequence[float]): The wanted precisions, from 0 to 1.
    component (Optional[str]): The component; None if only one fits.
    advance (Callable[[], object]): Called after each document.
    RETURNS (List[Threshold]): The thresholds of the precisions, first of all entities, then of each
        label.
    RAISES (ValueError): A precision is out of range, there is no such component, the documents have
        no entities, or the component finds none.
    """
    name, _ = find_component(nlp, component)
    for precision in precisions:
        require_range("precision", precision, 0, 1)
    with with_confidences(nlp, component=name, ignore_minimum=True):
        examples = with_predictions(nlp, examples, advance)
    found = list(judged_entities(examples, EVALUATION_ATTR))
    gold = Counter(label for example in examples for label in _gold_labels(example))
    if not found or not gold:
        lacking = "predicted entities with a confidence" if gold else "gold entities"
        raise ValueError(
            f"[D523] No minimum confidence can be found: the {len(examples)} documents have no "
            f"{lacking}. Take labeled documents in which the component finds entities."
        )
    thresholds = [lowest_threshold(found, gold.total(), precision) for precision in precisions]
    for label in sorted({*gold, *(entity.label for entity in found)}):
        own = [entity for entity in found if entity.label == label]
        thresholds += [
            lowest_threshold(own, gold[label], precision, label) for precision in precisions
        ]
    return thresholds


def _gold_labels(example: Example) -> List[str]:
    """RETURNS (List[str]): The labels of the gold entities, without those that components without
    confidences find."""
    found = {
        (span.start_char, span.end_char, span.label_)
        for span in example.predicted.ents
        if confidence_of(span, EVALUATION_ATTR) is None
    }
    return [
        span.label_
        for span in example.reference.ents
        if (span.start_char, span.end_char, span.label_) not in found
    ]


def _level(entity: JudgedEntity) -> int:
    """RETURNS (int): The confidence in steps of a level, rounded down. A confidence of 1 may be a
    little lower elsewhere."""
    level = int(entity.confidence * LEVELS)
    # The product is rounded, and so is the level as a number.
    if (level + 1) / LEVELS <= entity.confidence:
        level += 1
    elif level / LEVELS > entity.confidence:
        level -= 1
    return min(level, LEVELS - 1)


def _first(item: Tuple[int, JudgedEntity]) -> int:
    return item[0]


def _shortest_between(low: Optional[int], high: int) -> int:
    """RETURNS (int): The level with the fewest decimals that is above `low` and at most `high`; 0
    without `low`."""
    if low is None:
        return 0
    step = LEVELS
    while high // step * step <= low:
        step //= 10
    return high // step * step
