"""`ner_teacher`: a token classifier over a transformer (or any tok2vec), to be learnt from."""

from typing import Callable, List, Optional

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model

from ..chain import LinearChain
from .chain_ner import ChainNER

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
    default_config={
        "model": Config().from_str(DEFAULT_CONFIG)["model"],
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
    },
)
def make_ner_teacher(
    nlp: Language, name: str, model: Model[List[Doc], LinearChain], scorer: Optional[Callable]
) -> "NERTeacher":
    """Create a `ner_teacher`.

    model (Model[List[Doc], LinearChain]): From documents to chains of BILUO tags.
    scorer (Optional[Callable]): The scoring method.
    """
    return NERTeacher(nlp.vocab, model, name, scorer=scorer)


class NERTeacher(ChainNER):
    """A named entity recogniser over a transformer; `posteriors` hands out its probabilities."""
