"""Load the parameters of a model. The data is checked before anything of it is used."""

from typing import Any, Callable, Dict, List, Mapping, Tuple

import numpy
import srsly
from thinc.api import Model
from thinc.util import convert_recursive, is_xp_array

from ..limits import require_msgpack
from .vector_table import problem_of_table

# The attribute of a layer with the shapes of its parameters: a function from its dimensions.
SHAPES_ATTR = "shapes"
Shapes = Callable[[Mapping[str, int]], Dict[str, Tuple[int, ...]]]
# The parts of a saved model. Each has an item for each layer.
PARTS = ("nodes", "attrs", "params", "shims")
NUMBERS = (bool, int, float)


def load_model(
    model: Model, data: bytes, n_labels: int, resize: Callable[[int], None] = lambda n: None
) -> None:
    """Load the parameters of a model, as `Model.from_bytes` does.

    model (Model): The model, changed in place.
    data (bytes): What `Model.to_bytes` returned.
    n_labels (int): The number of labels that the parameters have to be for.
    resize (Callable[[int], None]): Called with the number of labels when the data has been checked.
    RAISES (ValueError): The data is not of this model, or has numbers that are not finite.
    """
    require_msgpack(data)
    saved = srsly.msgpack_loads(data)
    problem = problem_of(model, saved, n_labels)
    if problem:
        raise ValueError(
            f"[D783] The saved model does not fit its config: {problem}. It is damaged, or from "
            "another config or version. Copy it or train it again."
        )
    resize(n_labels)
    model.from_dict(convert_recursive(is_xp_array, model.ops.asarray, saved))


def problem_of(model: Model, saved: Any, n_labels: int) -> str:
    """RETURNS (str): What is wrong with the saved parameters of a model; empty if nothing is."""
    nodes = list(model.walk())
    if not isinstance(saved, dict) or not all(isinstance(saved.get(p), list) for p in PARTS):
        return "it has no layers"
    if any(len(saved[part]) != len(nodes) for part in PARTS):
        return f"it has {len(saved['nodes'])} layers, expected {len(nodes)}"
    for node, *parts in zip(nodes, *(saved[part] for part in PARTS), strict=True):
        problem = _problem_of_layer(node, nodes, *parts, n_labels=n_labels)
        if problem:
            return f"layer '{node.name}': {problem}"
    return ""


def _problem_of_layer(
    node: Model,
    nodes: List[Model],
    info: Any,
    attrs: Any,
    params: Any,
    shims: Any,
    *,
    n_labels: int,
) -> str:
    if not isinstance(info, dict) or not isinstance(info.get("name"), str):
        return "it has no name"
    dims: Any = info.get("dims")
    refs: Any = info.get("refs")
    if not all(isinstance(part, dict) for part in (dims, refs, attrs, params)):
        return "a part of it is missing"
    for name, size in dims.items():
        if name not in node.dim_names:
            return f"unknown dimension {name!r}"
        if size is not None and (type(size) is not int or not 0 <= size < 2**31):
            return f"the dimension {name} is {size!r:.50}"
        if name != "nL" and size is not None and node.has_dim(name) and node.get_dim(name) != size:
            return f"the dimension {name} is {size}, expected {node.get_dim(name)}"
    if dims.get("nL") not in (None, n_labels):
        return f"it has {dims['nL']} labels, but the component has {n_labels}"
    for name, index in refs.items():
        own = node.maybe_get_ref(name) if name in node.ref_names else None
        expected = None if own is None else nodes.index(own)
        if name not in node.ref_names or index != expected:
            return f"the reference {name!r:.50} leads to another layer"
    problem = _problem_of_params(node, dims, params) or _problem_of_attrs(node, dims, attrs)
    if problem:
        return problem
    if not isinstance(shims, list) or len(shims) != len(node.shims):
        return "it has another number of shims"
    return "" if all(isinstance(shim, bytes) for shim in shims) else "a shim is not bytes"


def _problem_of_params(node: Model, dims: Dict[str, Any], params: Dict[str, Any]) -> str:
    for name, array in params.items():
        if name not in node.param_names:
            return f"unknown parameter {name!r:.50}"
        if array is None:
            continue
        if not isinstance(array, numpy.ndarray) or array.dtype != "float32":
            return f"the parameter {name} is no array of float32"
        if not numpy.isfinite(array).all():
            return f"the parameter {name} has NaN or infinite values"
    found = {name: array.shape for name, array in params.items() if array is not None}
    if found and SHAPES_ATTR in node.attrs:
        sizes = {name: size for name, size in dims.items() if size is not None}
        try:
            expected = node.attrs[SHAPES_ATTR](sizes)
        except KeyError as error:
            return f"it has parameters, but no dimension {error}"
        if found != expected:
            return f"the shapes of its parameters are {found}, expected {expected}"
    elif found and any(array is None for array in params.values()):
        return "only some of its parameters are there"
    elif not all(map(node.has_param, found)):
        return ""
    for name, shape in found.items():
        own = node.get_param(name).shape if node.has_param(name) else shape
        if "nL" not in node.dim_names and own != shape:
            return f"the parameter {name} has the shape {shape}, expected {own}"
    return ""


def _problem_of_attrs(node: Model, dims: Dict[str, Any], attrs: Dict[str, Any]) -> str:
    for name, data in attrs.items():
        if name not in node.attrs or callable(node.attrs[name]) or not isinstance(data, bytes):
            return f"unknown attribute {name!r:.50}"
        own = node.attrs[name]
        if name == "vector_table":
            require_msgpack(data)
            table = srsly.msgpack_loads(data)
            problem = "" if table is None else problem_of_table(table, dims.get("nO"))
            if problem:
                return f"the table of word vectors {problem}"
        elif own is None or type(own) in (*NUMBERS, str, list, dict):
            require_msgpack(data)
            value = srsly.msgpack_loads(data)
            is_number = type(own) in NUMBERS and type(value) in NUMBERS
            if not (own is None or is_number or type(value) is type(own)):
                return f"the attribute {name} is a {type(value).__name__}"
    return ""
