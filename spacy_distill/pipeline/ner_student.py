"""`ner_student`: the compact recogniser that an app loads."""

from typing import Callable, List, Optional

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model

from ..chain import LinearChain
from .chain_ner import ChainNER

DEFAULT_CONFIG = """
[model]
@architectures = "spacy-distill.LSTMCNN.v1"
width = 200
depth = 2
char_width = 16
char_filters = 64
feature_width = 16
feature_rows = null
crf = true
"""


@Language.factory(
    "ner_student",
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
def make_ner_student(
    nlp: Language, name: str, model: Model[List[Doc], LinearChain], scorer: Optional[Callable]
) -> "NERStudent":
    """Create a `ner_student`.

    model (Model[List[Doc], LinearChain]): From documents to chains of BILUO tags.
    scorer (Optional[Callable]): The scoring method.
    """
    return NERStudent(nlp.vocab, model, name, scorer=scorer)


class NERStudent(ChainNER):
    """A compact named entity recogniser; it needs neither torch nor transformers."""
