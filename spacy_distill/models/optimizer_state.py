"""Optimizer state of parameters that grow or shrink."""

from typing import Dict, List, Mapping, NamedTuple, Tuple

from thinc.api import Model, Optimizer
from thinc.types import FloatsXd

Shapes = Mapping[str, Tuple[int, ...]]


class _FormerLayer(NamedTuple):
    """A layer before it got other shapes: its id, and the shapes of its parameters."""

    id: int
    shapes: Shapes


# By the id that the layer got then. Ids differ from process to process, so none is saved.
_FORMER_LAYERS: Dict[int, _FormerLayer] = {}


def take_new_id(layer: Model, shapes: Shapes) -> None:
    """Give a layer a new id, since optimizers keep arrays of the old shapes under the old one.

    layer (Model): A layer whose parameters get other shapes. They have to be set again.
    shapes (Shapes): The shapes until now, by the parameters' names.
    """
    former = _FormerLayer(layer.id, shapes)
    with Model.global_id_lock:
        Model.global_id += 1
        layer.id = Model.global_id
    _FORMER_LAYERS[layer.id] = former


def keep_moments(layer: Model, optimizer: Optimizer) -> None:
    """Move an optimizer's moments to a layer whose shapes have changed since its last update.

    The moments of the old parameters stay, those of the new ones are 0. Nothing stays under former
    ids. The count of updates begins anew, and so do the averages, which follow the parameters
    closely then: after thousands of updates, the average of a new label's parameters would hardly
    move.

    The optimizer may have seen the layer as it is already: `nlp.rehearse` calls it without this
    function. Moments are sums that decay, so what it has added since then is added here.

    layer (Model): The layer.
    optimizer (Optimizer): The optimizer, before it is called. Nothing is done if it knows the
        layer under no former id.
    """
    former = _former_layers(layer, optimizer)
    if not former:
        return
    for name in former[-1].shapes:
        ids = [*(one.id for one in former), layer.id]
        shapes = [*(one.shapes[name] for one in former), layer.get_param(name).shape]
        for moments, decay in ((optimizer.mom1, optimizer.b1), (optimizer.mom2, optimizer.b2)):
            if not any((id_, name) in moments for id_ in ids):
                continue
            total = layer.ops.alloc(shapes[0])
            for id_, shape in zip(ids, shapes, strict=True):
                total = resized(total, layer.ops.alloc(shape))
                total *= decay ** optimizer.nr_update.get((id_, name), 0)
                if (id_, name) in moments:
                    total += moments.pop((id_, name)).reshape(shape)
            moments[(layer.id, name)] = total.ravel()
        for one in former:
            optimizer.nr_update.pop((one.id, name), None)
            if optimizer.averages is not None:
                optimizer.averages.pop((one.id, name), None)


def resized(old: FloatsXd, new: FloatsXd) -> FloatsXd:
    """RETURNS (FloatsXd): A copy of the new array, with as much of the old one in its first corner
    as fits."""
    result = new.copy()
    corner = tuple(slice(min(sizes)) for sizes in zip(old.shape, new.shape, strict=True))
    result[corner] = old[corner]
    return result


def _former_layers(layer: Model, optimizer: Optimizer) -> List[_FormerLayer]:
    """RETURNS (List[_FormerLayer]): The former states that the optimizer has updated, oldest
    first."""
    known: List[_FormerLayer] = []
    former = _FORMER_LAYERS.get(layer.id)
    while former is not None:
        if (former.id, "W") in optimizer.nr_update:
            known.insert(0, former)
        former = _FORMER_LAYERS.get(former.id)
    return known
