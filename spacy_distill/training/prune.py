"""Smaller pipelines: layers that a selection has closed are deleted."""

from typing import Any, Collection, Dict, Iterator, Optional, Tuple

import numpy
from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Model
from thinc.types import Floats1d

from ..models.edited_model import EditedModel
from ..models.layer_gates import (
    GATES,
    PRUNING_ATTR,
    Pruning,
    all_gates,
    find_gated,
    largest,
    open_gates,
)
from ..models.saved_model import load_model
from ..pipeline.chain_ner import ChainNER


def prune(nlp: Language, *, layers: Optional[int] = None) -> Language:
    """Delete layers of `spacy-distill.DenseBiLSTM.v1` and `spacy-distill.GatedLayerMix.v1` (Liu,
    Ren, Shang, Gu, Peng, Han 2018, "Efficient Contextualized Representation: Language Model Pruning
    for Sequence Labeling"). The layers with the largest gates are kept. The columns of weights that
    read the others are deleted too.

    Of a teacher's transformer, the layers above the highest one that is kept are deleted. Those
    below it are computed, because each layer of a transformer reads the one below.

    nlp (Language): A trained pipeline with a `ner_student` or a `ner_teacher`; it is not changed.
    layers (Optional[int]): The number of layers to keep. None for those that the pipeline predicts
        with: then all predictions stay the same. With fewer layers, predictions are those with the
        gates of the others at 0.
    RETURNS (Language): The smaller pipeline, with the same vocabulary.
    RAISES (ValueError): No component has layers with gates, or there is no layer to keep.
    """
    if layers is not None and layers < 1:
        raise ValueError(f"[D642] Found layers = {layers}: expected at least one layer to keep.")
    gated = {
        name: (pipe, found)
        for name, pipe in nlp.components
        if isinstance(pipe, ChainNER) and (found := find_gated(pipe.model))
    }
    require_gates(nlp, gated)
    config = nlp.config.copy()
    contents: Dict[str, bytes] = {}
    for name, (pipe, nodes) in gated.items():
        content, head = EditedModel(pipe.model), pipe.model.get_ref("output_layer")
        for node in nodes:
            pruning: Pruning = node.attrs[PRUNING_ATTR]
            gates = chosen_gates(node, layers)
            kept = gates.nonzero()[0].tolist()
            block, key = find_block(config["components"][name], pruning.architecture, name)
            block[key] = pruning.change_block(block[key], kept)
            pruning.change_model(content, node, gates, head)
        contents[name] = content.to_bytes()
    small = load_model_from_config(config, vocab=nlp.vocab, disable=nlp.disabled)
    small.from_bytes(nlp.to_bytes(exclude=["vocab", *gated]), exclude=["vocab", *gated])
    for name, (pipe, _) in gated.items():
        smaller: Any = small.get_pipe(name)
        smaller.cfg.update(pipe.cfg)
        load_model(smaller.model, contents[name], len(pipe.labels), resize=smaller.set_output)
    return small


def chosen_gates(node: Model, layers: Optional[int]) -> Floats1d:
    """RETURNS (Floats1d): (layers,) the gates of a layer's parts, 0 for all but the largest ones.
    None stands for those that predictions use."""
    n_parts = len(node.get_param(GATES))
    if layers is None:
        return open_gates(node, n_parts)
    gates = all_gates(node, n_parts)
    chosen = numpy.zeros_like(gates)
    kept = largest(gates, layers)
    chosen[kept] = gates[kept]
    return chosen


def find_block(
    settings: Dict[str, Any], architecture: str, name: str
) -> Tuple[Dict[str, Any], str]:
    """Find the block of a config that creates a layer.

    settings (Dict[str, Any]): The settings of a component.
    architecture (str): The registered function that creates the layer.
    name (str): The component's name.
    RETURNS (Tuple[Dict[str, Any], str]): The block around it, and its key there.
    RAISES (ValueError): There is no such block, or there are several.
    """
    found = list(_blocks(settings, architecture))
    if len(found) != 1:
        raise ValueError(
            f"[D644] The layers of '{name}' cannot be deleted: its config has {len(found)} blocks "
            f"with {architecture}, expected one. Name the function in the component's config, and "
            "not in a function of your own."
        )
    return found[0]


def _blocks(settings: Dict[str, Any], architecture: str) -> Iterator[Tuple[Dict[str, Any], str]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            if value.get("@architectures") == architecture:
                yield settings, key
            yield from _blocks(value, architecture)


def require_gates(nlp: Language, gated: Collection[Any]) -> None:
    """Raise ValueError if a pipeline has no layers to select.

    nlp (Language): The pipeline.
    gated (Collection[Any]): What was found in it.
    """
    if not gated:
        raise ValueError(
            "[D643] No component has layers with gates: found "
            f"{', '.join(nlp.component_names) or 'no components'}, expected a `ner_student` or a "
            "`ner_teacher` with spacy-distill.DenseBiLSTM.v1 or spacy-distill.GatedLayerMix.v1."
        )
