"""Run the steps of a bidirectional LSTM over a ragged batch.

Compiled kernels (`kernels/`) are used if possible. Otherwise a step processes all sentences and
both directions at once with a few calls of numpy or cupy, in the packed order of
`chain/packing.py`.
"""

from typing import Any, Callable, NamedTuple, Optional, Sequence, Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import Floats1d, Floats2d, Floats3d, Ints1d

from .. import kernels
from ..chain.packing import Packing, pack


class LayerWeights(NamedTuple):
    """The parameters of a bidirectional LSTM. The order of gates is input, forget, output and
    candidate of the forward direction, then the same of the backward direction.

    U (Floats3d): (2, hidden, 4 * hidden) recurrent weights, from states to gates.
    W (Floats2d): Weights from inputs to gates: (8 * hidden, inputs) in training, (inputs,
        8 * hidden) in inference.
    b (Floats1d): (8 * hidden,)
    """

    U: Floats3d
    W: Floats2d
    b: Floats1d


def run_bilstm(
    X: Floats2d, lengths: Ints1d, weights: LayerWeights, n_threads: Optional[int] = None
) -> Tuple[Floats2d, Callable[[Floats2d], Tuple[Floats2d, LayerWeights]]]:
    """Compute the states of a bidirectional LSTM, and return its backward pass.

    X (Floats2d): (tokens, inputs)
    lengths (Ints1d): (sequences,) tokens per sequence, a numpy array.
    weights (LayerWeights): The parameters.
    n_threads (Optional[int]): The threads of the kernels; `kernels.n_training_threads` if None.
    RETURNS (Tuple[Floats2d, Callable]): The states, (tokens, 2 * hidden); and the backward pass,
        from the gradient of the states to the gradients of X and of the parameters.
    """
    compiled = kernels.kernels(X, *weights)
    if compiled:
        n_threads = kernels.n_training_threads if n_threads is None else n_threads
        return _run_compiled(compiled, X, lengths, weights, n_threads)
    return _run_packed(X, lengths, weights)


def _run_compiled(
    compiled: Any, X: Floats2d, lengths: Ints1d, weights: LayerWeights, n_threads: int
):
    sequences = compiled.Sequences(lengths)
    X, U, W, b = map(numpy.ascontiguousarray, (X, *weights))
    kept = compiled.lstm_forward(X, sequences, W, U, b, n_threads)

    def backprop(d_states: Floats2d) -> Tuple[Floats2d, LayerWeights]:
        d_states = numpy.ascontiguousarray(d_states)
        dX, dW, dU, db = compiled.lstm_backward(d_states, X, *kept, sequences, W, U, n_threads)
        return dX, LayerWeights(dU, dW, db)

    return kept[0], backprop


def predict_bilstm(layers: Sequence[LayerWeights], inputs: Floats2d, lengths: Ints1d) -> Floats2d:
    """Compute the states of the last of several layers, for inference only.

    layers (Sequence[LayerWeights]): The layers. W and b of the first are not used.
    inputs (Floats2d): (tokens, 8 * hidden) inputs to the gates of the first layer.
    lengths (Ints1d): (sequences,) tokens per sequence, a numpy array.
    RETURNS (Floats2d): (tokens, 2 * hidden) states of both directions, concatenated.
    """
    packing = pack(lengths, get_array_module(inputs))
    states = _states(inputs, layers[0].U, packing)
    for layer in layers[1:]:
        states = _states(states @ layer.W + layer.b, layer.U, packing)
    return states


def _states(inputs: Floats2d, U: Floats3d, packing: Packing) -> Floats2d:
    states, _ = _run_steps(to_packed(inputs, packing), U, packing)
    return to_ragged(states, packing)


def _run_packed(X: Floats2d, lengths: Ints1d, weights: LayerWeights):
    U, W, b = weights
    packing = pack(lengths, get_array_module(X))
    inputs = X @ W.T
    inputs += b
    gates = to_packed(inputs, packing)
    states, cells = _run_steps(gates, U, packing)

    def backprop(d_states: Floats2d) -> Tuple[Floats2d, LayerWeights]:
        packed = to_packed(d_states, packing)
        d_packed, dU = _backprop_steps(packed, gates, states, cells, U, packing)
        d_gates = to_ragged(d_packed, packing)
        return d_gates @ W, LayerWeights(dU, d_gates.T @ X, d_gates.sum(axis=0))

    return to_ragged(states, packing), backprop


def _run_steps(gates: Floats3d, U: Floats3d, packing: Packing) -> Tuple[Floats3d, Floats3d]:
    """Run all steps of a packed batch.

    gates (Floats3d): (2, tokens, 4 * hidden) inputs to the gates; overwritten by activated gates.
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
    """Apply the logistic function to the first three gates and tanh to the candidate, in place. A
    single call of tanh is enough, as `logistic(x) = (1 + tanh(x / 2)) / 2`."""
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

    d_states (Floats3d): (2, tokens, hidden) the gradient of the states; overwritten.
    RETURNS (Tuple[Floats3d, Floats3d]): The gradients of the inputs to the gates and of U.
    """
    xp = get_array_module(gates)
    hidden = U.shape[1]
    d_gates = xp.empty_like(gates)
    d_cells = xp.zeros_like(cells)
    U_transposed = U.transpose(0, 2, 1)
    for step, before in (*reversed(list(packing.steps())), (packing.first, None)):
        i, f, o, candidate = (gates[:, step, k * hidden : (k + 1) * hidden] for k in range(4))
        d_state, d_cell = d_states[:, step], d_cells[:, step]
        cell_tanh = xp.tanh(cells[:, step])
        d_cell += d_state * o * (1 - cell_tanh * cell_tanh)
        d_step = d_gates[:, step]
        d_step[:, :, :hidden] = d_cell * candidate * i * (1 - i)
        d_step[:, :, 2 * hidden : 3 * hidden] = d_state * cell_tanh * o * (1 - o)
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
    """Convert (tokens, 2 * width), both directions concatenated, to packed (2, tokens, width)."""
    half = ragged.shape[1] // 2
    xp = get_array_module(ragged)
    return xp.stack((ragged[packing.rows, :half], ragged[packing.reversed_rows, half:]))


def to_ragged(packed: Floats3d, packing: Packing) -> Floats2d:
    """Convert packed (2, tokens, width) back to (tokens, 2 * width)."""
    half = packed.shape[2]
    xp = get_array_module(packed)
    ragged = xp.empty((packed.shape[1], 2 * half), dtype="float32")
    ragged[packing.rows, :half] = packed[0]
    ragged[packing.reversed_rows, half:] = packed[1]
    return ragged
