"""Concatenate two embeddings of the same tokens."""

from typing import Callable, List, Optional, Tuple

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Ragged

# What tells this layer from others.
SIDES_ATTR = "sides"


def SideBySide(
    left: Model[List[Doc], Ragged], right: Model[List[Doc], Ragged]
) -> Model[List[Doc], Ragged]:
    """Build an embedding that concatenates two embeddings, such as word embeddings and the layers
    of a transformer.

    With few labels, a teacher with both is better than one with a frozen transformer alone. Peters,
    Ruder, Smith 2019 ("To Tune or Not to Tune?") compare frozen features with fine-tuning. Thinc's
    `concatenate` cannot be used, because it adds gradients of the inputs, and documents have none.

    left (Model[List[Doc], Ragged]): The first one, such as `spacy-distill.WordEmbedding.v1`.
    right (Model[List[Doc], Ragged]): The second one, such as `spacy-distill.LayerMix.v1`.
    RETURNS (Model[List[Doc], Ragged]): From documents to (tokens, sum of both widths).
    """
    return Model(
        "side_by_side",
        forward,
        init=init,
        layers=[left, right],
        dims={"nO": None},
        attrs={SIDES_ATTR: True},
    )


def left_part(embed: Model) -> Optional[Model]:
    """RETURNS (Optional[Model]): The first of two embeddings side by side; None for others."""
    left: Optional[Model] = embed.layers[0] if embed.attrs.get(SIDES_ATTR) else None
    return left


def forward(
    model: Model[List[Doc], Ragged], docs: List[Doc], is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], List[Doc]]]:
    left, right = model.layers
    X, backprop_left = left(docs, is_train)
    Y, backprop_right = right(docs, is_train)
    left_width = X.dataXd.shape[1]

    def backprop(d_output: Ragged) -> List[Doc]:
        d_data = d_output.dataXd
        backprop_left(Ragged(model.ops.as_contig(d_data[:, :left_width]), X.lengths))
        backprop_right(Ragged(model.ops.as_contig(d_data[:, left_width:]), Y.lengths))
        return docs

    return Ragged(model.ops.xp.concatenate((X.dataXd, Y.dataXd), axis=1), X.lengths), backprop


def init(model: Model[List[Doc], Ragged], X=None, Y=None) -> None:
    for layer in model.layers:
        layer.initialize(X=X)
    model.set_dim("nO", sum(layer.get_dim("nO") for layer in model.layers))
