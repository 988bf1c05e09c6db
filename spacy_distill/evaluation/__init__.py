"""How good a pipeline is, beyond spaCy's scores."""

from .reliability import Reliability, entity_reliability, reliability, with_predictions

__all__ = ["Reliability", "entity_reliability", "reliability", "with_predictions"]
