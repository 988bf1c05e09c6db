"""Bidirectional LSTM layers over ragged batches."""

from functools import partial
from typing import Callable, Dict, List, Literal, Mapping, Optional, Tuple

import numpy
from thinc.api import Model, chain, glorot_uniform_init, to_numpy
from thinc.types import Floats2d, Floats3d, Ints1d, Ragged

from .. import kernels
from ..checks import require_range
from .bilstm_stack import BiLSTMStack
from .dropout import dropout
from .form_product import FormProduct
from .recurrence import LayerWeights, run_bilstm
from .taps import DIRECTIONS_ATTR, TAP_ATTR


def BiLSTM(
    width: int = 200, depth: int = 2, precision: Literal["float32", "int8"] = "float32"
) -> Model[Ragged, Ragged]:
    """Build a stack of bidirectional LSTM layers with dropout between them.

    width (int): The output width of each layer. Each direction has half of it.
    depth (int): The number of layers.
    precision (str): The numbers that inference computes with. "int8" rounds weights and states to
        bytes, which is 1.2 to 2.6 times as fast. Training and saved models stay in float32.
    RETURNS (Model[Ragged, Ragged]): From (tokens, inputs) to (tokens, width).
    RAISES (ValueError): There are no layers.
    """
    require_range("depth", depth, 1)
    require_range("width", width, 2)
    layers: List[Model[Ragged, Ragged]] = [bilstm_layer(width)]
    for _ in range(depth - 1):
        layers += [dropout(), bilstm_layer(width)]
    model = layers[0] if depth == 1 else chain(*layers)
    model.attrs["inference"] = partial(BiLSTMInference, precision=precision)
    model.attrs[DIRECTIONS_ATTR] = bilstm_layers
    return model


def bilstm_layers(model: Model[Ragged, Ragged]) -> List[Model[Ragged, Ragged]]:
    """RETURNS (List[Model[Ragged, Ragged]]): The layers of a `BiLSTM`, from the first to the
    last."""
    return [node for node in model.walk() if node.has_param("U") is not False]


class BiLSTMInference:
    """Inference with a BiLSTM. The inputs to the gates of the first layer are computed once for
    each word form. All steps of all layers take one call per batch."""

    allows_windows = True

    def __init__(self, model: Model[Ragged, Ragged], precision: str) -> None:
        """Copy the current parameters of a model.

        model (Model[Ragged, Ragged]): A model that `BiLSTM` created.
        precision (str): "int8" or "float32".
        """
        parameters = [
            LayerWeights(U, numpy.ascontiguousarray(W.T), b)
            for U, W, b in (map(layer.get_param, ("U", "W", "b")) for layer in bilstm_layers(model))
        ]
        # Integers have no NaN, so it would be hidden.
        finite = all(numpy.isfinite(array).all() for layer in parameters for array in layer)
        self._stack = BiLSTMStack(parameters, integers=precision == "int8" and finite)
        _, W, b = parameters[0]
        self._inputs = FormProduct(W, b, self._stack.table_dtype)

    def per_form(self, features: Floats2d) -> Floats2d:
        """RETURNS (Floats2d): (forms, 8 * hidden) inputs to the gates of the first layer."""
        return self._inputs(features)

    def per_sequence(self, table: Floats2d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (tokens, 2 * hidden) hidden states of the last layer."""
        return self._stack.predict(table, rows, lengths)


def bilstm_layer(nO: Optional[int] = None, nI: Optional[int] = None) -> Model[Ragged, Ragged]:
    """Build one bidirectional LSTM layer (Hochreiter, Schmidhuber 1997; Graves, Schmidhuber 2005).

    nO (Optional[int]): The output width. Each direction has half of it.
    nI (Optional[int]): The input width.
    """
    return Model(
        "bilstm",
        forward,
        init=init,
        dims={"nO": nO, "nI": nI},
        params={"W": None, "U": None, "b": None},
        attrs={"shapes": shapes},
    )


def shapes(dims: Mapping[str, int]) -> Dict[str, Tuple[int, ...]]:
    """RETURNS (Dict[str, Tuple[int, ...]]): The shapes of the parameters."""
    gates = 4 * dims["nO"]
    return {
        "W": (gates, dims["nI"]),
        "U": (2, dims["nO"] // 2, gates // 2),
        "b": (gates,),
    }


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    # W (8 * hidden, nI): from inputs to the gates of the forward, then of the backward direction
    # U (2, hidden, 4 * hidden): from states to gates: input, forget, output and candidate
    weights = LayerWeights(model.get_param("U"), model.get_param("W"), model.get_param("b"))
    n_threads = None if is_train else kernels.prediction_threads.get()
    states, backprop_run = run_bilstm(X.dataXd, to_numpy(X.lengths), weights, n_threads)
    tap = model.attrs.get(TAP_ATTR) if is_train else None
    if tap is not None:
        tap.states = Ragged(states, X.lengths)

    def backprop(dY: Ragged) -> Ragged:
        d_states = dY.dataXd if tap is None else tap.add_to(dY.dataXd)
        if not d_states.any():  # above the layer that heads or states train
            return Ragged(model.ops.xp.zeros_like(X.dataXd), X.lengths)
        dX, gradients = backprop_run(d_states)
        for name, gradient in gradients._asdict().items():
            model.inc_grad(name, gradient)
        return Ragged(dX, X.lengths)

    return Ragged(states, X.lengths), backprop


def init(model: Model[Ragged, Ragged], X=None, Y=None) -> None:
    if X is not None:
        model.set_dim("nI", X.dataXd.shape[1])
    width, n_inputs = model.get_dim("nO"), model.get_dim("nI")
    if width % 2:
        raise ValueError(
            f"[D601] The width of a BiLSTM has to be even, because each direction gets half of it: "
            f"found {width}. Correct `width` in the config."
        )
    hidden = width // 2
    gates = [glorot_uniform_init(model.ops, (hidden, n_inputs)) for _ in range(8)]
    model.set_param("W", model.ops.xp.concatenate(gates))
    model.set_param("U", recurrent_init(model, hidden))
    b = model.ops.alloc2f(2, 4 * hidden)
    # A bias of 1 opens the forget gates, so that gradients flow from the start (Jozefowicz et al.
    # 2015).
    b[:, hidden : 2 * hidden] = 1.0
    model.set_param("b", b.ravel())


def recurrent_init(model: Model, hidden: int) -> Floats3d:
    """RETURNS (Floats3d): (2, hidden, 4 * hidden): an orthogonal matrix per direction and gate."""
    normal = numpy.random.normal(size=(8, hidden, hidden))
    orthogonal = numpy.linalg.qr(normal)[0].reshape(2, 4, hidden, hidden)
    stacked = orthogonal.transpose(0, 2, 1, 3).reshape(2, hidden, 4 * hidden)
    return model.ops.asarray3f(numpy.ascontiguousarray(stacked, dtype="float32"))
