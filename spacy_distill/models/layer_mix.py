"""A learned weighted average of a transformer's layers."""

from typing import Callable, List, Tuple

from spacy.tokens import Doc
from thinc.api import Model, chain
from thinc.types import Ragged


def LayerMix(transformer: Model[List[Doc], Ragged]) -> Model[List[Doc], Ragged]:
    """Build an embedding: the average of a transformer's layers with learned weights.

    transformer (Model[List[Doc], Ragged]): `spacy-distill.TransformerLayers.v1`.
    RETURNS (Model[List[Doc], Ragged]): From documents to (tokens, width).
    """
    return chain(transformer, layer_mix())


def layer_mix() -> Model[Ragged, Ragged]:
    """Build the layer that computes the average, from (tokens, layers, width) to (tokens, width).

    The weights are a softmax over one learned score per layer. The average is multiplied by a
    learned factor (Peters et al. 2018, "Deep Contextualized Word Representations").
    """
    return Model(
        "layer_mix", forward, init=init, dims={"nO": None}, params={"scores": None, "factor": None}
    )


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    scores, factor = model.get_param("scores"), model.get_param("factor")
    weights = model.ops.softmax(scores[None])[0]
    mixed = model.ops.xp.einsum("tlw,l->tw", X.dataXd, weights)

    def backprop(dY: Ragged) -> Ragged:
        d_mixed = dY.dataXd * factor
        model.inc_grad("factor", (dY.dataXd * mixed).sum().reshape(1))
        d_weights = model.ops.xp.einsum("tlw,tw->l", X.dataXd, d_mixed)
        model.inc_grad("scores", weights * (d_weights - (d_weights * weights).sum()))
        return Ragged(d_mixed[:, None] * weights[None, :, None], X.lengths)

    return Ragged(mixed * factor, X.lengths), backprop


def init(model: Model[Ragged, Ragged], X=None, Y=None) -> None:
    if X is None:
        return
    _, n_layers, width = X.dataXd.shape
    model.set_dim("nO", width)
    model.set_param("scores", model.ops.alloc1f(n_layers))
    model.set_param("factor", model.ops.alloc1f(1) + 1)
