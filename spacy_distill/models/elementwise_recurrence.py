"""Run the steps of a bidirectional SRU or minGRU over a ragged batch.

Compiled kernels (`kernels/`) are used if possible. Otherwise a step processes all sentences and
both directions at once with a few calls of numpy or cupy, as in `recurrence.py`.
"""

from typing import Any, Callable, NamedTuple, Optional, Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import Floats1d, Floats2d, Floats3d, Ints1d

from .. import kernels
from ..chain.packing import Packing, pack
from .recurrence import to_packed, to_ragged

# The factor of an SRU's highway. With reset gates at 1/2, as at the start, states keep the variance
# of their inputs.
HIGHWAY_SCALE = numpy.float32(3**0.5)
ONE = numpy.float32(1)


class ElementwiseWeights(NamedTuple):
    """The parameters of a bidirectional SRU or minGRU layer. The order of maps is candidate, forget
    gate, reset gate and highway of the forward direction, then the same of the backward direction.
    A minGRU has the first two. In an SRU with three, the highway is the input.

    W (Floats2d): Weights from inputs to maps: (2 * maps * hidden, inputs) in training, (inputs,
        2 * maps * hidden) in inference.
    b (Floats1d): (2 * maps * hidden,)
    v (Optional[Floats3d]): (2, 2, hidden) weights from the cell before to the forget and the reset
        gate, of both directions; None for a minGRU.
    """

    W: Floats2d
    b: Floats1d
    v: Optional[Floats3d]


class Steps(NamedTuple):
    """What the steps of a packed batch compute, (2, tokens, hidden) each.

    forget, reset: Gates, the latter None for a minGRU.
    cells, states: The same arrays for a minGRU.
    """

    forget: Floats3d
    reset: Optional[Floats3d]
    cells: Floats3d
    states: Floats3d


def run_elementwise(
    X: Floats2d,
    lengths: Ints1d,
    weights: ElementwiseWeights,
    hidden: int,
    n_threads: Optional[int] = None,
) -> Tuple[Floats2d, Callable[[Floats2d], Tuple[Floats2d, ElementwiseWeights]]]:
    """Compute the states of a bidirectional SRU or minGRU, and return its backward pass.

    X (Floats2d): (tokens, inputs)
    lengths (Ints1d): (sequences,) tokens per sequence, a numpy array.
    weights (ElementwiseWeights): The parameters.
    hidden (int): The number of states of each direction.
    n_threads (Optional[int]): The threads of the kernels; `kernels.n_training_threads` if None.
    RETURNS (Tuple[Floats2d, Callable]): The states, (tokens, 2 * hidden); and the backward pass,
        from the gradient of the states to the gradients of X and of the parameters.
    """
    compiled = kernels.kernels(X, *(array for array in weights if array is not None))
    if compiled:
        n_threads = kernels.n_training_threads if n_threads is None else n_threads
        return _run_compiled(compiled, X, lengths, weights, hidden, n_threads)
    return _run_packed(X, lengths, weights, hidden)


def _run_compiled(
    compiled: Any,
    X: Floats2d,
    lengths: Ints1d,
    weights: ElementwiseWeights,
    hidden: int,
    n_threads: int,
):
    sequences = compiled.Sequences(lengths)
    X, W, b = map(numpy.ascontiguousarray, (X, weights.W, weights.b))
    v = None if weights.v is None else numpy.ascontiguousarray(weights.v)
    settings = v, hidden, HIGHWAY_SCALE, n_threads
    kept = compiled.elementwise_forward(X, sequences, W, b, *settings)

    def backprop(d_states: Floats2d) -> Tuple[Floats2d, ElementwiseWeights]:
        d_states = numpy.ascontiguousarray(d_states)
        dX, *gradients = compiled.elementwise_backward(d_states, X, *kept, sequences, W, *settings)
        return dX, ElementwiseWeights(*gradients)

    return kept[0], backprop


def _run_packed(X: Floats2d, lengths: Ints1d, weights: ElementwiseWeights, hidden: int):
    W, b, v = weights
    packing = pack(lengths, get_array_module(X))
    maps = X @ W.T
    maps += b
    maps = to_packed(maps, packing)
    is_input = v is not None and maps.shape[2] == 3 * hidden
    highway = find_highway(to_packed(X, packing) if is_input else None, maps, v)
    steps = run_steps(maps, highway, v, packing, logistic)

    def backprop(d_states: Floats2d) -> Tuple[Floats2d, ElementwiseWeights]:
        packed = to_packed(d_states, packing)
        d_packed, d_highway, dv = _backprop_steps(packed, maps, highway, steps, v, packing)
        d_maps = to_ragged(d_packed, packing)
        dX = d_maps @ W
        if is_input:
            dX += to_ragged(d_highway, packing)
        return dX, ElementwiseWeights(d_maps.T @ X, d_maps.sum(axis=0), dv)

    return to_ragged(steps.states, packing), backprop


def find_highway(
    below: Optional[Floats3d], maps: Floats3d, v: Optional[Floats3d]
) -> Optional[Floats3d]:
    """Find what the highway of an SRU adds to states: (2, tokens, hidden); None for a minGRU.

    below (Optional[Floats3d]): (2, tokens, hidden) the layer's packed inputs; None if a map is the
        highway.
    """
    if v is None:
        return None
    passed = maps[:, :, 3 * v.shape[2] :] if below is None else below
    return passed * HIGHWAY_SCALE


def run_steps(
    maps: Floats3d,
    highway: Optional[Floats3d],
    v: Optional[Floats3d],
    packing: Packing,
    gate: Callable[[Floats3d], Floats3d],
) -> Steps:
    """Run all steps of a packed batch.

    maps (Floats3d): (2, tokens, maps * hidden)
    highway (Optional[Floats3d]): The result of `find_highway`.
    v (Optional[Floats3d]): The peepholes.
    packing (Packing): The order of the tokens.
    gate (Callable[[Floats3d], Floats3d]): The logistic function.
    RETURNS (Steps): Gates, cells and states.
    """
    xp = get_array_module(maps)
    hidden = maps.shape[2] // 2 if v is None else v.shape[2]
    candidate, forget_input, reset_input = (
        maps[:, :, k * hidden : (k + 1) * hidden] for k in range(3)
    )
    forget, cells = xp.empty((2, 2, maps.shape[1], hidden), dtype="float32")
    reset = None if v is None else xp.empty_like(forget)
    if v is None:
        forget[...] = gate(forget_input)  # it depends on no cell
    for step, before in ((packing.first, None), *packing.steps()):
        cell = xp.zeros_like(cells[:, step]) if before is None else cells[:, before]
        if v is not None and reset is not None:
            forget[:, step] = gate(forget_input[:, step] + v[:, :1] * cell)
            reset[:, step] = gate(reset_input[:, step] + v[:, 1:] * cell)
        f = forget[:, step]
        cells[:, step] = f * cell + (ONE - f) * candidate[:, step]
    states = cells if reset is None else reset * cells + (ONE - reset) * highway
    return Steps(forget, reset, cells, states)


def logistic(x: Floats3d) -> Floats3d:
    """Compute the logistic function, as (1 + tanh(x / 2)) / 2, which cannot overflow."""
    xp = get_array_module(x)
    return (xp.tanh(x * 0.5) + 1) * 0.5


def _backprop_steps(
    d_states: Floats3d,
    maps: Floats3d,
    highway: Optional[Floats3d],
    steps: Steps,
    v: Optional[Floats3d],
    packing: Packing,
) -> Tuple[Floats3d, Optional[Floats3d], Optional[Floats3d]]:
    """Compute the backward pass of `run_steps`.

    d_states (Floats3d): (2, tokens, hidden) the gradient of the states.
    RETURNS (Tuple[Floats3d, Optional[Floats3d], Optional[Floats3d]]): The gradients of the maps, of
        what the highway passes on, and of the peepholes.
    """
    xp = get_array_module(maps)
    forget, reset, cells, _ = steps
    hidden = cells.shape[2]
    d_maps = xp.empty_like(maps)
    d_candidate, d_forget = d_maps[:, :, :hidden], d_maps[:, :, hidden : 2 * hidden]
    d_cells, d_highway = d_states.copy(), None
    if reset is not None:
        d_reset = d_maps[:, :, 2 * hidden : 3 * hidden]
        d_reset[...] = d_states * (cells - highway) * reset * (1 - reset)
        d_highway = d_states * (1 - reset) * HIGHWAY_SCALE
        d_maps[:, :, 3 * hidden :] = d_highway[:, :, : maps.shape[2] - 3 * hidden]
        d_cells *= reset
    for step, before in (*reversed(list(packing.steps())), (packing.first, None)):
        f, d_cell = forget[:, step], d_cells[:, step]
        candidate = maps[:, step, :hidden]
        cell = 0 if before is None else cells[:, before]
        d_candidate[:, step] = d_cell * (1 - f)
        d_forget[:, step] = d_cell * (cell - candidate) * f * (1 - f)
        if before is not None:
            d_cells[:, before] += d_cell * f
            if v is not None:
                d_gates = d_maps[:, step, hidden : 3 * hidden].reshape(2, -1, 2, hidden)
                d_cells[:, before] += (d_gates * v[:, None]).sum(axis=2)
    dv = None
    if v is not None:
        later = slice(packing.first.stop, None)
        d_gates = d_maps[:, later, hidden : 3 * hidden].reshape(2, -1, 2, hidden)
        dv = (d_gates * cells[:, packing.previous, None]).sum(axis=1)
    return d_maps, d_highway, dv
