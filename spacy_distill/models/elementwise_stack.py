"""Inference with a stack of SRU or minGRU layers, in floats or with products of integers.

With integers, the weights of all layers but the first are bytes, and each column has a scale. The
states of a token are bytes where they are multiplied. They have no bounds, so the scale is that of
the token's largest state. All else is in floats. The kernels in `kernels/elementwise_stack.hh` have
the same result bit by bit: sums of integers are exact, and each operation on floats rounds
separately.
"""

from typing import Any, Optional, Sequence, Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import Floats2d, Ints1d

from .. import kernels
from ..chain.packing import pack
from .elementwise_recurrence import (
    HIGHWAY_SCALE,
    ElementwiseWeights,
    find_highway,
    logistic,
    run_steps,
)
from .integer_recurrence import STATE_SCALE, rational_logistic, round_columns
from .recurrence import to_packed, to_ragged

# The quotient of the scale and a smaller state is beyond a float.
LEAST_STATE = numpy.float32(1e-30)


class ElementwiseStack:
    """A stack of bidirectional SRU or minGRU layers, for inference only."""

    def __init__(self, layers: Sequence[ElementwiseWeights], hidden: int, integers: bool) -> None:
        """Create a stack. Kernels copy the weights, so later changes within the arrays have no
        effect.

        layers (Sequence[ElementwiseWeights]): At least one, C-contiguous; W and b of the first are
            not used.
        hidden (int): The number of states of each direction.
        integers (bool): Whether weights and states are rounded to bytes in products. `kernels.use`
            can prevent it.
        """
        self._layers = list(layers)
        self._hidden = hidden
        self._integers = integers and kernels.allows_integers
        self._packed: Any = None

    @property
    def table_dtype(self) -> str:
        """The type of `predict`'s table. With half precision, twice as many rows fit into a
        cache."""
        return "float16" if self._integers else "float32"

    def predict(self, table: Floats2d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """Compute the states of the last layer. Kernels use `kernels.prediction_threads`.

        table (Floats2d): (rows, 2 * maps * hidden) maps of the first layer, of the type
            `table_dtype`.
        rows (Ints1d): (tokens,) int64, the row of each token in the table.
        lengths (Ints1d): (sequences,) tokens per sequence, a numpy array.
        RETURNS (Floats2d): (tokens, 2 * hidden) states of both directions, concatenated.
        """
        compiled = kernels.kernels(self._layers[0].W)
        if compiled:
            packed = self._packed
            if packed is None or packed.made_for != kernels.in_use:
                packed = self._packed = compiled.ElementwiseStack(
                    self._layers, self._hidden, HIGHWAY_SCALE, self._integers
                )
            n_threads = kernels.prediction_threads.get()
            return packed.predict(table, rows, compiled.Sequences(lengths), n_threads)
        return self._predict_packed(table[rows].astype("float32", copy=False), lengths)

    def _predict_packed(self, ragged: Floats2d, lengths: Ints1d) -> Floats2d:
        packing = pack(lengths, get_array_module(ragged))
        gate = rational_logistic if self._integers else logistic
        states: Optional[Floats2d] = None
        for layer in self._layers:
            below = None
            if states is not None:
                ragged = self._multiply(states, layer)
                below = to_packed(states, packing)
            maps = to_packed(ragged, packing)
            highway = find_highway(below, maps, layer.v)
            states = to_ragged(run_steps(maps, highway, layer.v, packing, gate).states, packing)
        assert states is not None
        return states

    def _multiply(self, states: Floats2d, layer: ElementwiseWeights) -> Floats2d:
        """RETURNS (Floats2d): (tokens, 2 * maps * hidden) the maps of a layer."""
        if not self._integers:
            return states @ layer.W + layer.b
        weights, steps = round_columns(layer.W)
        rounded, scales = _round_rows(states)
        product = (rounded @ weights).astype("float32", copy=False) * steps
        return product * scales + layer.b


def _round_rows(states: Floats2d) -> Tuple[Floats2d, Floats2d]:
    """RETURNS (Tuple[Floats2d, Floats2d]): (tokens, columns) integers from -127 to 127; and the
    state that a step stands for, (tokens, 1). What is no finite number counts as 0."""
    xp = get_array_module(states)
    finite = xp.where(xp.isfinite(states), states, numpy.float32(0))
    largest = abs(finite).max(axis=1, keepdims=True, initial=0)
    steps = xp.where(largest > LEAST_STATE, STATE_SCALE / xp.maximum(largest, LEAST_STATE), 0)
    return xp.rint(finite * steps.astype("float32")), largest / STATE_SCALE
