"""Two models of the same tokens, side by side."""

from typing import Callable, List, Tuple

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Ragged


def SideBySide(
    left: Model[List[Doc], Ragged], right: Model[List[Doc], Ragged]
) -> Model[List[Doc], Ragged]:
    """Concatenate the outputs of two models for the same tokens, such as word embeddings and the
    layers of a transformer. With few labels, a teacher with both is better than one with a frozen
    transformer alone (Peters, Ruder, Smith 2019, "To Tune or Not to Tune?", compare frozen features
    with fine-tuning).

    Thinc's `concatenate` would add the gradients of the inputs, which documents do not have.

    left (Model[List[Doc], Ragged]): Such as `spacy-distill.WordEmbedding.v1`.
    right (Model[List[Doc], Ragged]): Such as `spacy-distill.LayerMix.v1`.
    RETURNS (Model[List[Doc], Ragged]): (tokens, width of both).
    """
    return Model("side_by_side", forward, init=init, layers=[left, right], dims={"nO": None})


def forward(
    model: Model[List[Doc], Ragged], docs: List[Doc], is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], List[Doc]]]:
    left, right = model.layers
    X, backprop_left = left(docs, is_train)
    Y, backprop_right = right(docs, is_train)
    border = X.dataXd.shape[1]

    def backprop(d_output: Ragged) -> List[Doc]:
        d_data = d_output.dataXd
        backprop_left(Ragged(model.ops.as_contig(d_data[:, :border]), X.lengths))
        backprop_right(Ragged(model.ops.as_contig(d_data[:, border:]), Y.lengths))
        return docs

    return Ragged(model.ops.xp.concatenate((X.dataXd, Y.dataXd), axis=1), X.lengths), backprop


def init(model: Model[List[Doc], Ragged], X=None, Y=None) -> None:
    for layer in model.layers:
        layer.initialize(X=X)
    model.set_dim("nO", sum(layer.get_dim("nO") for layer in model.layers))
