"""Find the component of a pipeline that has probabilities."""

from typing import Optional, Tuple

from spacy.language import Language

from .chain_ner import ChainNER


def find_component(nlp: Language, name: Optional[str] = None) -> Tuple[str, ChainNER]:
    """Find the `ner_student` or `ner_teacher` of a pipeline.

    nlp (Language): The pipeline.
    name (Optional[str]): The component's name; None if there is only one.
    RETURNS (Tuple[str, ChainNER]): The component's name and the component.
    RAISES (ValueError): There is no such component, or there are several.
    """
    found = {
        key: pipe
        for key, pipe in nlp.pipeline
        if isinstance(pipe, ChainNER) and name in (None, key)
    }
    if len(found) != 1:
        wanted = "one ner_student or ner_teacher" if name is None else f"a ner_student '{name}'"
        raise ValueError(
            f"[D020] Expected {wanted}, found {', '.join(nlp.pipe_names) or 'no components'}. "
            "Choose a pipeline that has it, or name another component."
        )
    return next(iter(found.items()))
