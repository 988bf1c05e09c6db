"""The configs that `python -m spacy distill-init` writes."""

import json
from importlib.resources import files
from math import sqrt
from typing import Dict, Optional, Tuple

from ..names import model_location

KINDS = ("student", "soft", "teacher", "transformer")
# Width and depth of the student's BiLSTM.
SIZES = {"small": (100, 1), "base": (200, 2), "large": (300, 2)}
# The number of labeled sentences for which the configs set their training steps.
USUAL_LABELED = 150
# The language of the transformer in the configs.
USUAL_LANG = "en"

# (section, setting) -> value, as it is written
Changes = Dict[Tuple[str, str], str]


def make_config(
    kind: str = "student",
    *,
    lang: str = "en",
    size: Optional[str] = None,
    labeled: Optional[int] = None,
    vectors: Optional[str] = None,
    transformer: Optional[str] = None,
) -> str:
    """Make a complete config with comments.

    kind (str): "student", a student of any teacher; "soft", a student of a soft corpus; "teacher",
        a BiLSTM over a transformer; or "transformer", a transformer that is fine-tuned.
    lang (str): Code of the language.
    size (Optional[str]): Size of a student's BiLSTM: "small", "base" (the default) or "large".
    labeled (Optional[int]): Number of labeled sentences, which sets the number of training steps.
    vectors (Optional[str]): A pipeline with word vectors.
    transformer (Optional[str]): A teacher's transformer, a folder or `hf:OWNER/NAME`.
    RETURNS (str): The text of the config.
    RAISES (ValueError): There is no such kind or size, this kind of config does not have a setting,
        or the transformer is missing.
    """
    for name, found, known in (("kind", kind, KINDS), ("size", size, (None, *SIZES))):
        if found not in known:
            expected = ", ".join(filter(None, known))
            raise ValueError(
                f"[D714] There is no {name} '{found}' of a config: expected one of {expected}. "
                "Correct the name."
            )
    is_student = kind in ("student", "soft")
    settings = {
        "size": (size, is_student),
        "labeled": (labeled, kind != "soft"),
        "vectors": (vectors, kind != "transformer"),
        "transformer": (transformer, not is_student),
    }
    for name, (value, fits) in settings.items():
        if value is not None and not fits:
            raise ValueError(f"[D702] A config of --kind {kind} has no --{name}. Leave it out.")
    if not is_student and lang != USUAL_LANG and transformer is None:
        raise ValueError(
            f"[D703] Name a --transformer for the language '{lang}': the one in the config is "
            "English."
        )
    text = (files(__package__) / f"{kind}.cfg").read_text(encoding="utf8")
    changes: Changes = {("nlp", "lang"): json.dumps(lang)}
    if vectors is not None:
        changes["paths", "vectors"] = json.dumps(vectors)
    if transformer is not None:
        model_location(transformer)
        changes["paths", "transformer"] = json.dumps(transformer)
    if size is not None:
        width, depth = SIZES[size]
        changes["components.ner_student.model.encode", "width"] = str(width)
        changes["components.ner_student.model.encode", "depth"] = str(depth)
    return with_values(text, changes, labeled or 0)


def steps_for(labeled: int, usual: int) -> int:
    """Compute the number of training steps. It grows with the square root of the number of labeled
    sentences, and is never less than for USUAL_LABELED sentences."""
    return round(usual * sqrt(max(labeled / USUAL_LABELED, 1)))


def with_values(text: str, changes: Changes, labeled: int = 0) -> str:
    """Change settings of a config, and keep its comments and all other lines.

    text (str): The config.
    changes (Changes): The new values, as they are written in the config.
    labeled (int): Number of labeled sentences, which sets the steps of `[training]`.
    RETURNS (str): The changed config.
    """
    section, lines = "", []
    for line in text.splitlines():
        name, _, value = line.partition(" = ")
        if line.startswith("["):
            section = line.strip("[]")
        elif (section, name) in changes:
            line = f"{name} = {changes[section, name]}"
        elif (section, name) == ("training.optimizer.learn_rate", "total_steps"):
            line = f"{name} = {steps_for(labeled, int(value))}"
        lines.append(line)
    return "\n".join(lines) + "\n"
