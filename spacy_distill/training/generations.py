"""Generations of students: each one teaches the next, next to the teachers."""

from contextlib import ExitStack
from pathlib import Path
from typing import Dict, Mapping, Optional

from spacy.language import Language
from thinc.api import Config

from ..loading import load_pipeline
from ..teachers import CachedTeacher, EnsembleTeacher, PipelineTeacher, SoftTeacher, Teacher
from .checkpoints import GENERATION, MODEL_BEST, is_finished
from .run import Run, finished_training, locked_output, resumes_in, train_one


def require_generations(generations: int, output: Optional[Path], run: Run) -> None:
    """Raise ValueError if so many generations cannot be trained."""
    if generations < 1:
        raise ValueError(f"[D828] --generations has to be 1 or more: found {generations}.")
    if generations > 1 and (output is None or not run.sources):
        found = "no output folder" if output is None else "no teacher"
        raise ValueError(
            f"[D829] Several generations need a teacher and an output folder: found {found}. Name "
            "it, or leave out --generations."
        )


def run_of_generation(run: Run, output: Optional[Path], number: int) -> Run:
    """Make the run of a generation, which begins with 1: its teachers are those of the run, and the
    student before it."""
    if output is None or number == 1:
        return run
    before = str(output / GENERATION.format(number - 1) / MODEL_BEST)
    return run._replace(sources=[*run.sources, before])


def train_generations(
    config: Config,
    teachers: Mapping[str, Teacher],
    output: Optional[Path],
    run: Run,
    generations: int,
    *,
    resumes: bool = False,
    has_text: bool = False,
) -> Language:
    """Train students one after another, of which the last one is the result.

    Each student but the first has the student before it as one more teacher. The students of
    born-again networks (Furlanello et al. 2018) have no other one; here the teachers stay.

    config (Config): The complete config of the students.
    teachers (Mapping[str, Teacher]): The teacher of each component that learns.
    output (Optional[Path]): The folder of the last student, which is locked. Those before it get
        folders in it.
    run (Run): What all students share.
    generations (int): The number of students.
    resumes (bool): Whether the last student continues at a checkpoint.
    has_text (bool): Whether they learn from raw text.
    RETURNS (Language): The last student with its last parameters.
    RAISES (ValueError): The teacher is a soft corpus, or what `train_one` raises.
    """
    if generations > 1 and any(isinstance(item, SoftTeacher) for item in teachers.values()):
        raise ValueError(
            "[D831] A soft corpus has predictions for its own text only, so no student can join "
            "it. Name the teacher that wrote it, or leave out --generations."
        )
    joined: Mapping[str, Teacher] = teachers
    with ExitStack() as stack:
        for number in range(1, generations):
            assert output is not None
            student = earlier_student(config, joined, output, run, number)
            joined = {
                name: with_student(teacher, student, name, len(run.sources))
                for name, teacher in teachers.items()
            }
            if config["distillation"]["max_epochs"] >= 0:
                joined = cached(joined, config["distillation"]["teacher_batch_size"], stack)
        last = run_of_generation(run, output, generations)
        return train_one(config, joined, output, last, resumes=resumes, has_text=has_text)


def earlier_student(
    config: Config, teachers: Mapping[str, Teacher], output: Path, run: Run, number: int
) -> Language:
    """Train the student of a generation before the last one, unless it is finished, and load its
    best model."""
    folder = output / GENERATION.format(number)
    own = run_of_generation(run, output, number)._replace(compact=False)
    if run.resume and is_finished(folder):
        finished_training(folder, config, own.sources, run.stdout)
    else:
        resumes = resumes_in(folder, run)
        with locked_output(folder):
            train_one(config, teachers, folder, own, resumes=resumes)
    return load_pipeline(folder / MODEL_BEST)


def with_student(teacher: Teacher, student: Language, name: str, n_teachers: int) -> Teacher:
    """Average a teacher with a student, which weighs as much as one of several teachers."""
    return EnsembleTeacher([teacher, PipelineTeacher(student, name)], [n_teachers, 1])


def cached(
    teachers: Mapping[str, Teacher], batch_size: int, stack: ExitStack
) -> Dict[str, Teacher]:
    """Keep the predictions of teachers until the stack is closed."""
    found: Dict[str, Teacher] = {}
    for name, teacher in teachers.items():
        cache = CachedTeacher(teacher, batch_size=batch_size)
        stack.callback(cache.close)
        found[name] = cache
    return found
