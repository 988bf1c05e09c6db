"""The teachers of students, and the labels that students take over from them."""

import configparser
from dataclasses import replace
from typing import Any, Dict, Mapping, Optional, Sequence

from spacy.util import load_config
from thinc.api import Config

from ..teachers import CachedTeacher, SoftTeacher, Teacher
from ..teachers.identity import names_of, pipeline_folder
from ..teachers.no_teacher import NoTeacher
from ..teachers.sources import (
    DEFAULT_OPTIONS,
    TeacherOptions,
    TeacherSource,
    load_source,
    load_teacher,
)

# Factories of components that can learn from a teacher.
LEARNERS = ("ner_student", "ner_teacher")


def find_teachers(
    sources: Sequence[TeacherSource], config: Config, options: TeacherOptions
) -> Dict[str, Teacher]:
    """Load the teacher of each component that learns.

    sources (Sequence[TeacherSource]): The teachers, as `load_teacher` takes them. The average of
        several teaches. Without any, components learn from gold entities alone.
    config (Config): The student's config, with a complete `[distillation]` block.
    options (TeacherOptions): How teachers are read.
    RETURNS (Dict[str, Teacher]): The teachers, by the name of the student's component. They keep
        their predictions, unless the corpus is streamed.
    RAISES (ValueError): The config names a component that does not exist, or that cannot teach or
        learn.
    """
    if not sources:
        if options != DEFAULT_OPTIONS:
            raise ValueError(
                "[D815] There is no teacher, so its options have no effect. Name a teacher, or "
                "leave out its options."
            )
        return {name: NoTeacher() for name in component_pairs(config)}
    opened = [load_source(source, options) for source in sources]
    settings = config["distillation"]
    teachers: Dict[str, Teacher] = {}
    pairs = component_pairs(config)
    # Others may read the same documents with the same transformer.
    keeps_features = len(pairs) > 1 or settings["states"] is not None
    for student_name, teacher_name in pairs.items():
        if teacher_name and options.teacher_pipe not in (None, teacher_name):
            raise ValueError(
                f"[D132] --teacher-pipe names '{options.teacher_pipe}', and [distillation] "
                f"student_to_teacher names '{teacher_name}' for '{student_name}'. Leave out one of "
                "them."
            )
        own_options = replace(options, teacher_pipe=teacher_name or options.teacher_pipe)
        teacher = load_teacher(opened, own_options, names_of(sources))
        if settings["max_epochs"] >= 0 and not isinstance(teacher, SoftTeacher):
            teacher = CachedTeacher(
                teacher,
                batch_size=settings["teacher_batch_size"],
                keeps_features=keeps_features,
            )
        teachers[student_name] = teacher
    return teachers


def component_pairs(config: Config) -> Dict[str, Optional[str]]:
    """Find the components that learn, and the teacher's component for each: None if the config does
    not name it. Frozen and disabled components do not learn."""
    pipeline, components = config["nlp"]["pipeline"], config["components"]
    listed = ", ".join(pipeline) or "none"
    frozen = config.get("training", {}).get("frozen_components", ())
    idle = {*frozen, *config["nlp"].get("disabled", ())}
    chosen: Dict[str, Optional[str]] = dict(config["distillation"]["student_to_teacher"])
    for name in chosen:
        if name not in pipeline:
            raise ValueError(
                f"[D111] [distillation.student_to_teacher] names '{name}', but the student's "
                f"components are: {listed}. Correct the name."
            )
    pairs = chosen or {
        name: None for name in pipeline if factory_of(name, components.get(name, {})) in LEARNERS
    }
    if pairs and idle.issuperset(pairs):
        raise ValueError(
            "[D531] Nothing would learn: [training] frozen_components or [nlp] disabled has all "
            f"components that could learn ({', '.join(pairs)}). Remove one there, or let another "
            "component learn."
        )
    pairs = {name: teacher for name, teacher in pairs.items() if name not in idle}
    if not chosen and len(pairs) != 1:
        raise ValueError(
            "[D110] The student's pipeline needs one component that can learn, 'ner_student', "
            f"and has {len(pairs)}. Its components are: {listed}. Add one, or choose with "
            "[distillation.student_to_teacher]."
        )
    return pairs


def factory_of(name: str, block: Mapping[str, Any]) -> Optional[str]:
    """Find the factory of a component of a config. If it has a `source`, it is the factory there.
    Raise ValueError if the source cannot be read."""
    if "source" not in block:
        return block.get("factory")
    try:
        folder = pipeline_folder(str(block["source"]))
        config = load_config(folder / "config.cfg", interpolate=False)
    except (OSError, ValueError, configparser.Error) as error:
        raise ValueError(
            f"[D127] The source '{block['source']}' of the component '{name}' cannot be read: "
            f"{error}. Correct the path, or install the package."
        ) from error
    return config.get("components", {}).get(block.get("component", name), {}).get("factory")


def fill_labels(config: Config, teachers: Mapping[str, Teacher]) -> None:
    """Set the labels of students without labels in the config to those of their teachers. Without a
    teacher, they are those of the training corpus."""
    components = config.setdefault("initialize", {}).setdefault("components", {})
    for name, teacher in teachers.items():
        if isinstance(teacher, NoTeacher):
            continue
        settings = components.setdefault(name, {})
        if settings.get("labels") is None and "source" not in config["components"][name]:
            settings["labels"] = list(teacher.labels)
