"""A bidirectional LSTM that steps all sentences of a batch, in both directions, together."""

from typing import Callable, Optional, Tuple

import numpy
from thinc.api import Model, get_array_module, glorot_uniform_init
from thinc.types import Floats2d, Floats3d, Ragged

from ..chain import Packing, pack


def BiLSTM(nO: Optional[int] = None, nI: Optional[int] = None) -> Model[Ragged, Ragged]:
    """One bidirectional LSTM layer (Hochreiter, Schmidhuber 1997; Graves, Schmidhuber 2005).

    Both directions are one batched matrix product a step, over the sentences that still have
    tokens; the inputs of all steps are one product before that.

    nO (Optional[int]): Output width, half of it for each direction.
    nI (Optional[int]): Input width.
    """
    return Model(
        "bilstm",
        forward,
        init=init,
        dims={"nO": nO, "nI": nI},
        params={"W": None, "U": None, "b": None},
    )


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    # W (8 * hidden, nI): inputs to the gates of the forward, then of the backward direction
    # U (2, hidden, 4 * hidden): states to gates; gates are input, forget, output and candidate
    W, U, b = model.get_param("W"), model.get_param("U"), model.get_param("b")
    lengths = X.lengths.get() if hasattr(X.lengths, "get") else X.lengths
    packing = pack(lengths, model.ops.xp)
    gates = to_packed(X.dataXd @ W.T + b, packing)
    states, cells = run(gates, U, packing)
    Y = Ragged(to_ragged(states, packing), X.lengths)

    def backprop(dY: Ragged) -> Ragged:
        d_gates, dU = backprop_run(to_packed(dY.dataXd, packing), gates, states, cells, U, packing)
        d_input = to_ragged(d_gates, packing)
        model.inc_grad("U", dU)
        model.inc_grad("W", d_input.T @ X.dataXd)
        model.inc_grad("b", d_input.sum(axis=0))
        return Ragged(d_input @ W, X.lengths)

    return Y, backprop


def init(model: Model[Ragged, Ragged], X=None, Y=None) -> None:
    if X is not None:
        model.set_dim("nI", X.dataXd.shape[1])
    width, n_inputs = model.get_dim("nO"), model.get_dim("nI")
    if width % 2:
        raise ValueError(f"A BiLSTM's width is shared by two directions: {width} is not even.")
    hidden = width // 2
    gates = [glorot_uniform_init(model.ops, (hidden, n_inputs)) for _ in range(8)]
    model.set_param("W", model.ops.xp.concatenate(gates))
    model.set_param("U", recurrent_init(model, hidden))
    b = model.ops.alloc2f(2, 4 * hidden)
    # A forget gate that starts open lets gradients pass (Jozefowicz et al. 2015).
    b[:, hidden : 2 * hidden] = 1.0
    model.set_param("b", b.ravel())


def recurrent_init(model: Model, hidden: int) -> Floats3d:
    """RETURNS (Floats3d): (2, hidden, 4 * hidden), an orthogonal matrix per direction and gate."""
    normal = numpy.random.normal(size=(8, hidden, hidden))
    orthogonal = numpy.linalg.qr(normal)[0].reshape(2, 4, hidden, hidden)
    stacked = orthogonal.transpose(0, 2, 1, 3).reshape(2, hidden, 4 * hidden)
    return model.ops.asarray3f(numpy.ascontiguousarray(stacked, dtype="float32"))


def run(gates: Floats3d, U: Floats3d, packing: Packing) -> Tuple[Floats3d, Floats3d]:
    """Step through a packed batch.

    gates (Floats3d): (2, tokens, 4 * hidden) inputs to the gates; replaced by the open gates.
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
        open_gates(at_step)
        i, f, o, candidate = (at_step[:, :, k * hidden : (k + 1) * hidden] for k in range(4))
        cell = i * candidate
        if before is not None:
            cell += f * cells[:, before]
        cells[:, step] = cell
        states[:, step] = o * xp.tanh(cell)
    return states, cells


def open_gates(gates: Floats3d) -> None:
    """Apply the logistic function to the first three quarters of the columns and tanh to the rest,
    in place; `logistic(x) = (1 + tanh(x / 2)) / 2` makes it one call."""
    xp = get_array_module(gates)
    logistic = gates[:, :, : gates.shape[2] // 4 * 3]
    logistic *= 0.5
    xp.tanh(gates, out=gates)
    logistic *= 0.5
    logistic += 0.5


def backprop_run(
    d_states: Floats3d,
    gates: Floats3d,
    states: Floats3d,
    cells: Floats3d,
    U: Floats3d,
    packing: Packing,
) -> Tuple[Floats3d, Floats3d]:
    """Go back through the steps of `run`.

    d_states (Floats3d): (2, tokens, hidden) gradient of the loss with respect to the states.
    gates, states, cells (Floats3d): What `run` left.
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
