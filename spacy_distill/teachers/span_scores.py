"""The scores of spans as probabilities, read from `doc.spans[key].attrs["scores"]`."""

import math
from typing import Any, List, Optional

from spacy.tokens import Doc

from .failures import TeacherError, documents_error

# Sums of probabilities in half precision may exceed 1, or fall below 0, by so much.
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
    written = group.attrs.get("scores")
    if written is None:
        return None
    scores = _numbers(written)
    where = f"doc.spans['{key}'].attrs['scores'] of the document '{doc.text[:40]}'"
    if scores is None or len(scores) != len(group):
        found = f"{written!r:.60}" if scores is None else f"{len(scores)} numbers"
        raise TeacherError(
            f"[D277] Expected one number for each of {len(group)} spans in {where}: found {found}. "
            "Write a list of probabilities, one for each span in their order."
        )
    for span, score in zip(group, scores, strict=True):
        if math.isnan(score):
            reason = f"the score of the span '{span.text[:40]}' ({span.label_}) is NaN"
            raise documents_error(f"spans '{key}'", [doc], {0: reason})
        if not -ROUNDING <= score <= 1 + ROUNDING:
            raise TeacherError(
                f"[D278] The span '{span.text[:40]}' ({span.label_}) has the score {score:g} in "
                f"{where}, which is no probability: expected a number from 0 to 1. Map the scores "
                "in the component that writes them: divide a percentage by 100, and put other "
                "scores through a sigmoid, 1 / (1 + exp(-score))."
            )
    return [min(max(score, 0.0), 1.0) for score in scores]


def _numbers(written: Any) -> Optional[List[float]]:
    """RETURNS (Optional[List[float]]): The numbers of a list, or of an array of numpy, cupy or
    torch; None for anything else."""
    values = written.tolist() if hasattr(written, "tolist") else written
    if not isinstance(values, (list, tuple)):
        return None
    # A list may have arrays of one number.
    values = [value.item() if _has_one_number(value) else value for value in values]
    if not all(isinstance(value, (int, float)) for value in values):
        return None
    return [float(value) for value in values]


def _has_one_number(value: Any) -> bool:
    return hasattr(value, "item") and math.prod(getattr(value, "shape", (0,))) == 1
