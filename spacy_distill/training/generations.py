"""Generations of students: each one teaches the next, next to the teachers."""

from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, Mapping, Optional

from spacy.language import Language
from thinc.api import Config

from ..checks import require_range
from ..loading import load_pipeline
from ..saving import remove_directory
from ..teachers import CachedTeacher, EnsembleTeacher, PipelineTeacher, SoftTeacher, Teacher
from .logger import with_own_log
from .output_folder import (
    GENERATION,
    MODEL_BEST,
    can_resume,
    generations_in,
    is_finished,
    mark_begun,
    remove_results,
)
from .run import Run, finished_training, locked_output, resumes_in, train_one


def require_generations(generations: int, output: Optional[Path], run: Run) -> None:
    """Raise ValueError if so many generations cannot be trained."""
    require_range("generations", generations, 1)
    if generations > 1 and (output is None or not run.sources):
        found = "no output folder" if output is None else "no teacher"
        raise ValueError(
            f"[D829] Several generations need a teacher and an output folder: found {found}. Name "
            "it, or leave out --generations."
        )


def run_of_generation(run: Run, output: Optional[Path], number: int) -> Run:
    """Add the student of the generation before to the teachers of a run. Generation 1 has none."""
    if output is None or number == 1:
        return run
    before = str(output / GENERATION.format(number - 1) / MODEL_BEST)
    return run._replace(sources=[*run.sources, before])


def remove_generations(output: Path, generations: int) -> None:
    """Remove the students of an earlier run. Those before the last one would count as finished."""
    for folder in generations_in(output):
        remove_directory(folder)
    if generations > 1:  # otherwise they stay until there is something to replace them
        mark_begun(output)
        remove_results(output)


def has_begun(output: Path) -> bool:
    """RETURNS (bool): Whether a student before the last one is finished, or has a checkpoint."""
    return any(is_finished(path) or can_resume(path) for path in generations_in(output))


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
    born-again networks (Furlanello et al. 2018) have no other one; here the teachers stay. Without
    labeled development documents, all of them are scored against the given teachers.

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
    for number in range(1, generations):
        assert output is not None
        folder = output / GENERATION.format(number)
        own_config = with_own_log(config, folder.name)
        own = run_of_generation(run, output, number)._replace(compact=False)
        if run.resume and is_finished(folder):
            finished_training(folder, own_config, own)
            continue
        resuming = resumes_in(folder, run, config)
        with locked_output(folder), joined(teachers, output, run, number, config) as taught_by:
            train_one(own_config, taught_by, folder, own, resumes=resuming, dev_teachers=teachers)
    last = run_of_generation(run, output, generations)
    with joined(teachers, output, run, generations, config) as taught_by:
        return train_one(
            config,
            taught_by,
            output,
            last,
            resumes=resumes,
            has_text=has_text,
            dev_teachers=teachers,
        )


@contextmanager
def joined(
    teachers: Mapping[str, Teacher],
    output: Optional[Path],
    run: Run,
    number: int,
    config: Config,
) -> Iterator[Mapping[str, Teacher]]:
    """Average the teachers with the student of the generation before. Predictions are kept within
    the block, unless the corpus is streamed."""
    if output is None or number == 1:
        yield teachers
        return
    student = load_pipeline(output / GENERATION.format(number - 1) / MODEL_BEST)
    settings = config.interpolate()["distillation"]
    caches: Dict[str, CachedTeacher] = {}
    averages: Dict[str, Teacher] = {}
    for name, teacher in teachers.items():
        averages[name] = with_student(teacher, student, name, len(run.sources))
        if settings["max_epochs"] >= 0:
            caches[name] = CachedTeacher(averages[name], batch_size=settings["teacher_batch_size"])
    try:
        yield {**averages, **caches}
    finally:
        for cache in caches.values():
            cache.close()


def with_student(
    teacher: Teacher, student: Language, name: str, n_teachers: int
) -> EnsembleTeacher:
    """Average a teacher with a student, which weighs as much as one of several teachers. Of tokens
    that are unknown to the teacher, the student teaches alone."""
    return EnsembleTeacher([teacher, PipelineTeacher(student, name)], [n_teachers, 1])
