"""A weighted average of a transformer's layers with gates, of which a training selects a few."""

from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model, chain, to_numpy
from thinc.types import Floats1d, Ragged

from .edited_model import EditedModel
from .layer_gates import (
    GATE_ATTRS,
    GATES,
    GateShim,
    Pruning,
    all_gates,
    gate_attrs,
    learn_gates,
    open_gates,
    set_gates,
)
from .layer_mix import init as init_mix

LARGEST_SCORE = numpy.float32(50)


def GatedLayerMix(transformer: Model[List[Doc], Ragged]) -> Model[List[Doc], Ragged]:
    """Build an embedding like `spacy-distill.LayerMix.v1`, with a gate for each layer of the
    transformer (Liu, Ren, Shang, Gu, Peng, Han 2018, "Efficient Contextualized Representation:
    Language Model Pruning for Sequence Labeling"). `spacy-distill.LayerSelection.v1` trains the
    gates and selects layers; without it all gates stay 1. `distill-prune` deletes the layers of the
    transformer above the highest one that was selected.

    The weight of layer i is proportional to z_i * exp(s_i), with its gate z_i and its score s_i.
    The gates' penalty is added in the backward pass of this layer, so it does not depend on the
    loss.

    transformer (Model[List[Doc], Ragged]): `spacy-distill.TransformerLayers.v1`.
    RETURNS (Model[List[Doc], Ragged]): From documents to (tokens, width).
    RAISES (ValueError): At initialization: the transformer returns only one layer.
    """
    return chain(transformer, gated_layer_mix())


def gated_layer_mix() -> Model[Ragged, Ragged]:
    """Build the layer that computes the average, from (tokens, layers, width) to (tokens, width).
    While all gates are 1, it is the average of `layer_mix`."""
    return Model(
        "gated_layer_mix",
        forward,
        init=init,
        dims={"nO": None},
        params={"scores": None, "factor": None, GATES: None},
        shims=[GateShim()],
        attrs=gate_attrs(PRUNING),
    )


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    scores, factor = model.get_param("scores"), model.get_param("factor")
    xp = model.ops.xp
    gates = xp.asarray((all_gates if is_train else open_gates)(model, len(scores)))
    # What a layer would weigh with an open gate, and what it weighs.
    # The limit keeps closed layers with high scores from becoming infinite.
    shares = xp.exp(xp.minimum(scores - scores[gates > 0].max(), LARGEST_SCORE))
    shares = shares / (shares * gates).sum()
    weights = shares * gates
    mixed = xp.einsum("tlw,l->tw", X.dataXd, weights)

    def backprop(dY: Ragged) -> Ragged:
        d_mixed = dY.dataXd * factor
        model.inc_grad("factor", (dY.dataXd * mixed).sum().reshape(1))
        d_weights = xp.einsum("tlw,tw->l", X.dataXd, d_mixed)
        difference = d_weights - (d_weights * weights).sum()
        model.inc_grad("scores", weights * difference)
        learn_gates(model, to_numpy(shares * difference))
        return Ragged(d_mixed[:, None] * weights[None, :, None], X.lengths)

    return Ragged(mixed * factor, X.lengths), backprop


def init(model: Model[Ragged, Ragged], X=None, Y=None) -> None:
    init_mix(model, X)
    if X is not None:
        if X.dataXd.shape[1] == 1:
            raise ValueError(
                "[D647] `spacy-distill.GatedLayerMix.v1` selects layers of a transformer, and has "
                "only one. Set `layers = null` in the block of the transformer."
            )
        set_gates(model, numpy.ones(X.dataXd.shape[1]))


def change_block(block: Mapping[str, Any], kept: Sequence[int]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The block of a `LayerMix` over the kept layers."""
    transformer = dict(block["transformer"])
    former = transformer.get("layers")
    transformer["layers"] = [number if former is None else former[number] for number in kept]
    return {"@architectures": "spacy-distill.LayerMix.v1", "transformer": transformer}


def change_model(
    content: EditedModel, model: Model[Ragged, Ragged], gates: Floats1d, head: Model
) -> None:
    """Make the content of a `layer_mix` over the kept layers. A gate becomes a part of the layer's
    score. `Pruning` has the arguments."""
    kept = gates.nonzero()[0]
    scores = to_numpy(model.get_param("scores"))[kept] + numpy.log(gates[kept])
    content.rename(model, "layer_mix")
    content.set_param(model, "scores", scores)
    content.drop(model, "params", GATES)
    content.set_shims(model, [])
    for name in GATE_ATTRS:
        content.drop(model, "attrs", name)
    transformer = content.parent(model).layers[0]
    content.set_shims(transformer, [shim.pruned(kept.tolist()) for shim in transformer.shims])


PRUNING = Pruning("spacy-distill.GatedLayerMix.v1", change_block, change_model)
