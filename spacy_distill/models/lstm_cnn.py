"""The student: Ma and Hovy's LSTM-CNN-CRF, the compact model of Izsak, Guskin, Wasserblat 2019."""

from typing import Callable, Dict, List, Optional, Tuple

from spacy.tokens import Doc
from thinc.api import Model, NumpyOps, chain, concatenate
from thinc.types import Ragged

from ..chain import LinearChain
from .bilstm import BiLSTM
from .chain_head import ChainHead, with_chain_head
from .character_cnn import character_cnn
from .dropout import dropout
from .form_features import form_features
from .inference import EncoderShim
from .static_vectors import static_vectors
from .word_forms import with_word_forms

# With few labels, tables of words and affixes cost more than they gain (docs/settings.md).
DEFAULT_ROWS = {"SHAPE": 500}


def LSTMCNN(
    width: int = 200,
    depth: int = 2,
    char_width: int = 16,
    char_filters: int = 64,
    feature_width: int = 16,
    feature_rows: Optional[Dict[str, int]] = None,
    crf: bool = True,
    nL: Optional[int] = None,
) -> Model[List[Doc], LinearChain]:
    """Build an LSTM-CNN tagger: word vectors, form features and a character CNN, side by side,
    under a bidirectional LSTM and a chain of BILUO tags.

    width (int): Output width of each BiLSTM layer, half of it for each direction.
    depth (int): BiLSTM layers.
    char_width (int): Width of the character embeddings.
    char_filters (int): Filters of the character CNN.
    feature_width (int): Width of each trainable embedding of a form's attribute.
    feature_rows (Optional[Dict[str, int]]): Hash table rows by attribute (LOWER, PREFIX, SUFFIX,
        SHAPE, ORTH); DEFAULT_ROWS if None.
    crf (bool): Trained transition scores; a softmax per token if False.
    nL (Optional[int]): Entity labels, set by the component.
    RETURNS (Model[List[Doc], LinearChain]): Documents in, their chains out.
    """
    embed = embed_words(char_width, char_filters, feature_width, feature_rows)
    layers: List[Model] = [embed, dropout()]
    for _ in range(depth):
        layers += [BiLSTM(width), dropout()]
    encode = Model(
        "lstm_cnn",
        forward,
        init=init,
        layers=[chain(*layers)],
        shims=[EncoderShim()],
        dims={"nO": width},
    )
    return with_chain_head(encode, ChainHead(nL, crf=crf))


def embed_words(
    char_width: int, char_filters: int, feature_width: int, feature_rows: Optional[Dict[str, int]]
) -> Model[List[Doc], Ragged]:
    """Embed words by their form: their vectors, form features and characters, side by side.

    char_width, char_filters, feature_width, feature_rows: As in `LSTMCNN`.
    RETURNS (Model[List[Doc], Ragged]): (tokens, width) for documents.
    """
    return with_word_forms(
        concatenate(
            static_vectors(),
            form_features(feature_width, dict(feature_rows or DEFAULT_ROWS)),
            character_cnn(char_filters, width=char_width),
        )
    )


def forward(
    model: Model[List[Doc], Ragged], docs: List[Doc], is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], List[Doc]]]:
    # The same numbers twice: by Thinc's layers, which can be trained and run on any device, and by
    # `inference.py`, fast.
    if is_train or not isinstance(model.ops, NumpyOps) or not any(len(doc) for doc in docs):
        return model.layers[0](docs, is_train)
    encoder = model.shims[0].encoder(model, docs[0].vocab)
    lengths = model.ops.asarray1i([len(doc) for doc in docs])
    return Ragged(encoder.encode(docs), lengths), no_backprop


def no_backprop(d_output: Ragged) -> List[Doc]:
    raise ValueError(
        "[D805] There is no way back from a prediction. Call the model's `begin_update`."
    )


def init(model: Model[List[Doc], Ragged], X=None, Y=None) -> None:
    model.layers[0].initialize(X=X, Y=Y)
    model.shims[0].clear()
