"""Inference with a stack of bidirectional LSTM layers, in floats or in integers."""

from typing import Any, Sequence

from thinc.types import Floats2d, Ints1d

from .. import kernels
from .integer_recurrence import predict_bilstm_in_integers, round_to_bytes
from .recurrence import LayerWeights, predict_bilstm


class BiLSTMStack:
    """A stack of bidirectional LSTM layers, for inference only."""

    def __init__(self, layers: Sequence[LayerWeights], integers: bool) -> None:
        """Create a stack. Kernels copy the weights, so later changes within the arrays have no
        effect.

        layers (Sequence[LayerWeights]): At least one, C-contiguous; W and b of the first are not
            used.
        integers (bool): Whether weights and states are rounded to bytes. `kernels.use` can prevent
            it.
        """
        self._layers = list(layers)
        self._integers = integers and kernels.allows_integers
        self._packed: Any = None

    @property
    def computes_in_integers(self) -> bool:
        """Whether weights and states are rounded to bytes."""
        return self._integers

    @property
    def table_dtype(self) -> str:
        """The type of `predict`'s table. Half precision is finer than the steps of the states, and
        twice as many rows fit into a cache."""
        return "float16" if self._integers else "float32"

    def predict(self, table: Floats2d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """Compute the states of the last layer. Kernels use `kernels.prediction_threads`.

        table (Floats2d): (rows, 8 * hidden) inputs to the gates of the first layer, of the type
            `table_dtype`.
        rows (Ints1d): (tokens,) int64, the row of each token in the table.
        lengths (Ints1d): (sequences,) tokens per sequence, a numpy array.
        RETURNS (Floats2d): (tokens, 2 * hidden) states of both directions, concatenated.
        """
        compiled = kernels.kernels(self._layers[0].U)
        if compiled:
            packed = self._packed
            if packed is None or packed.made_for != kernels.in_use:
                packed = self._packed = compiled.Stack(self._layers, self._integers)
            n_threads = kernels.prediction_threads.get()
            return packed.predict(table, rows, compiled.Sequences(lengths), n_threads)
        inputs = table[rows].astype("float32", copy=False)
        if self._integers:
            return predict_bilstm_in_integers(round_to_bytes(self._layers), inputs, lengths)
        return predict_bilstm(self._layers, inputs, lengths)
