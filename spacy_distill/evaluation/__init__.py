"""How good a pipeline is, beyond spaCy's scores."""

from .bootstrap import Bootstrap, paired_difference, score_intervals
from .comparison import compare
from .entity_counts import count_entities, scores
from .hardware import hardware, processor
from .learning_curves import read_runs
from .model_card import measure, model_card, summary
from .reliability import Reliability, entity_reliability, reliability, with_predictions
from .size import megabytes, parameters
from .speed import speeds, words_per_second
from .systems import System, load_system

__all__ = [
    "Bootstrap",
    "Reliability",
    "System",
    "compare",
    "count_entities",
    "entity_reliability",
    "hardware",
    "load_system",
    "measure",
    "megabytes",
    "model_card",
    "paired_difference",
    "parameters",
    "processor",
    "read_runs",
    "reliability",
    "score_intervals",
    "scores",
    "speeds",
    "summary",
    "with_predictions",
    "words_per_second",
]
