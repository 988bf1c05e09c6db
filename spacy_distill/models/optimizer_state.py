"""Keep the state of an optimizer when parameters change their shapes."""

from typing import Dict, List, Mapping, NamedTuple, Tuple

from thinc.api import Model, Optimizer
from thinc.types import FloatsXd

Shapes = Mapping[str, Tuple[int, ...]]


class _FormerLayer(NamedTuple):
    """The id and the shapes of a layer before its shapes changed."""

    id: int
    shapes: Shapes


# Former ids and shapes by the new ids of layers. They are not saved: ids are valid in one process.
_FORMER_LAYERS: Dict[int, _FormerLayer] = {}


def take_new_id(layer: Model, shapes: Shapes) -> None:
    """Assign a new id to a layer: optimizers store arrays of the old shapes under the old id.

    layer (Model): A layer whose shapes change. Its parameters have to be set again afterwards.
    shapes (Shapes): The old shapes, by the parameters' names.
    """
    former = _FormerLayer(layer.id, shapes)
    with Model.global_id_lock:
        Model.global_id += 1
        layer.id = Model.global_id
    _FORMER_LAYERS[layer.id] = former


def keep_moments(layer: Model, optimizer: Optimizer) -> None:
    """Move an optimizer's moments to the new id of a layer whose shapes have changed.

    The moments of old parameters are kept, those of new ones are 0. The state under former ids is
    deleted. The averages and their count of updates start again, because after thousands of updates
    the average of a new label's parameters would hardly change.

    The optimizer may have updated the new id already: `nlp.rehearse` calls it without this
    function. Moments are decaying sums, so the sums under the old and the new id are added.

    layer (Model): The layer.
    optimizer (Optimizer): The optimizer, before its next call. Nothing changes if it has no state
        under a former id of the layer.
    """
    former = _former_layers(layer, optimizer)
    if not former:
        return
    for name in former[-1].shapes:
        ids = [*(old.id for old in former), layer.id]
        shapes = [*(old.shapes[name] for old in former), layer.get_param(name).shape]
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
        for id_ in ids[:-1]:
            optimizer.nr_update.pop((id_, name), None)
            if optimizer.averages is not None:
                optimizer.averages.pop((id_, name), None)


def resized(old: FloatsXd, new: FloatsXd) -> FloatsXd:
    """RETURNS (FloatsXd): A copy of the new array, with the values of the old array at all indices
    that both have."""
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
