"""Evaluation beyond spaCy's scores: confidence intervals, calibration, speed and size."""

from .bootstrap import Bootstrap, paired_difference, score_intervals
from .entity_counts import count_entities, scores
from .model_card import measure, model_card, summary
from .reliability import Reliability, entity_reliability, reliability, with_predictions
from .speed import hardware, processor, speeds, words_per_second
from .systems import System, load_system, megabytes, parameters
from .thresholds import Threshold, find_thresholds

__all__ = [
    "Bootstrap",
    "Reliability",
    "System",
    "Threshold",
    "count_entities",
    "entity_reliability",
    "find_thresholds",
    "hardware",
    "load_system",
    "measure",
    "megabytes",
    "model_card",
    "paired_difference",
    "parameters",
    "processor",
    "reliability",
    "score_intervals",
    "scores",
    "speeds",
    "summary",
    "with_predictions",
    "words_per_second",
]
