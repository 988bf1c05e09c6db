"""The scores of spans as probabilities, read from `doc.spans[key].attrs["scores"]`."""

from typing import Any, List, Optional

import numpy
from spacy.tokens import Doc

from .failures import TeacherError, documents_error

# Sums of probabilities in half precision may be so far above 1, or below 0.
ROUNDING = 1e-3


def span_scores(doc: Doc, key: str) -> Optional[List[float]]:
    """Read the scores of a group of spans.

    doc (Doc): The document.
    key (str): The key of the group.
    RETURNS (Optional[List[float]]): The probability of each span; None if the group has no scores.
    RAISES (TeacherError): The scores are not one number from 0 to 1 for each span.
    RAISES (DocumentsError): A score is NaN.
    """
    group = doc.spans[key]
    given = group.attrs.get("scores")
    if given is None:
        return None
    where = f"doc.spans['{key}'].attrs['scores'] of the document '{doc.text[:40]}'"
    scores = _as_array(given)
    if scores is None or scores.dtype.kind not in "biuf" or scores.shape != (len(group),):
        raise TeacherError(
            f"[D277] Expected one number for each of {len(group)} spans in {where}: found "
            f"{_described(given, scores)}. Write a list of probabilities, one for each span in "
            "their order."
        )
    scores = scores.astype("float64")
    for span, score in zip(group, scores.tolist(), strict=True):
        if numpy.isnan(score):
            reason = f"the score of the span '{span.text[:40]}' ({span.label_}) is NaN"
            raise documents_error(f"spans '{key}'", [doc], {0: reason})
        if not -ROUNDING <= score <= 1 + ROUNDING:
            raise TeacherError(
                f"[D278] The span '{span.text[:40]}' ({span.label_}) has the score {score:g} in "
                f"{where}, which is no probability: expected a number from 0 to 1. Map the scores "
                "in the component that writes them: divide a percentage by 100, and put other "
                "scores through a sigmoid, 1 / (1 + exp(-score))."
            )
    return numpy.clip(scores, 0, 1).tolist()


def _as_array(given: Any) -> Optional[numpy.ndarray]:
    """RETURNS (Optional[numpy.ndarray]): Scores of a list, or of an array of numpy, cupy or torch;
    None if they are nothing of these."""
    if hasattr(given, "detach"):
        # torch's; numpy does not take those of a GPU, nor those that have a gradient.
        given = given.detach().cpu().float().numpy()
    elif hasattr(given, "get") and hasattr(given, "shape"):
        given = given.get()
    if isinstance(given, (list, tuple)):
        # Arrays of one number are numbers; others stay what they are, and are refused.
        given = [score.item() if _n_numbers(score) == 1 else score for score in given]
        if not all(isinstance(score, (int, float)) for score in given):
            return None
        return numpy.asarray(given, dtype="float64")
    return given if isinstance(given, numpy.ndarray) else None


def _n_numbers(score: Any) -> int:
    """RETURNS (int): The numbers of an array of numpy, cupy or torch; 0 for all else."""
    if not hasattr(score, "item") or not hasattr(score, "shape"):
        return 0
    return int(numpy.prod(tuple(score.shape), dtype="int64"))


def _described(given: Any, scores: Optional[numpy.ndarray]) -> str:
    """RETURNS (str): What was found in place of scores."""
    if scores is None:
        return f"{given!r:.60}"
    if scores.dtype.kind not in "biuf":
        return f"an array of {scores.dtype}"
    if scores.ndim != 1:
        return f"an array of the shape {scores.shape}"
    return f"{len(scores)} {'number' if len(scores) == 1 else 'numbers'}"
