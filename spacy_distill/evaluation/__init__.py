"""How good a pipeline is, beyond spaCy's scores."""

from .model_card import measure, model_card, processor, summary, words_per_second
from .reliability import Reliability, entity_reliability, reliability, with_predictions

__all__ = [
    "Reliability",
    "entity_reliability",
    "measure",
    "model_card",
    "processor",
    "reliability",
    "summary",
    "with_predictions",
    "words_per_second",
]
