"""`ner_student`: the compact recogniser that an app loads."""

from typing import Callable, List, Optional

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model

from ..chain import LinearChain
from .chain_ner import SCORE_WEIGHTS, SETTINGS, ChainNER

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
    default_config={"model": Config().from_str(DEFAULT_CONFIG)["model"], **SETTINGS},
    default_score_weights=SCORE_WEIGHTS,
)
def make_ner_student(
    nlp: Language,
    name: str,
    model: Model[List[Doc], LinearChain],
    confidence: bool,
    spans_key: Optional[str],
    threshold: float,
    overwrite_ents: bool,
    scorer: Optional[Callable],
) -> "NERStudent":
    """Create a `ner_student`.

    model (Model[List[Doc], LinearChain]): From documents to chains of BILUO tags.
    confidence (bool): Whether each entity gets its probability, `ent._.confidence`.
    spans_key (Optional[str]): Key in `doc.spans` for all spans with at least the threshold's
        probability; null for none.
    threshold (float): The least probability of these spans.
    overwrite_ents (bool): Whether entities of earlier components make way for this one's.
    scorer (Optional[Callable]): The scoring method.
    """
    return NERStudent(
        nlp.vocab,
        model,
        name,
        confidence=confidence,
        spans_key=spans_key,
        threshold=threshold,
        overwrite_ents=overwrite_ents,
        scorer=scorer,
    )


class NERStudent(ChainNER):
    """A compact named entity recogniser; it needs neither torch nor transformers."""
