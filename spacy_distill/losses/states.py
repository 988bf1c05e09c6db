"""Compare hidden states of student and teacher."""

from typing import Tuple

from thinc.api import get_array_module
from thinc.types import Floats2d

# Shorter states, such as the zeros of a token without wordpieces, have no direction.
MIN_NORM = 1e-6


def states_distance(predicted: Floats2d, target: Floats2d) -> Tuple[float, Floats2d]:
    """Compute the squared distances of hidden states that are scaled to length 1 (Sun, Cheng, Gan,
    Liu 2019, "Patient Knowledge Distillation for BERT Model Compression"): between 0 and 4 a token.

    predicted (Floats2d): (tokens, width) states of the student.
    target (Floats2d): (tokens, width) states of the teacher. Tokens whose row is zeros are ignored.
    RETURNS (Tuple[float, Floats2d]): The sum over tokens, and the gradient with respect to the
        student's states, float32.
    """
    xp = get_array_module(predicted)
    predicted, target = predicted.astype("float64"), target.astype("float64")
    lengths = xp.sqrt((predicted**2).sum(axis=1, keepdims=True))
    target_lengths = xp.sqrt((target**2).sum(axis=1, keepdims=True))
    counts = (lengths > MIN_NORM) & (target_lengths > MIN_NORM)
    unit = predicted / xp.maximum(lengths, MIN_NORM)
    target_unit = target / xp.maximum(target_lengths, MIN_NORM)
    cosines = (unit * target_unit).sum(axis=1, keepdims=True)
    distances = xp.where(counts, 2 - 2 * cosines, 0)
    gradient = 2 * (cosines * unit - target_unit) / xp.maximum(lengths, MIN_NORM)
    return float(distances.sum()), xp.where(counts, gradient, 0).astype("float32")
