"""The student: Ma and Hovy's LSTM-CNN-CRF, the compact model of Izsak, Guskin, Wasserblat 2019."""

from typing import Dict, List, Optional

from spacy.tokens import Doc
from thinc.api import Dropout, Model, chain, concatenate

from ..chain import LinearChain
from .bilstm import BiLSTM
from .chain_head import ChainHead, with_chain_head
from .character_cnn import character_cnn
from .form_features import form_features
from .static_vectors import static_vectors
from .word_forms import with_word_forms

DEFAULT_ROWS = {"LOWER": 2000, "PREFIX": 200, "SUFFIX": 1000, "SHAPE": 500}


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
    embed = with_word_forms(
        concatenate(
            static_vectors(),
            form_features(feature_width, dict(feature_rows or DEFAULT_ROWS)),
            character_cnn(char_filters, width=char_width),
        )
    )
    layers: List[Model] = [embed, Dropout()]
    for _ in range(depth):
        layers += [BiLSTM(width), Dropout()]
    return with_chain_head(chain(*layers), ChainHead(nL, crf=crf))
