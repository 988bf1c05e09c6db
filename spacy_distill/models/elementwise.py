"""SRU and minGRU layers over ragged batches: recurrences without a matrix product of the state.

The next state of a unit depends on the unit's own state alone. So what is left of a step is
element-wise. Inference keeps the first layer's maps of each word form, so it multiplies no matrix
there.
"""

from functools import partial
from typing import Any, Callable, Dict, List, Literal, Mapping, Optional, Tuple

import numpy
from thinc.api import Model, chain, to_numpy
from thinc.types import Floats2d, Ints1d, Ragged

from .. import kernels
from ..checks import require_range
from .dropout import dropout
from .elementwise_recurrence import ElementwiseWeights, run_elementwise
from .elementwise_stack import ElementwiseStack
from .form_product import FormProduct


def SRU(
    width: int = 200, depth: int = 2, precision: Literal["float32", "int8"] = "float32"
) -> Model[Ragged, Ragged]:
    """Build a stack of bidirectional SRU layers with dropout between them (Lei, Zhang, Wang, Dai,
    Artzi 2018, "Simple Recurrent Units for Highly Parallelizable Recurrence").

    A forget gate mixes the cell before with a linear map of the input. A reset gate mixes the cell
    with the input, or with another map of it in the first layer. Both gates read the input, and
    their own unit of the cell before.

    width (int): The output width of each layer. Each direction has half of it.
    depth (int): The number of layers. An SRU needs more of them than an LSTM.
    precision (str): The numbers that inference computes with. "int8" rounds weights and states to
        bytes where they are multiplied. Training and saved models stay in float32.
    RETURNS (Model[Ragged, Ragged]): From (tokens, inputs) to (tokens, width).
    RAISES (ValueError): There are no layers.
    """
    require_range("depth", depth, 1)
    require_range("width", width, 2)
    layers = [sru_layer(width)]
    layers += [sru_layer(width, passes_inputs=True) for _ in range(depth - 1)]
    return _stack(layers, precision)


def MinGRU(
    width: int = 200, depth: int = 2, precision: Literal["float32", "int8"] = "float32"
) -> Model[Ragged, Ragged]:
    """Build a stack of bidirectional minGRU layers with dropout between them (Feng, Tung, Ahmed,
    Bengio, Hajimirsadegh 2024, "Were RNNs All We Needed?").

    A gate mixes the state before with a linear map of the input. It reads the input alone.

    width (int): The output width of each layer. Each direction has half of it.
    depth (int): The number of layers.
    precision (str): The numbers that inference computes with. "int8" rounds weights and states to
        bytes where they are multiplied. Training and saved models stay in float32.
    RETURNS (Model[Ragged, Ragged]): From (tokens, inputs) to (tokens, width).
    RAISES (ValueError): There are no layers.
    """
    require_range("depth", depth, 1)
    require_range("width", width, 2)
    return _stack([min_gru_layer(width) for _ in range(depth)], precision)


def _stack(layers: List[Model[Ragged, Ragged]], precision: str) -> Model[Ragged, Ragged]:
    first, *others = layers
    between = [layer for other in others for layer in (dropout(), other)]
    model = chain(first, *between) if between else first
    model.attrs["inference"] = partial(ElementwiseInference, precision=precision)
    return model


class ElementwiseInference:
    """Inference with SRU or minGRU layers. The maps of the first layer are computed once for each
    word form. All steps of all layers take one call per batch."""

    allows_windows = True

    def __init__(self, model: Model[Ragged, Ragged], precision: str) -> None:
        """Copy the current parameters of a model.

        model (Model[Ragged, Ragged]): A model that `SRU` or `MinGRU` created.
        precision (str): "int8" or "float32".
        """
        layers = [node for node in model.walk() if node.has_param("W")]
        parameters = [
            ElementwiseWeights(numpy.ascontiguousarray(W.T), b, v)
            for W, b, v in map(_parameters, layers)
        ]
        # Integers have no NaN, so it would be hidden.
        finite = all(
            numpy.isfinite(array).all()
            for layer in parameters
            for array in layer
            if array is not None
        )
        hidden = layers[0].get_dim("nO") // 2
        self._stack = ElementwiseStack(parameters, hidden, precision == "int8" and finite)
        self._maps = FormProduct(parameters[0].W, parameters[0].b, self._stack.table_dtype)

    def per_form(self, features: Floats2d) -> Floats2d:
        """RETURNS (Floats2d): (forms, 2 * maps * hidden) the maps of the first layer."""
        return self._maps(features)

    def per_sequence(self, table: Floats2d, rows: Ints1d, lengths: Ints1d) -> Floats2d:
        """RETURNS (Floats2d): (tokens, 2 * hidden) states of the last layer."""
        return self._stack.predict(table, rows, lengths)


def sru_layer(
    nO: Optional[int] = None, nI: Optional[int] = None, passes_inputs: bool = False
) -> Model[Ragged, Ragged]:
    """Build one bidirectional SRU layer.

    nO (Optional[int]): The output width. Each direction has half of it.
    nI (Optional[int]): The input width.
    passes_inputs (bool): Whether the highway is the input, which then is as wide as the output;
        otherwise it is a map of the input.
    """
    return Model(
        "sru",
        forward,
        init=init,
        dims={"nO": nO, "nI": nO if passes_inputs else nI},
        params={"W": None, "b": None, "v": None},
        attrs=_attributes(3 if passes_inputs else 4, has_peepholes=True),
    )


def min_gru_layer(nO: Optional[int] = None, nI: Optional[int] = None) -> Model[Ragged, Ragged]:
    """Build one bidirectional minGRU layer.

    nO (Optional[int]): The output width. Each direction has half of it.
    nI (Optional[int]): The input width.
    """
    return Model(
        "min_gru",
        forward,
        init=init,
        dims={"nO": nO, "nI": nI},
        params={"W": None, "b": None},
        attrs=_attributes(2, has_peepholes=False),
    )


def _attributes(n_maps: int, has_peepholes: bool) -> Dict[str, Any]:
    return {"n_maps": n_maps, "shapes": partial(shapes, n_maps=n_maps, has_peepholes=has_peepholes)}


def shapes(
    dims: Mapping[str, int], *, n_maps: int, has_peepholes: bool
) -> Dict[str, Tuple[int, ...]]:
    """Compute the shapes of the parameters.

    dims (Mapping[str, int]): The dimensions of the layer.
    n_maps (int): The number of maps of the input in each direction.
    has_peepholes (bool): Whether the gates read the cell before.
    RETURNS (Dict[str, Tuple[int, ...]]): The shapes by the names of the parameters.
    """
    maps = n_maps * dims["nO"]
    found: Dict[str, Tuple[int, ...]] = {"W": (maps, dims["nI"]), "b": (maps,)}
    return {**found, "v": (2, 2, dims["nO"] // 2)} if has_peepholes else found


def _parameters(model: Model[Ragged, Ragged]) -> ElementwiseWeights:
    v = model.get_param("v") if "v" in model.param_names else None
    return ElementwiseWeights(model.get_param("W"), model.get_param("b"), v)


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    hidden = model.get_dim("nO") // 2
    n_threads = None if is_train else kernels.prediction_threads.get()
    lengths = to_numpy(X.lengths)
    states, backprop_run = run_elementwise(X.dataXd, lengths, _parameters(model), hidden, n_threads)

    def backprop(dY: Ragged) -> Ragged:
        dX, gradients = backprop_run(dY.dataXd)
        for name, gradient in gradients._asdict().items():
            if gradient is not None:
                model.inc_grad(name, gradient)
        return Ragged(dX, X.lengths)

    return Ragged(states, X.lengths), backprop


def init(model: Model[Ragged, Ragged], X=None, Y=None) -> None:
    if X is not None:
        model.set_dim("nI", X.dataXd.shape[1])
    width, n_inputs = model.get_dim("nO"), model.get_dim("nI")
    if width % 2:
        raise ValueError(
            f"[D820] The width of an SRU or a minGRU has to be even, because each direction gets "
            f"half of it: found {width}. Correct `width` in the config."
        )
    sizes = model.attrs["shapes"]({"nO": width, "nI": n_inputs})
    model.set_param("W", _uniform(model, sizes["W"], n_inputs))
    model.set_param("b", model.ops.alloc(sizes["b"]))
    if "v" in sizes:
        model.set_param("v", _uniform(model, sizes["v"], width // 2))


def _uniform(model: Model, shape: Tuple[int, ...], n_inputs: int):
    """RETURNS (FloatsXd): Random numbers whose variance is 1 / n_inputs, so that a linear map keeps
    the variance of its inputs."""
    bound = (3 / n_inputs) ** 0.5
    drawn = numpy.random.uniform(-bound, bound, size=shape).astype("float32")
    return model.ops.asarray(drawn)
