"""Compare hidden states of student and teacher."""

from typing import Tuple

from thinc.api import get_array_module
from thinc.types import Floats2d

# Shorter states have no direction.
MIN_NORM = 1e-6


def standardized(states: Floats2d) -> Floats2d:
    """Subtract the mean of each dimension over a batch, and divide by the standard deviation. The
    states of many transformers have some dimensions that are large for all tokens, and would hide
    all others (Timkey, van Schijndel 2021, "All Bark and No Bite: Rogue Dimensions in Transformer
    Language Models Obscure Representational Quality").

    states (Floats2d): (tokens, width) hidden states. Rows of zeros, as of tokens without
        wordpieces, stay zeros and do not count.
    RETURNS (Floats2d): (tokens, width), float64. Dimensions that are constant are zeros.
    """
    xp = get_array_module(states)
    states = states.astype("float64")
    has_state = states.any(axis=1)
    if not has_state.any():
        return states
    known = states[has_state]
    deviations = known.std(axis=0)
    varies = deviations > MIN_NORM
    result = xp.zeros_like(states)
    scale = xp.where(varies, 1 / xp.where(varies, deviations, 1), 0)
    result[has_state] = (known - known.mean(axis=0)) * scale
    return result


def states_distance(predicted: Floats2d, target: Floats2d) -> Tuple[float, Floats2d]:
    """Compute the squared distances of hidden states that are scaled to length 1 (Sun, Cheng, Gan,
    Liu 2019, "Patient Knowledge Distillation for BERT Model Compression"): between 0 and 4 a token.
    Tokens for which one of both is zeros are ignored.

    predicted (Floats2d): (tokens, width) states of the student.
    target (Floats2d): (tokens, width) states of the teacher.
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
