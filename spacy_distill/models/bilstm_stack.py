"""Inference with a stack of bidirectional LSTM layers, in floats or in integers."""

from typing import Any, Sequence

from thinc.types import Floats2d, Ints1d

from .. import kernels
from .integer_recurrence import predict_bilstm_in_integers, quantize
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
        self._integers = integers
        self._weights = [layers[0].U, *(array for layer in layers[1:] for array in layer)]
        self._packed: Any = None

    def predict(self, table: Floats2d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """Compute the states of the last layer. Kernels use `kernels.prediction_threads`.

        table (Floats2d): (rows, 8 * hidden) inputs to the gates of the first layer.
        rows (Ints1d): (tokens,) int64, the row of each token in the table.
        lengths (Ints1d): (sequences,) tokens per sequence, a numpy array.
        RETURNS (Floats2d): (tokens, 2 * hidden) states of both directions, concatenated.
        """
        integers = self._integers and kernels.allows_integers
        compiled = kernels.kernels(table, *self._weights)
        if compiled:
            packed = self._packed
            if packed is None or packed.made_for != (compiled.in_use(), integers):
                packed = self._packed = compiled.Stack(self._layers, integers)
            n_threads = kernels.prediction_threads.get()
            return packed.predict(table, rows, compiled.Sequences(lengths), n_threads)
        if integers:
            return predict_bilstm_in_integers(quantize(self._layers), table[rows], lengths)
        return predict_bilstm(self._layers, table[rows], lengths)
