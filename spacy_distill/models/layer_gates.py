"""Gates of layers, and the penalty that closes all but a few of them (Liu, Ren, Shang, Gu, Peng,
Han 2018, "Efficient Contextualized Representation: Language Model Pruning for Sequence Labeling").

Each layer's output is multiplied by a gate from 0 to 1, which is learned with the model. Layers
whose gates are closed can be deleted, and no prediction changes. The penalty on the gates is
independent of the loss of the model: a layer with gates adds its gradient in the backward pass. So
it works with any loss, in `spacy train` and in `spacy distill`. The losses that a training shows do
not include it.
"""

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy
from thinc.api import Model, to_numpy
from thinc.shims import Shim
from thinc.types import Floats1d

from .edited_model import EditedModel

# The parameter with the gates of a layer's parts.
GATES = "gates"
# The attributes with the state of a selection, and their values without one. `keep` is the number
# of parts that inference uses, 0 for all. `penalty` is the weight of the penalty, and `rate` the
# learning rate of the gates. They are constant while it is 0.
GATE_ATTRS: Dict[str, Any] = {"keep": 0, "penalty": 0.0, "rate": 0.0}
# The attribute with a layer's `Pruning`: layers with gates are found by it.
PRUNING_ATTR = "pruning"
# A gate among the ones to keep does not fall below this. From here the penalty leads back to 1.
LEAST_KEPT = 0.5


@dataclass(frozen=True)
class Pruning:
    """How a layer with gates becomes smaller.

    architecture (str): The registered function that created the layer.
    change_block (Callable[[Mapping[str, Any], Sequence[int]], Dict[str, Any]]): From the function's
        block of a config and the numbers of the parts to keep to the block of the smaller layer.
    change_model (Callable[[EditedModel, Model, Floats1d, Model], None]): Takes the content of a
        model, its layer with gates, the gates as `open_gates` returns them, and the model's head.
        It removes the closed parts and what reads them, and multiplies open gates into the weights.
    """

    architecture: str
    change_block: Callable[[Mapping[str, Any], Sequence[int]], Dict[str, Any]]
    change_model: Callable[[EditedModel, Model, Floats1d, Model], None]


class GateShim(Shim):
    """Updates the gates of a layer when the model is updated: a step of gradient descent, then the
    projection to values from 0 to 1. An optimizer such as Adam would not know the bounds. It would
    also scale the gradients, so the penalty would lose its relation to the loss."""

    def __init__(self) -> None:
        super().__init__(None)
        self._layer: Optional[Model] = None
        # The sum of the gradients since the last update.
        self.gradient: Optional[Floats1d] = None

    def add(self, layer: Model, gradient: Floats1d) -> None:
        """Add a gradient of the gates.

        layer (Model): The layer with the gates.
        gradient (Floats1d): (parts,) a numpy array.
        """
        self._layer = layer
        self.gradient = gradient if self.gradient is None else self.gradient + gradient

    def finish_update(self, optimizer: Any) -> None:
        """Update the gates."""
        if self._layer is not None and self.gradient is not None:
            gates = all_gates(self._layer, len(self.gradient))
            gates = numpy.clip(gates - self._layer.attrs["rate"] * self.gradient, 0, 1)
            best = largest(gates, self._layer.attrs["keep"])
            gates[best] = numpy.maximum(gates[best], LEAST_KEPT)
            set_gates(self._layer, gates)
        self._layer = self.gradient = None

    def copy(self) -> "GateShim":
        return GateShim()

    def __reduce__(self) -> Tuple:
        return GateShim, ()

    def to_device(self, device_type: str, device_id: int) -> None:
        pass

    def to_bytes(self) -> bytes:
        return b""

    def from_bytes(self, data: bytes) -> "GateShim":
        return self


def gate_attrs(pruning: Pruning) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The attributes of a layer with gates, before a selection."""
    return {**GATE_ATTRS, PRUNING_ATTR: pruning}


def find_gated(model: Model) -> List[Model]:
    """RETURNS (List[Model]): The layers of a trained model that have gates. Those of a pruned model
    have none any more."""
    return [node for node in model.walk() if PRUNING_ATTR in node.attrs and node.has_param(GATES)]


def all_gates(model: Model, n_parts: int) -> Floats1d:
    """RETURNS (Floats1d): (parts,) the gates in training, a numpy array; ones without gates."""
    if not model.has_param(GATES):
        return numpy.ones(n_parts, dtype="float32")
    return to_numpy(model.get_param(GATES)).copy()


def open_gates(model: Model, n_parts: int) -> Floats1d:
    """Find the gates of an inference. While a training selects parts, an inference uses those that
    would be kept now. So evaluations measure the model that a deletion leaves.

    model (Model): The layer with the gates.
    n_parts (int): The number of its parts.
    RETURNS (Floats1d): (parts,) a numpy array, 0 for parts that are not used. At least one is.
    """
    gates = all_gates(model, n_parts)
    kept = largest(gates, model.attrs["keep"])
    if not kept:  # nothing that a training leaves
        return numpy.ones_like(gates)
    used = numpy.zeros_like(gates)
    used[kept] = gates[kept]
    return used


def largest(gates: Floats1d, n: int) -> List[int]:
    """List the parts with the largest gates, in their order. Of equal gates, lower parts come
    first.

    gates (Floats1d): (parts,)
    n (int): The most parts; 0 for all.
    RETURNS (List[int]): The numbers of at most n parts whose gates are not 0.
    """
    best = numpy.argsort(-gates, kind="stable")[: n or len(gates)]
    return sorted(best[gates[best] > 0].tolist())


def set_gates(model: Model, gates: Floats1d) -> None:
    """Replace the gates of a layer."""
    model.set_param(GATES, model.ops.asarray1f(gates.astype("float32")))


def close_gates(model: Model) -> None:
    """Set the largest gates to 1, as many as `keep` says, and the others to 0. They are constant
    from then on."""
    gates = to_numpy(model.get_param(GATES))
    closed = numpy.zeros_like(gates)
    closed[largest(gates, model.attrs["keep"])] = 1
    set_gates(model, closed)
    model.attrs["rate"] = 0.0


def learn_gates(model: Model, d_gates: Sequence[float]) -> None:
    """Add the gradients of the loss and of the penalty to those of a layer's gates. A backward pass
    calls it; nothing happens while the gates are constant.

    model (Model): The layer with the gates.
    d_gates (Sequence[float]): The gradient of the loss, for each part.
    """
    if not model.attrs["rate"]:
        return
    gradient = numpy.asarray([float(value) for value in d_gates])
    gates = all_gates(model, len(gradient))
    gradient += model.attrs["penalty"] * penalty_gradient(gates, model.attrs["keep"])
    model.shims[0].add(model, gradient)


def penalty(gates: Floats1d, most: int) -> float:
    """Compute R_3 of Liu et al. 2018. Its first sum is smallest where gates are 0 or 1. The second
    sum counts only while too many gates are open.

    gates (Floats1d): (parts,)
    most (int): The number of open gates that is aimed at, the paper's lambda_1.
    RETURNS (float): The penalty. Its weight is the paper's lambda_0.
    """
    value = float((gates * (1 - gates)).sum())
    return value + (float(gates.sum()) if (gates > 0).sum() > most else 0.0)


def penalty_gradient(gates: Floats1d, most: int) -> Floats1d:
    """RETURNS (Floats1d): (parts,) the gradient of `penalty`."""
    gradient = 1 - 2 * gates.astype("float64")
    if (gates > 0).sum() > most:
        gradient += gates > 0
    return gradient
