"""What optimizers keep of parameters that grow."""

from typing import Dict, Mapping, NamedTuple, Tuple

from thinc.api import Model, Optimizer
from thinc.types import FloatsXd

Shapes = Mapping[str, Tuple[int, ...]]


class _Former(NamedTuple):
    """A layer before it grew: its id, and the shapes of its parameters."""

    id: int
    shapes: Shapes


# By the id that the layer got then. Ids are a process's own, so nothing of this is saved.
_FORMER: Dict[int, _Former] = {}


def take_new_id(layer: Model, shapes: Shapes) -> None:
    """Give a layer a new id, since optimizers keep arrays of the old shapes under the old one.

    layer (Model): A layer whose parameters get other shapes. They have to be set again.
    shapes (Shapes): The shapes until now, by the parameters' names.
    """
    former = _Former(layer.id, shapes)
    with Model.global_id_lock:
        Model.global_id += 1
        layer.id = Model.global_id
    _FORMER[layer.id] = former


def keep_moments(layer: Model, optimizer: Optimizer) -> None:
    """Let an optimizer go on with a layer that has grown since its last update.

    The moments of the old parameters stay, those of the new ones are 0. The count of updates begins
    anew, and so do the averages, which follow the parameters closely then: after thousands of
    updates, the average of a new label's parameters would hardly move.

    layer (Model): The layer.
    optimizer (Optimizer): The optimizer, before it is called. Nothing is done if it has seen the
        layer as it is, or never.
    """
    if (layer.id, "W") in optimizer.nr_update:
        return
    former = _FORMER.get(layer.id)
    while former is not None and (former.id, "W") not in optimizer.nr_update:
        former = _FORMER.get(former.id)
    if former is None:
        return
    for name, shape in former.shapes.items():
        key = former.id, name
        for moments in (optimizer.mom1, optimizer.mom2):
            if key in moments:
                old = moments.pop(key).reshape(shape)
                grown = enlarged(old, layer.ops.xp.zeros_like(layer.get_param(name)))
                moments[(layer.id, name)] = grown.ravel()
        optimizer.nr_update.pop(key, None)
        if optimizer.averages is not None:
            optimizer.averages.pop(key, None)


def enlarged(old: FloatsXd, new: FloatsXd) -> FloatsXd:
    """RETURNS (FloatsXd): A copy of the new array, with the old one in its first corner."""
    result = new.copy()
    result[tuple(slice(size) for size in old.shape)] = old
    return result
