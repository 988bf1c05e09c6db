"""Edit the content of a model before another model with fewer layers loads it."""

from typing import Any, Dict, List

import numpy
import srsly
from thinc.api import Model, to_numpy

from .saved_model import PARTS


class EditedModel:
    """The content of a model by layer. The model itself does not change."""

    def __init__(self, model: Model) -> None:
        """Read a model.

        model (Model): The model.
        """
        self._nodes = list(model.walk())
        self._content: Dict[str, List[Any]] = model.to_dict()
        self._removed: List[int] = []

    def parent(self, node: Model) -> Model:
        """RETURNS (Model): The layer that contains a layer."""
        return next(parent for parent in self._nodes if node in parent.layers)

    def rename(self, node: Model, name: str) -> None:
        """Change the name of a layer."""
        self._info("nodes", node)["name"] = name

    def set_dim(self, node: Model, name: str, size: int) -> None:
        """Change a dimension of a layer."""
        self._info("nodes", node)["dims"][name] = size

    def set_param(self, node: Model, name: str, array: Any) -> None:
        """Change a parameter of a layer. None for a parameter without a value."""
        if array is not None:
            array = numpy.ascontiguousarray(to_numpy(array), dtype="float32")
        self._info("params", node)[name] = array

    def drop(self, node: Model, part: str, name: str) -> None:
        """Remove a parameter ("params") or an attribute ("attrs") of a layer, if it is there."""
        self._info(part, node).pop(name, None)

    def set_shims(self, node: Model, shims: List[bytes]) -> None:
        """Replace the content of a layer's shims."""
        self._content["shims"][self._nodes.index(node)] = shims

    def remove(self, node: Model) -> None:
        """Remove a layer that has no layers of its own."""
        self._removed.append(self._nodes.index(node))

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The content, as `Model.to_bytes` of the smaller model returns it."""
        kept = [index for index in range(len(self._nodes)) if index not in self._removed]
        content = {part: [self._content[part][index] for index in kept] for part in PARTS}
        for index, info in enumerate(content["nodes"]):
            refs = {name: kept.index(i) for name, i in info["refs"].items() if i in kept}
            content["nodes"][index] = {**info, "index": index, "refs": refs}
        return srsly.msgpack_dumps(content)

    def _info(self, part: str, node: Model) -> Dict[str, Any]:
        return self._content[part][self._nodes.index(node)]
