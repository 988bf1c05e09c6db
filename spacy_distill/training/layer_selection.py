"""Callbacks of a training that selects layers: the schedule of the gates, and the deletion."""

from typing import Any, Callable, Dict, List

from spacy.language import Language
from thinc.api import Model

from ..models.layer_gates import close_gates, find_gated
from ..pipeline.chain_ner import ChainNER
from ..saving import save_atomically
from .prune import prune, require_gates

# The gates' learning rate is such that the penalty alone would change the distance of a gate from 1
# by a factor of exp(2 * SPEED) in the steps of the selection. Thus there is time to close gates
# that have hardly moved, with any penalty and any number of steps.
SPEED = 10.0


def LayerSelection(
    layers: int, end: int, start: int = 0, penalty: float = 0.05
) -> Callable[[Language, Dict[str, Any]], None]:
    """Select layers of `spacy-distill.DenseBiLSTM.v1` or `spacy-distill.GatedLayerMix.v1` (Liu,
    Ren, Shang, Gu, Peng, Han 2018, "Efficient Contextualized Representation: Language Model Pruning
    for Sequence Labeling"). Registered as `spacy-distill.LayerSelection.v1`, for
    `[training.before_update]`. `spacy train` and `spacy distill` call it before each step.

    Each layer has a gate from 0 to 1. Before `start` all gates are 1. Then they are trained with
    the penalty R_3: the sum of z * (1 - z) over all gates z, and the sum of all gates while more
    than `layers` of them are open. At `end` the largest gates are set to 1 and all others to 0, and
    the remaining steps train the layers that are left. All evaluations use only the `layers`
    largest gates, of equal ones the lower ones. So the best model of the training is the best one
    of that size.

    Two details differ from the paper. The largest gates do not fall below 1/2, since otherwise
    fewer layers than asked for could be left. The gates' learning rate follows from the number of
    steps.

    layers (int): The number of layers to select, the paper's lambda_1.
    end (int): The step at which the selection ends.
    start (int): The step at which it begins.
    penalty (float): The weight of the penalty, the paper's lambda_0. A smaller one gives the loss
        more influence on the selection.
    RETURNS (Callable[[Language, Dict[str, Any]], None]): A function that sets the gates of all
        components that are trained, before a step.
    RAISES (ValueError): A setting is out of range. In training: no component has layers with gates.
    """
    settings = {
        "layers": (layers, layers >= 1, "at least 1"),
        "start": (start, start >= 0, "at least 0"),
        "end": (end, end > start, "more than `start`"),
        "penalty": (penalty, penalty > 0, "above 0"),
    }
    for name, (value, fits, expected) in settings.items():
        if not fits:
            raise ValueError(
                f"[D646] spacy-distill.LayerSelection.v1 has {name} = {value}: expected "
                f"{expected}. Correct the config."
            )
    rate = SPEED / (penalty * (end - start))
    found: Dict[Language, List[Model]] = {}

    def select(nlp: Language, step: Dict[str, Any]) -> None:
        if nlp not in found:
            found[nlp] = _gated_layers(nlp)
        for layer in found[nlp]:
            layer.attrs["keep"], layer.attrs["penalty"] = layers, penalty
            if step["step"] >= end:
                close_gates(layer)
            elif step["step"] >= start:
                layer.attrs["rate"] = rate

    return select


def _gated_layers(nlp: Language) -> List[Model]:
    """Find the layers with gates of the components that are trained. Raise ValueError if there are
    none."""
    frozen = nlp.config["training"]["frozen_components"]
    found = [
        layer
        for name, pipe in nlp.pipeline
        if isinstance(pipe, ChainNER) and name not in frozen
        for layer in find_gated(pipe.model)
    ]
    require_gates(nlp, found)
    return found


def DeleteLayers() -> Callable[[Language], Language]:
    """Save pipelines without the layers that `spacy-distill.LayerSelection.v1` has closed, as
    `distill-prune` does. Registered as `spacy-distill.DeleteLayers.v1`, for
    `[training.before_to_disk]`.

    RETURNS (Callable[[Language], Language]): A function that returns the smaller pipeline.
    """

    def delete(nlp: Language) -> Language:
        smaller = prune(nlp)
        save_atomically(smaller)
        return smaller

    return delete
