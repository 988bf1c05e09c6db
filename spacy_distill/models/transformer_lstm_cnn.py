"""The teacher that sees more than a transformer does: LSTM-CNN-CRF over its layers as well."""

from typing import Callable, Dict, List, Optional, Tuple

from spacy.tokens import Doc
from thinc.api import Model, chain
from thinc.types import Ragged

from ..chain import LinearChain
from .bilstm import BiLSTM
from .chain_head import ChainHead, with_chain_head
from .dropout import dropout
from .layer_mix import LayerMix
from .lstm_cnn import embed_words


def TransformerLSTMCNN(
    transformer: Model[List[Doc], Ragged],
    width: int = 200,
    depth: int = 1,
    char_width: int = 16,
    char_filters: int = 64,
    feature_width: int = 16,
    feature_rows: Optional[Dict[str, int]] = None,
    crf: bool = True,
    variational: bool = True,
    nL: Optional[int] = None,
) -> Model[List[Doc], LinearChain]:
    """Build a tagger that joins a mix of a transformer's layers with what the student sees: word
    vectors, form features (casing) and a character CNN, under a bidirectional LSTM.

    With few labels such a teacher knows what an uncased or a frozen transformer alone does not
    (Peters, Ruder, Smith 2019, "To Tune or Not to Tune?", compare frozen features with
    fine-tuning).

    transformer (Model[List[Doc], Ragged]): `spacy-distill.TransformerLayers.v1`.
    width (int): Output width of each BiLSTM layer, half of it for each direction.
    depth (int): BiLSTM layers.
    char_width, char_filters, feature_width, feature_rows: As in `LSTMCNN`.
    crf (bool): Trained transition scores; a softmax per token if False.
    variational (bool): Whether dropout takes the same columns of all tokens of a document.
    nL (Optional[int]): Entity labels, set by the component.
    RETURNS (Model[List[Doc], LinearChain]): Documents in, their chains out.
    """
    embed = embed_words(char_width, char_filters, feature_width, feature_rows)
    layers: List[Model] = [
        side_by_side(embed, chain(transformer, LayerMix())),
        dropout(variational=variational),
    ]
    for _ in range(depth):
        layers += [BiLSTM(width), dropout(variational=variational)]
    return with_chain_head(chain(*layers), ChainHead(nL, crf=crf))


def side_by_side(
    left: Model[List[Doc], Ragged], right: Model[List[Doc], Ragged]
) -> Model[List[Doc], Ragged]:
    """Join what two models say of the same tokens; unlike Thinc's `concatenate`, for models of
    documents, into which no gradient goes."""
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
