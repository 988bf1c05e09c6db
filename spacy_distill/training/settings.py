"""The `[distillation]` block of a student's config: its defaults and checks."""

import configparser
from math import inf
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union

from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config, registry
from thinc.api import Config

from ..checks import require_range
from ..configs import make_config
from ..corpora.soft_shards import is_soft_corpus
from ..teachers.identity import language_of
from ..teachers.protocol import TeacherSource
from .passes import with_steps_of_pass

DEFAULT_CONFIG = """
[distillation]
# The corpus of labeled and unlabeled documents.
corpus = "corpora.distillation"
# Dropout rate of the student.
dropout = 0.4
# Maximum number of passes over the corpus. 0: no limit; -1: stream the corpus anew in each pass.
max_epochs = 0
# Maximum number of steps. 0: no limit; -1: a pass over a streamed soft corpus, but at least 8,000
# steps.
max_steps = 0
# The teacher's component for each component of the student: {"ner_student": "ner_teacher"}. Not
# needed if each pipeline has just one component that fits.
student_to_teacher = {}
# Number of documents in a batch of the teacher.
teacher_batch_size = 64
# Fit the confidences to the development corpus at the end.
calibrate = true
# Heads that see a part of each sentence, and learn with the student: a block of
# spacy-distill.CrossViewHeads.v1. Null for none; without a teacher, null stands for its defaults.
cross_view = null
# Hidden states of a transformer that the student learns too: a block of
# spacy-distill.MatchedStates.v1. Null for none.
states = null

[distillation.batcher]
@batchers = "spacy.batch_by_words.v1"
size = 1000
tolerance = 0.2
discard_oversize = false
get_length = null

[distillation.optimizer]
@optimizers = "Adam.v1"
beta1 = 0.9
beta2 = 0.999
L2_is_weight_decay = true
L2 = 0.0
grad_clip = 1.0
use_averages = true
eps = 0.00000001
learn_rate = 0.005

[distillation.loss]
@losses = "spacy-distill.ChainDistillation.v1"
alpha = 0.5
beta = 0.5
temperature = 1.0
"""

# What a training without a teacher learns from unlabeled documents, if the config does not say.
HEADS = {"@losses": "spacy-distill.CrossViewHeads.v1"}

# Types of settings, of which errors name the first, and ranges of numbers.
_TYPES: Dict[str, Tuple[type, ...]] = {
    "corpus": (str,),
    "dropout": (float, int),
    "max_epochs": (int,),
    "max_steps": (int,),
    "student_to_teacher": (dict,),
    "teacher_batch_size": (int,),
    "calibrate": (bool,),
}
_RANGES: Dict[str, Tuple[float, float]] = {
    "dropout": (0.0, 1.0),
    "max_epochs": (-1, inf),
    "max_steps": (-1, inf),
    "teacher_batch_size": (1, inf),
}


def load_student_config(
    student: Union[str, Path, Config, Mapping[str, Any], None],
    overrides: Mapping[str, Any],
    sources: Sequence[TeacherSource] = (),
) -> Config:
    """Load the student's config, and apply overrides to it. Fill in every setting of
    `[distillation]`, the path of a soft corpus that teaches, and the number of steps. Raise
    ValueError if something is missing or wrong. Without a config, the package's is used."""
    name = f" {student}" if isinstance(student, (str, Path)) else ""
    try:
        if isinstance(student, (str, Path)):
            config = load_config(student, interpolate=False)
        elif student is None:
            config = package_config(overrides.get("nlp.lang"), sources)
        else:
            config = Config(student)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"[D112] '{student}' is no config: found bytes that are not UTF-8 "
            f"({error.reason}). Name a .cfg file, such as `distill-init` writes."
        ) from error
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as error:
        raise ValueError(
            f"[D119] The config '{student}' cannot be read. Line {error.lineno}: "
            f"{error.message.partition(': ')[2]}. Keep one of the two."
        ) from error
    for override in overrides:
        # spaCy accepts unknown settings here, so a mistyped path would leave its corpus out.
        section, _, key = override.partition(".")
        if section in ("paths", "system") and key not in config.get(section, {}):
            known = ", ".join(config.get(section, {})) or "none"
            raise ValueError(
                f"[D102] [{section}] has no setting '{key}'. Its settings are: {known}. Correct "
                "the override, or add the setting to the config."
            )
    # An override may be of a setting that the config leaves to the defaults.
    defaults = Config().from_str(DEFAULT_CONFIG, interpolate=False)
    block = defaults.merge({"distillation": config.get("distillation", {})})
    text = Config({**config, **block}, is_interpolated=False).to_str(interpolate=False)
    typed = {
        key: str(value) if isinstance(value, Path) else value for key, value in overrides.items()
    }
    config = Config().from_str(text, interpolate=False, overrides=typed)
    missing = [name for name in ("nlp", "components", "training") if name not in config]
    if missing or "pipeline" not in config["nlp"]:
        lacks = f"[{missing[0]}]" if missing else "[nlp] pipeline"
        raise ValueError(
            f"[D101] The student's config{name} has no {lacks}. "
            "Start from what `python -m spacy distill-init` writes, or run `init fill-config`."
        )
    require_training_settings(config.interpolate()["training"])
    config = with_soft_corpus(fill_settings(config), sources)
    if not sources and config["distillation"]["cross_view"] is None:
        config = Config(config, is_interpolated=False).merge(
            {"distillation": {"cross_view": HEADS}}
        )
    return with_steps_of_pass(config)


def package_config(lang: Optional[str], sources: Sequence[TeacherSource]) -> Config:
    """Load the package's own config of a student. Raise ValueError if the language is None, and
    none of the teachers has one."""
    lang = lang or next(filter(None, map(language_of, sources)), None)
    if lang is None:
        raise ValueError(
            "[D115] The student's language is not known: found no config, and no spaCy pipeline "
            "among the teachers. Name the language, such as --nlp.lang en, or a config of "
            "`distill-init`."
        )
    is_soft = any(isinstance(one, (str, Path)) and is_soft_corpus(Path(one)) for one in sources)
    text = make_config("soft" if is_soft else "student", lang=lang)
    return Config().from_str(text, interpolate=False)


def with_soft_corpus(config: Config, sources: Sequence[TeacherSource]) -> Config:
    """If the teacher is a soft corpus, make the config read it. Raise ValueError if the config
    names another one."""
    if len(sources) != 1 or not isinstance(sources[0], (str, Path)):
        return config
    source = Path(sources[0])
    settings = config.interpolate()
    section, _, key = settings["distillation"]["corpus"].partition(".")
    reader = settings.get(section, {}).get(key, {})
    if not is_soft_corpus(source) or reader.get("@readers") != "spacy-distill.SoftCorpus.v1":
        return config
    path = reader.get("path")
    if path is not None and Path(path).resolve() != source.resolve():
        raise ValueError(
            f"[D299] The teacher is the soft corpus '{source}', but [{section}.{key}] path is "
            f"'{path}'. Leave the path out: the corpus that teaches is the one that is read."
        )
    config = Config(config, is_interpolated=False)
    return config.merge({section: {key: {**config[section][key], "path": str(source)}}})


def fill_settings(config: Config) -> Config:
    """Complete the `[distillation]` block of a student's config.

    config (Config): The config, which is not changed. The block may be missing.
    RETURNS (Config): A copy with every setting of the block.
    RAISES (ValueError): A setting does not exist, or its value has a wrong type or range.
    """
    filled = Config().from_str(DEFAULT_CONFIG, interpolate=False)
    known = sorted(filled["distillation"])
    block = config.get("distillation", {})
    unknown = sorted(set(block) - set(known))
    if unknown:
        raise ValueError(
            f"[D103] [distillation] has no setting '{unknown[0]}'. Its settings are: "
            f"{', '.join(known)}. Correct the config or the override."
        )
    filled = filled.merge({"distillation": block})
    filled = Config({**config, **filled}, is_interpolated=False)
    block = filled.interpolate()["distillation"]
    for name, types in _TYPES.items():
        value: Any = block[name]
        least, most = _RANGES.get(name, (-inf, inf))
        if not isinstance(value, types) or isinstance(value, bool) != (bool in types):
            raise ValueError(
                f"[D104] [distillation] {name} has to be of type {types[0].__name__}: found "
                f"{value!r}. Correct the config or the override."
            )
        if name in _RANGES and not least <= block[name] <= most:
            raise ValueError(
                f"[D105] [distillation] {name} has to be from {least} to {most}: found {value!r}. "
                "Correct the config or the override."
            )
    require_schedules(block)
    return filled


def require_training_settings(block: Mapping[str, Any]) -> None:
    """Raise ValueError if a setting of `[training]` does not exist, or would stop the training."""
    known = sorted(ConfigSchemaTraining.__annotations__)
    unknown = sorted(set(block) - set(known))
    if unknown:
        raise ValueError(
            f"[D126] [training] has no setting '{unknown[0]}'. Its settings are: "
            f"{', '.join(known)}. Correct the config or the override."
        )
    for name in ("eval_frequency", "accumulate_gradient"):
        value = block.get(name, 1)
        if isinstance(value, int):  # otherwise spaCy's own check finds it
            require_range(f"[training] {name}", value, 1)


def require_schedules(block: Mapping[str, Any], name: str = "distillation") -> None:
    """Raise ValueError if a schedule of a block has 0 as its `total_steps`, as where it follows a
    `max_steps` of 0."""
    if "@schedules" in block and block.get("total_steps") == 0:
        raise ValueError(
            f"[D106] [{name}] total_steps is 0: the schedule would end before the first step. Set "
            "[distillation] max_steps, which it follows, or total_steps itself."
        )
    for key, value in block.items():
        if isinstance(value, dict):
            require_schedules(value, f"{name}.{key}")


def resolve_settings(config: Config) -> Dict[str, Any]:
    """Resolve the `[distillation]` block of an interpolated config: create its batcher, optimizer
    and loss."""
    return registry.resolve({"distillation": config["distillation"]})["distillation"]
