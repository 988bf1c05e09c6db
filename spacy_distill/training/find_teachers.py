"""The teachers of a student, and the labels that it takes over from them."""

from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Union

from spacy.language import Language
from spacy.util import load_model
from thinc.api import Config

from ..teachers import CachedTeacher, EnsembleTeacher, PipelineTeacher, Teacher

# Factories of components that can learn from a teacher.
LEARNERS = ("ner_student", "ner_teacher")

TeacherSource = Union[str, Path, Language, Teacher]


def find_teachers(sources: Sequence[TeacherSource], config: Config) -> Dict[str, Teacher]:
    """Find the teacher of each student component that has one.

    sources (Sequence[TeacherSource]): Names or folders of pipelines, pipelines, or teachers;
        several teach as an ensemble.
    config (Config): The student's config, with a complete `[distillation]` block.
    RETURNS (Dict[str, Teacher]): Teachers that read each document once, by the student's component.
    RAISES (ValueError): Nothing can teach or learn under the names that the config gives.
    """
    loaded = [load_model(item) if isinstance(item, (str, Path)) else item for item in sources]
    batch_size = config["distillation"]["teacher_batch_size"]
    teachers: Dict[str, Teacher] = {}
    for student_name, teacher_name in component_pairs(config).items():
        members: List[Teacher] = [
            PipelineTeacher(item, teacher_name) if isinstance(item, Language) else item
            for item in loaded
        ]
        teacher = members[0] if len(members) == 1 else EnsembleTeacher(members)
        teachers[student_name] = CachedTeacher(teacher, batch_size=batch_size)
    return teachers


def component_pairs(config: Config) -> Dict[str, Optional[str]]:
    """RETURNS (Dict[str, Optional[str]]): The teachers' component for each of the student's
    components that learns; None where it is to be found by looking at the teacher."""
    pipeline, components = config["nlp"]["pipeline"], config["components"]
    listed = ", ".join(pipeline) or "none"
    pairs: Dict[str, Optional[str]] = dict(config["distillation"]["student_to_teacher"])
    if not pairs:
        learners = [
            name for name in pipeline if components.get(name, {}).get("factory") in LEARNERS
        ]
        if len(learners) != 1:
            raise ValueError(
                "The student's pipeline needs one component that can learn, 'ner_student', and has "
                f"{len(learners)}. Its components are: {listed}. Add one, or choose with "
                "[distillation.student_to_teacher]."
            )
        return {learners[0]: None}
    for name in pairs:
        if name not in pipeline:
            raise ValueError(
                f"[distillation.student_to_teacher] names '{name}', but the student's components "
                f"are: {listed}. Correct the name."
            )
    return pairs


def with_teacher_labels(config: Config, teachers: Mapping[str, Teacher]) -> None:
    """Let students whose labels are not given take over their teachers'."""
    components = config.setdefault("initialize", {}).setdefault("components", {})
    for name, teacher in teachers.items():
        settings = components.setdefault(name, {})
        if settings.get("labels") is None and "source" not in config["components"][name]:
            settings["labels"] = list(teacher.labels)
