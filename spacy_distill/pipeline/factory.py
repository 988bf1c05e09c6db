"""How `ner_student` and `ner_teacher` are registered: the settings that both have."""

from typing import Any, Callable, Dict, List, Optional, Type

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model

from ..chain import LinearChain
from .chain_ner import ASSIGNS, ChainNER
from .confidences import CONFIDENCE

# Settings of both components, apart from their models.
SETTINGS: Dict[str, Any] = {
    "confidence": False,
    "confidence_attr": CONFIDENCE,
    "spans_key": None,
    "threshold": 0.5,
    "overwrite_ents": False,
    "scorer": {"@scorers": "spacy.ner_scorer.v1"},
}
SCORE_WEIGHTS = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}


def register(factory: str, component: Type[ChainNER], default_config: str) -> Callable[..., Any]:
    """Register a component's factory with spaCy.

    factory (str): The name under which configs and `nlp.add_pipe` know it.
    component (Type[ChainNER]): What it creates.
    default_config (str): A config with the block [model].
    RETURNS (Callable[..., ChainNER]): The factory, as an entry point takes it.
    """

    def make(
        nlp: Language,
        name: str,
        model: Model[List[Doc], LinearChain],
        confidence: bool,
        confidence_attr: str,
        spans_key: Optional[str],
        threshold: float,
        overwrite_ents: bool,
        scorer: Optional[Callable],
    ) -> ChainNER:
        """Create the component.

        model (Model[List[Doc], LinearChain]): From documents to chains of BILUO tags.
        confidence (bool): Whether each entity gets its probability, `ent._.confidence`.
        confidence_attr (str): The name of that attribute, if `confidence` is taken.
        spans_key (Optional[str]): Key in `doc.spans` for all spans with at least the threshold's
            probability; null for none.
        threshold (float): The least probability of these spans.
        overwrite_ents (bool): Whether this component's entities replace earlier ones.
        scorer (Optional[Callable]): The scoring method.
        """
        return component(
            nlp.vocab,
            model,
            name,
            confidence=confidence,
            confidence_attr=confidence_attr,
            spans_key=spans_key,
            threshold=threshold,
            overwrite_ents=overwrite_ents,
            scorer=scorer,
        )

    return Language.factory(
        factory,
        assigns=ASSIGNS,
        default_config={"model": Config().from_str(default_config)["model"], **SETTINGS},
        default_score_weights=SCORE_WEIGHTS,
        func=make,
    )
