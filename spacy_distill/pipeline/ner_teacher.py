"""`ner_teacher`: a token classifier over a transformer (or any tok2vec), to be learnt from."""

from typing import Callable, List, Optional

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model

from ..chain import LinearChain
from .chain_ner import SCORE_WEIGHTS, SETTINGS, ChainNER

DEFAULT_CONFIG = """
[model]
@architectures = "spacy-distill.TokenClassifier.v1"
crf = false

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
"""


@Language.factory(
    "ner_teacher",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={"model": Config().from_str(DEFAULT_CONFIG)["model"], **SETTINGS},
    default_score_weights=SCORE_WEIGHTS,
)
def make_ner_teacher(
    nlp: Language,
    name: str,
    model: Model[List[Doc], LinearChain],
    confidence: bool,
    spans_key: Optional[str],
    threshold: float,
    overwrite_ents: bool,
    scorer: Optional[Callable],
) -> "NERTeacher":
    """Create a `ner_teacher`.

    model (Model[List[Doc], LinearChain]): From documents to chains of BILUO tags.
    confidence (bool): Whether each entity gets its probability, `ent._.confidence`.
    spans_key (Optional[str]): Key in `doc.spans` for all spans with at least the threshold's
        probability; null for none.
    threshold (float): The least probability of these spans.
    overwrite_ents (bool): Whether entities of earlier components make way for this one's.
    scorer (Optional[Callable]): The scoring method.
    """
    return NERTeacher(
        nlp.vocab,
        model,
        name,
        confidence=confidence,
        spans_key=spans_key,
        threshold=threshold,
        overwrite_ents=overwrite_ents,
        scorer=scorer,
    )


class NERTeacher(ChainNER):
    """A named entity recogniser over a transformer; `posteriors` hands out its probabilities."""
