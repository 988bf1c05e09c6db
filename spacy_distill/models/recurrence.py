"""Run the steps of an LSTM in both directions over a ragged batch.

They are compiled (`kernels/`) where that is possible. Else all sentences of the batch and both
directions step together, in the packed order of `chain/packing.py`: each step is a few calls of
numpy or cupy.
"""

from typing import Any, Callable, NamedTuple, Sequence, Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import Floats1d, Floats2d, Floats3d, Ints1d

from ..chain.packing import Packing, pack
from ..kernels import kernels


class LayerWeights(NamedTuple):
    """A bidirectional LSTM's parameters. Gates are input, forget, output and candidate, those of
    the forward before those of the backward direction.

    U (Floats3d): (2, hidden, 4 * hidden) states to gates.
    W (Floats2d): (inputs, 8 * hidden) inputs to gates.
    b (Floats1d): (8 * hidden,)
    """

    U: Floats3d
    W: Floats2d
    b: Floats1d


class BiLSTMStack:
    """Layers above one another, for prediction only, over a table of inputs to the first one."""

    def __init__(self, layers: Sequence[LayerWeights]) -> None:
        """Make a stack. Kernels work on copies of the weights, so a change within the arrays has no
        effect: make a new stack.

        layers (Sequence[LayerWeights]): At least one, C-contiguous; W and b of the first are not
            used.
        """
        self._layers = list(layers)
        self._weights = [layers[0].U, *(array for layer in layers[1:] for array in layer)]
        self._packed: Any = None

    def predict(self, table: Floats2d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """Compute the states of the last layer.

        table (Floats2d): (rows, 8 * hidden) inputs to the first layer's gates.
        rows (Ints1d): (tokens,) int64 each token's row.
        lengths (Ints1d): (sequences,) tokens of each sequence, a numpy array.
        RETURNS (Floats2d): (tokens, 2 * hidden) states of both directions, side by side.
        """
        compiled = kernels(table, *self._weights)
        if compiled:
            packed = self._packed
            if packed is None or packed.instruction_set != compiled.in_use():
                packed = self._packed = compiled.Stack(self._layers)
            return packed.predict(table, rows, compiled.Sequences(lengths))
        packing = pack(lengths, get_array_module(table))
        first, *others = self._layers
        states = _states(table[rows], first.U, packing)
        for layer in others:
            states = _states(states @ layer.W + layer.b, layer.U, packing)
        return states


def run_bilstm(
    inputs: Floats2d, lengths: Ints1d, U: Floats3d
) -> Tuple[Floats2d, Callable[[Floats2d], Tuple[Floats2d, Floats3d]]]:
    """Compute the states, and prepare the backward pass.

    inputs (Floats2d): (tokens, 8 * hidden) inputs to the gates, in the order of `LayerWeights`.
    lengths (Ints1d): (sequences,) tokens of each sequence, a numpy array.
    U (Floats3d): (2, hidden, 4 * hidden) states to gates.
    RETURNS (Tuple[Floats2d, Callable]): (tokens, 2 * hidden) states; and the backward pass, from
        their gradient to those of the inputs and of U.
    """
    compiled = kernels(inputs, U)
    if compiled:
        return _run_compiled(compiled, inputs, lengths, U)
    return _run_packed(inputs, lengths, U)


def _run_compiled(compiled: Any, inputs: Floats2d, lengths: Ints1d, U: Floats3d):
    sequences = compiled.Sequences(lengths)
    states, gates, cells = compiled.lstm_forward(_by_direction(inputs), sequences, U)

    def backprop(d_states: Floats2d) -> Tuple[Floats2d, Floats3d]:
        d_states = numpy.ascontiguousarray(d_states)
        d_gates = compiled.lstm_backward(d_states, gates, cells, sequences, U)
        hidden = U.shape[1]
        # The last state of a sequence is not the previous state of the next sequence.
        inside = numpy.ones(len(states), dtype=bool)
        starts = (lengths.cumsum() - lengths)[lengths > 0]
        inside[starts] = False
        after = numpy.flatnonzero(inside)
        ahead = states[after - 1, :hidden].T @ d_gates[after, 0]
        back = states[after, hidden:].T @ d_gates[after - 1, 1]
        return d_gates.reshape(len(states), 8 * hidden), numpy.stack((ahead, back))

    return states, backprop


def _by_direction(inputs: Floats2d) -> Floats3d:
    return numpy.ascontiguousarray(inputs).reshape(len(inputs), 2, inputs.shape[1] // 2)


def _states(inputs: Floats2d, U: Floats3d, packing: Packing) -> Floats2d:
    states, _ = _run_steps(to_packed(inputs, packing), U, packing)
    return to_ragged(states, packing)


def _run_packed(inputs: Floats2d, lengths: Ints1d, U: Floats3d):
    packing = pack(lengths, get_array_module(inputs))
    gates = to_packed(inputs, packing)
    states, cells = _run_steps(gates, U, packing)

    def backprop(d_states: Floats2d) -> Tuple[Floats2d, Floats3d]:
        packed = to_packed(d_states, packing)
        d_gates, dU = _backprop_steps(packed, gates, states, cells, U, packing)
        return to_ragged(d_gates, packing), dU

    return to_ragged(states, packing), backprop


def _run_steps(gates: Floats3d, U: Floats3d, packing: Packing) -> Tuple[Floats3d, Floats3d]:
    """Step through a packed batch.

    gates (Floats3d): (2, tokens, 4 * hidden) inputs to the gates; replaced by the activated gates.
    U (Floats3d): (2, hidden, 4 * hidden) recurrent weights.
    packing (Packing): The batch's order.
    RETURNS (Tuple[Floats3d, Floats3d]): States and cells, (2, tokens, hidden) each.
    """
    xp = get_array_module(gates)
    hidden = U.shape[1]
    states = xp.empty((2, gates.shape[1], hidden), dtype="float32")
    cells = xp.empty_like(states)
    for step, before in ((packing.first, None), *packing.steps()):
        at_step = gates[:, step]
        if before is not None:
            at_step += states[:, before] @ U
        _activate(at_step)
        i, f, o, candidate = (at_step[:, :, k * hidden : (k + 1) * hidden] for k in range(4))
        cell = i * candidate
        if before is not None:
            cell += f * cells[:, before]
        cells[:, step] = cell
        states[:, step] = o * xp.tanh(cell)
    return states, cells


def _activate(gates: Floats3d) -> None:
    """Apply the logistic function to the first three quarters of the columns and tanh to the rest,
    in place; `logistic(x) = (1 + tanh(x / 2)) / 2` makes it one call."""
    xp = get_array_module(gates)
    logistic = gates[:, :, : gates.shape[2] // 4 * 3]
    logistic *= 0.5
    xp.tanh(gates, out=gates)
    logistic *= 0.5
    logistic += 0.5


def _backprop_steps(
    d_states: Floats3d,
    gates: Floats3d,
    states: Floats3d,
    cells: Floats3d,
    U: Floats3d,
    packing: Packing,
) -> Tuple[Floats3d, Floats3d]:
    """Compute the backward pass of `_run_steps`.

    d_states (Floats3d): (2, tokens, hidden) gradient of the loss with respect to the states.
    gates, states, cells (Floats3d): The results of `_run_steps`.
    RETURNS (Tuple[Floats3d, Floats3d]): Gradients of the gates' inputs and of U.
    """
    xp = get_array_module(gates)
    hidden = U.shape[1]
    d_gates = xp.empty_like(gates)
    d_cells = xp.zeros_like(cells)
    U_transposed = U.transpose(0, 2, 1)
    for step, before in (*reversed(list(packing.steps())), (packing.first, None)):
        i, f, o, candidate = (gates[:, step, k * hidden : (k + 1) * hidden] for k in range(4))
        d_state, d_cell = d_states[:, step], d_cells[:, step]
        shown = xp.tanh(cells[:, step])
        d_cell += d_state * o * (1 - shown * shown)
        d_step = d_gates[:, step]
        d_step[:, :, :hidden] = d_cell * candidate * i * (1 - i)
        d_step[:, :, 2 * hidden : 3 * hidden] = d_state * shown * o * (1 - o)
        d_step[:, :, 3 * hidden :] = d_cell * i * (1 - candidate * candidate)
        if before is None:
            d_step[:, :, hidden : 2 * hidden] = 0
        else:
            d_step[:, :, hidden : 2 * hidden] = d_cell * cells[:, before] * f * (1 - f)
            d_cells[:, before] += d_cell * f
            d_states[:, before] += d_step @ U_transposed
    later = slice(packing.first.stop, None)
    dU = states[:, packing.previous].transpose(0, 2, 1) @ d_gates[:, later]
    return d_gates, dU


def to_packed(ragged: Floats2d, packing: Packing) -> Floats3d:
    """Reorder (tokens, 2 * width), forward and backward side by side, to (2, tokens, width)."""
    half = ragged.shape[1] // 2
    xp = get_array_module(ragged)
    return xp.stack((ragged[packing.rows, :half], ragged[packing.reversed_rows, half:]))


def to_ragged(packed: Floats3d, packing: Packing) -> Floats2d:
    """Undo `to_packed`."""
    half = packed.shape[2]
    xp = get_array_module(packed)
    ragged = xp.empty((packed.shape[1], 2 * half), dtype="float32")
    ragged[packing.rows, :half] = packed[0]
    ragged[packing.reversed_rows, half:] = packed[1]
    return ragged
