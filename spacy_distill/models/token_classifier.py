"""The teacher: a chain head over any token-to-vector model, a transformer's listener for one."""

from typing import List, Optional

from spacy.tokens import Doc
from thinc.api import Dropout, Model, chain, list2ragged
from thinc.types import Floats2d

from ..chain import LinearChain
from .chain_head import ChainHead, with_chain_head


def TokenClassifier(
    tok2vec: Model[List[Doc], List[Floats2d]], crf: bool = False, nL: Optional[int] = None
) -> Model[List[Doc], LinearChain]:
    """Build a token classifier over BILUO tags.

    tok2vec (Model[List[Doc], List[Floats2d]]): One vector a token: a layer of its own, or a
        listener to a `tok2vec` or `transformer` component.
    crf (bool): Trained transition scores; a softmax per token if False, as BERT's authors
        fine-tune it (Devlin et al. 2019), with the constraints of BILUO in prediction.
    nL (Optional[int]): Entity labels, set by the component.
    RETURNS (Model[List[Doc], LinearChain]): Documents in, their chains out.
    """
    tokens = chain(tok2vec, list2ragged(), Dropout())
    model = with_chain_head(tokens, ChainHead(nL, crf=crf))
    model.set_ref("tok2vec", tok2vec)
    return model
