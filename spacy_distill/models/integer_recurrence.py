"""Inference with LSTM layers whose weights and states are rounded to bytes.

The states of an LSTM lie between -1 and 1, so a fixed step of 1/127 is fine enough, and no data are
needed for calibration. Weights are bytes as well, and each gate has a scale. The kernels in
`kernels/integer_stack.hh` have the same result bit by bit: sums of integers are exact, and each
operation on floats rounds separately.
"""

from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import Floats1d, Floats2d, FloatsXd, Ints1d

from ..chain.packing import Packing, pack
from .recurrence import LayerWeights

STATE_SCALE = WEIGHT_SCALE = numpy.float32(127)
# Sums of more products are beyond the integers that float32 has.
MOST_INPUTS = 2**24 // 127**2
HALF, ONE, TWO = numpy.float32(0.5), numpy.float32(1), numpy.float32(2)


class IntegerWeights(NamedTuple):
    """A layer's weights in one direction.

    weights (Floats2d): (inputs, 4 * hidden) integers from -127 to 127, for the states of the layer
        below and then for the own states. They are stored as float32, or float64 for many inputs,
        so that their products with states and the sums of these are exact.
    scales (Floats1d): (4 * hidden,) factors of the sums.
    bias (Optional[Floats1d]): (4 * hidden,) None in the first layer, whose inputs include it.
    """

    weights: Floats2d
    scales: Floats1d
    bias: Optional[Floats1d]


def round_to_bytes(layers: Sequence[LayerWeights]) -> List[Tuple[IntegerWeights, IntegerWeights]]:
    """Round the weights of layers.

    layers (Sequence[LayerWeights]): The layers. W and b of the first are not used.
    RETURNS (List[Tuple[IntegerWeights, IntegerWeights]]): For each layer, the weights of the
        forward and of the backward direction.
    """
    return [
        (_round_direction(layer, 0, i > 0), _round_direction(layer, 1, i > 0))
        for i, layer in enumerate(layers)
    ]


def _round_direction(layer: LayerWeights, direction: int, reads_states: bool) -> IntegerWeights:
    xp = get_array_module(layer.U)
    weights, bias = layer.U[direction], None
    if reads_states:
        columns = slice(direction * weights.shape[1], (direction + 1) * weights.shape[1])
        weights, bias = xp.concatenate((layer.W[:, columns], weights)), layer.b[columns]
    rounded, steps = round_columns(weights)
    return IntegerWeights(rounded, steps / STATE_SCALE, bias)


def round_columns(weights: Floats2d) -> Tuple[Floats2d, Floats1d]:
    """Round weights to integers from -127 to 127.

    weights (Floats2d): (inputs, columns)
    RETURNS (Tuple[Floats2d, Floats1d]): (inputs, columns) integers, stored as `IntegerWeights`
        says; and (columns,) the weight that a step stands for.
    """
    xp = get_array_module(weights)
    steps = abs(weights).max(axis=0) / WEIGHT_SCALE
    rounded = xp.rint(weights / xp.where(steps > 0, steps, ONE))
    return rounded.astype("float64") if len(rounded) > MOST_INPUTS else rounded, steps


def predict_bilstm_in_integers(
    layers: Sequence[Tuple[IntegerWeights, IntegerWeights]], inputs: Floats2d, lengths: Ints1d
) -> Floats2d:
    """Compute the states of the last layer.

    layers (Sequence[Tuple[IntegerWeights, IntegerWeights]]): The result of `round_to_bytes`.
    inputs (Floats2d): (tokens, 8 * hidden) inputs to the gates of the first layer.
    lengths (Ints1d): (sequences,) tokens per sequence, a numpy array.
    RETURNS (Floats2d): (tokens, 2 * hidden) states of both directions, concatenated.
    """
    xp = get_array_module(inputs)
    packing = pack(lengths, xp)
    width = inputs.shape[1] // 2
    rows = (packing.rows, packing.reversed_rows)
    below = given = None
    states: List[Floats2d] = []
    for directions in layers:
        states = []
        for direction, (weights, order) in enumerate(zip(directions, rows, strict=True)):
            if below is None:
                given = inputs[order, direction * width : (direction + 1) * width]
            packed = _run(weights, None if below is None else below[order], given, packing)
            ragged = xp.empty_like(packed)
            ragged[order] = packed
            states.append(ragged)
        below, given = in_steps(xp.concatenate(states, axis=1)), None
    return xp.concatenate(states, axis=1)


def _run(
    weights: IntegerWeights, below: Optional[Floats2d], given: Optional[Floats2d], packing: Packing
) -> Floats2d:
    """RETURNS (Floats2d): (tokens, hidden) states of one direction, in packed order."""
    xp = get_array_module(weights.weights)
    hidden = len(weights.scales) // 4
    n_tokens = len(packing.rows)
    states = xp.empty((n_tokens, hidden), dtype="float32")
    own, cells = xp.empty_like(states), xp.empty_like(states)
    for step, before in ((packing.first, None), *packing.steps()):
        zeros = xp.zeros((len(states[step]), hidden), dtype="float32")
        read = zeros if before is None else own[before]
        if below is not None:
            read = xp.concatenate((below[step], read), axis=1)
        gates = (read @ weights.weights).astype("float32", copy=False) * weights.scales
        gates += weights.bias if given is None else given[step]
        cells[step], states[step] = _open_gates(gates, zeros if before is None else cells[before])
        own[step] = in_steps(states[step])
    return states


def in_steps(states: Floats2d) -> Floats2d:
    """Round states of an LSTM to integers from -127 to 127, stored as float32.

    states (Floats2d): (tokens, hidden)
    RETURNS (Floats2d): The nearest integers, 0 for NaN.
    """
    xp = get_array_module(states)
    return xp.rint(xp.where(xp.isnan(states), 0, states) * STATE_SCALE)


def _open_gates(gates: Floats2d, cells: Floats2d) -> Tuple[Floats2d, Floats2d]:
    """RETURNS (Tuple[Floats2d, Floats2d]): (sequences, hidden) the next cells and states. Gates are
    kept as fractions, so that two divisions are enough."""
    hidden = cells.shape[1]
    i, f, o, candidate = (gates[:, k * hidden : (k + 1) * hidden] for k in range(4))
    (i, i_below), (f, f_below), (o, o_below) = map(_twice_logistic, (i, f, o))
    candidate, candidate_below = _tangent(candidate)
    entering = i_below * candidate_below
    cells = (f * cells * entering + i * candidate * f_below) / (TWO * f_below * entering)
    shown, shown_below = _tangent(cells)
    return cells, o * shown / (TWO * o_below * shown_below)


def rational_logistic(x: FloatsXd) -> FloatsXd:
    """Compute the logistic function with one division, up to 4e-5."""
    above, below = _twice_logistic(x)
    return above / (TWO * below)


def _twice_logistic(x: FloatsXd) -> Tuple[FloatsXd, FloatsXd]:
    above, below = _tangent(x * HALF)
    return below + above, below


def _tangent(x: FloatsXd) -> Tuple[FloatsXd, FloatsXd]:
    """RETURNS (Tuple[FloatsXd, FloatsXd]): Numerator and denominator of tanh(x), up to 7e-5."""
    xp = get_array_module(x)
    x = xp.clip(x, numpy.float32(-5.25), numpy.float32(5.25))
    y = x * x
    above = numpy.float32(9.9975e-1) + y * (numpy.float32(1.0087e-1) + y * numpy.float32(6.31e-4))
    below = ONE + y * (numpy.float32(4.3352e-1) + y * numpy.float32(1.239e-2))
    return x * above, below
