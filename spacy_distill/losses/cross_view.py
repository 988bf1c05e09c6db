"""The loss of heads that predict tags from a part of what an encoder has read."""

from typing import Dict, NamedTuple, Optional, Tuple

import numpy
from thinc.api import Model, get_array_module, to_numpy
from thinc.types import Floats2d, Ints1d, Ragged

from .token_distillation import MIN_PROBABILITY


class View(NamedTuple):
    """What a head sees of a sentence.

    direction (Optional[int]): The direction of the first layer: 0 is forward, 1 is backward. None
        for both directions of the last layer.
    shift (int): The position of the token that is predicted, from the state that is read.
    """

    direction: Optional[int]
    shift: int


VIEWS: Dict[str, View] = {
    "forward": View(0, 0),
    "backward": View(1, 0),
    "future": View(0, 1),
    "past": View(1, -1),
    "full": View(None, 0),
}


class HeadsLoss(NamedTuple):
    """The loss of heads, and its gradients.

    value (float): The sum over heads and tokens.
    d_first (Floats2d): (tokens, width) the gradient of the first layer's states.
    d_last (Floats2d): (tokens, width) the gradient of the last layer's states.
    """

    value: float
    d_first: Floats2d
    d_last: Floats2d


def heads_loss(
    heads: Dict[str, Model[Floats2d, Floats2d]],
    first: Ragged,
    last: Ragged,
    targets: Floats2d,
    weight: float = 1.0,
) -> HeadsLoss:
    """Compute the Kullback-Leibler divergence of heads from target probabilities (Clark et al.
    2018, "Semi-Supervised Sequence Modeling with Cross-View Training"), and accumulate the heads'
    gradients.

    heads (Dict[str, Model[Floats2d, Floats2d]]): The heads by the names of their views.
    first (Ragged): (tokens, width) states of the first layer, both directions.
    last (Ragged): (tokens, width) states of the last layer.
    targets (Floats2d): (tokens, tags) probabilities. Tokens whose row is zeros are ignored.
    weight (float): The factor of the loss and of its gradients.
    RETURNS (HeadsLoss): The loss.
    """
    xp = get_array_module(targets)
    later = _later_rows(to_numpy(first.lengths))
    value = 0.0
    d_first, d_last = xp.zeros_like(first.dataXd), xp.zeros_like(last.dataXd)
    for name, head in heads.items():
        view = VIEWS[name]
        states, gradient = first.dataXd, d_first
        if view.direction is None:
            states, gradient = last.dataXd, d_last
        else:
            half = states.shape[1] // 2
            columns = slice(view.direction * half, (view.direction + 1) * half)
            states, gradient = states[:, columns], gradient[:, columns]
        rows, predicted = map(xp.asarray, _rows(view.shift, later, len(states)))
        # Only rows that have something to learn.
        learnt = targets[predicted].any(axis=1)
        rows, predicted = rows[learnt], predicted[learnt]
        if not len(rows):
            continue
        X, target = xp.ascontiguousarray(states[rows]), targets[predicted]
        scores, backprop = head.begin_update(X)
        divergence, d_scores = softmax_divergence(target, scores)
        value += weight * divergence
        gradient[rows] += backprop(d_scores * weight)
    return HeadsLoss(value, d_first, d_last)


def softmax_divergence(target: Floats2d, scores: Floats2d) -> Tuple[float, Floats2d]:
    """Compute the Kullback-Leibler divergence of softmax probabilities from target probabilities.

    target (Floats2d): (tokens, tags) probabilities.
    scores (Floats2d): (tokens, tags).
    RETURNS (Tuple[float, Floats2d]): The sum over tokens, and the gradient of the scores, float32.
    """
    xp = get_array_module(scores)
    target, scores = target.astype("float64"), scores.astype("float64")
    predicted = xp.exp(scores - scores.max(axis=1, keepdims=True))
    predicted /= predicted.sum(axis=1, keepdims=True)
    logs = xp.log(xp.where(target > 0, target, 1)) - xp.log(xp.maximum(predicted, MIN_PROBABILITY))
    gradient = predicted * target.sum(axis=1, keepdims=True) - target
    return float((target * logs).sum()), gradient.astype("float32")


def _later_rows(lengths: Ints1d) -> Ints1d:
    """RETURNS (Ints1d): The rows of all tokens but the first of each sequence."""
    starts = numpy.concatenate([[0], numpy.cumsum(lengths)[:-1]]).astype("int64")
    is_first = numpy.zeros(int(lengths.sum()) + 1, dtype=bool)
    is_first[starts] = True
    return numpy.flatnonzero(~is_first[:-1])


def _rows(shift: int, later: Ints1d, n_tokens: int) -> Tuple[Ints1d, Ints1d]:
    """RETURNS (Tuple[Ints1d, Ints1d]): The rows of the states that are read, and of the tokens that
    are predicted."""
    if shift == 0:
        every = numpy.arange(n_tokens)
        return every, every
    return (later - 1, later) if shift > 0 else (later, later - 1)
