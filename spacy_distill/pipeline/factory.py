"""Register the factories of `ner_student` and `ner_teacher`, which have the same settings."""

from typing import Any, Callable, Dict, List, Optional, Type

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model

from ..chain import LinearChain
from .chain_ner import ASSIGNS, ChainNER
from .confidences import CONFIDENCE

# The settings of both components, except for the model.
SETTINGS: Dict[str, Any] = {
    "confidence": False,
    "confidence_attr": CONFIDENCE,
    "min_confidence": 0.0,
    "spans_key": None,
    "threshold": 0.5,
    "overwrite_ents": False,
    "threads": 1,
    "scorer": {"@scorers": "spacy.ner_scorer.v1"},
}
SCORE_WEIGHTS = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}


def register(factory: str, component: Type[ChainNER], default_config: str) -> Callable[..., Any]:
    """Register a component's factory with spaCy.

    factory (str): The name of the factory, for configs and `nlp.add_pipe`.
    component (Type[ChainNER]): The class of the component.
    default_config (str): The default config, with the block [model].
    RETURNS (Callable[..., ChainNER]): The factory, for an entry point.
    """

    def make(
        nlp: Language,
        name: str,
        model: Model[List[Doc], LinearChain],
        confidence: bool,
        confidence_attr: str,
        min_confidence: float,
        spans_key: Optional[str],
        threshold: float,
        overwrite_ents: bool,
        threads: int,
        scorer: Optional[Callable],
    ) -> ChainNER:
        """Create the component.

        model (Model[List[Doc], LinearChain]): The model, from documents to chains of BILUO tags.
        confidence (bool): Whether to write the probability of each entity to `ent._.confidence`.
        confidence_attr (str): The name of that attribute, if `confidence` is already used.
        min_confidence (float): The minimum probability of an entity, from 0 to 1. Less probable
            ones are not written.
        spans_key (Optional[str]): The key in `doc.spans` for all spans whose probability is at
            least the threshold; null to write no spans.
        threshold (float): The minimum probability of these spans.
        overwrite_ents (bool): Whether the entities of this component replace earlier ones.
        threads (int): The number of threads that a prediction uses. One is right if an app runs
            several processes or calls the pipeline from several threads.
        scorer (Optional[Callable]): The scoring method.
        """
        return component(
            nlp.vocab,
            model,
            name,
            confidence=confidence,
            confidence_attr=confidence_attr,
            min_confidence=min_confidence,
            spans_key=spans_key,
            threshold=threshold,
            overwrite_ents=overwrite_ents,
            threads=threads,
            scorer=scorer,
        )

    return Language.factory(
        factory,
        assigns=ASSIGNS,
        default_config={"model": Config().from_str(default_config)["model"], **SETTINGS},
        default_score_weights=SCORE_WEIGHTS,
        func=make,
    )
