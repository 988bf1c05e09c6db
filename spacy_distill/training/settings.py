"""The `[distillation]` block: its defaults, and its check."""

from math import inf
from typing import Any, Dict, Mapping, Tuple

from spacy.util import registry
from thinc.api import Config

DEFAULT_CONFIG = """
[distillation]
# Where the documents come from, labeled and unlabeled.
corpus = "corpora.distillation"
# Dropout rate of the student.
dropout = 0.4
# Stop after so many passes over the corpus; 0 is no limit, -1 streams the corpus anew each time.
max_epochs = 0
# Stop after so many steps; 0 is no limit, -1 is a pass over a streamed soft corpus, but at least
# 8,000 steps.
max_steps = 0
# The teacher's component for a student's component: {"ner_student": "ner_teacher"}. Found by itself
# where each pipeline has just one that fits.
student_to_teacher = {}
# Documents that the teacher reads at once.
teacher_batch_size = 64
# Fit the confidences to the development corpus at the end.
calibrate = true

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


def fill_settings(config: Config) -> Config:
    """Complete the `[distillation]` block of a student's config.

    config (Config): The config, left as it is; the block may be missing.
    RETURNS (Config): A copy with every setting of the block.
    RAISES (ValueError): A key that does not exist, or a value that cannot be.
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
    block = Config({**config, **filled}, is_interpolated=False).interpolate()["distillation"]
    require_types(block)
    require_schedules(block)
    return Config({**config, **filled}, is_interpolated=False)


def require_types(block: Mapping[str, Any]) -> None:
    """Make sure that plain settings have values that can be.

    block (Mapping[str, Any]): A complete `[distillation]` block, interpolated.
    RAISES (ValueError): A wrong type, or a number out of its range.
    """
    for name, types in _TYPES.items():
        value = block[name]
        if not isinstance(value, types) or isinstance(value, bool) != (bool in types):
            raise ValueError(
                f"[D104] [distillation] {name} has to be of type {types[0].__name__}: found "
                f"{value!r}. Correct the config or the override."
            )
        least, most = _RANGES.get(name, (-inf, inf))
        if isinstance(value, (int, float)) and not least <= value <= most:
            raise ValueError(
                f"[D105] [distillation] {name} has to be from {least} to {most}: found {value!r}. "
                "Correct the config or the override."
            )


def require_schedules(block: Mapping[str, Any], name: str = "distillation") -> None:
    """Make sure that schedules that change with the steps have steps to change in.

    block (Mapping[str, Any]): A complete `[distillation]` block, interpolated, or a block in it.
    name (str): The block's name, for the error.
    RAISES (ValueError): A schedule's `total_steps` is 0, as of a `max_steps` that is no limit.
    """
    if "@schedules" in block and block.get("total_steps") == 0:
        raise ValueError(
            f"[D106] [{name}] total_steps is 0: the schedule would have ended before it begins. "
            "Set [distillation] max_steps, which it follows, or total_steps itself."
        )
    for key, value in block.items():
        if isinstance(value, dict):
            require_schedules(value, f"{name}.{key}")


def resolve_settings(config: Config) -> Dict[str, Any]:
    """Build the objects of a complete `[distillation]` block.

    config (Config): A config, interpolated.
    RETURNS (Dict[str, Any]): The settings, with batcher, optimizer and loss as functions.
    """
    return registry.resolve({"distillation": config["distillation"]})["distillation"]
