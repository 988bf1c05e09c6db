"""What a distillation writes to its output folder, and what the folder says of it."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping

from spacy.util import load_meta

from ..checks import require_local, require_no_file
from ..saving import identity, remove_directory, replaced_directory
from .origin import FINISHED
from .state import NUMBERS

MODEL_BEST = "model-best"
MODEL_LAST = "model-last"
# The student for apps, in a distillation from text.
STUDENT = "student"
# The folder of a student before the last one, by its number.
GENERATION = "generation-{}"
# The development documents with the teachers' entities, if they had no entities.
DEVELOPMENT = "dev.spacy"
# The text and the word vectors of a distillation from text.
TEXT, VECTORS = "text", "vectors"
# The state of a training that is not finished. It is removed at the end.
CHECKPOINT = "checkpoint"
# What the training depends on, in the folder of the checkpoint.
ORIGIN = "origin.json"
# The file with the measured sizes of students. It marks the folder as one of sizes.
SIZES_FILE = "sizes.json"
# The content of ORIGIN before it is known what the training depends on.
MARK = b"{}\n"
# What each distillation replaces, apart from `model-best` and `model-last`.
REPLACED = (CHECKPOINT, DEVELOPMENT, STUDENT)


def require_output_dir(path: Path, *, overwrite: bool) -> None:
    """Raise ValueError if a path cannot be the output folder: it is a file, or it is not empty and
    `overwrite` is False. The folder need not exist."""
    require_local(path)
    require_no_file(path)
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise ValueError(
            f"[D721] The output folder '{path}' is not empty. Name another one, replace the "
            "models in it with --force, or continue an interrupted training with --resume."
        )


def is_of_distillation(folder: Path) -> bool:
    """RETURNS (bool): Whether a distillation has written to a folder: it has a file that says so,
    or a model whose meta.json names a distillation."""
    marks = (folder / SIZES_FILE, folder / FINISHED, folder / CHECKPOINT / ORIGIN)
    if any(mark.is_file() for mark in marks):
        return True
    try:
        return "distillation" in load_meta(folder / MODEL_LAST / "meta.json")
    except (OSError, ValueError):
        return False


def require_replaceable(output: Path, names: Iterable[str], inputs: Mapping[str, Any]) -> None:
    """Raise ValueError if a distillation would replace files that are not its own, or that it
    reads.

    output (Path): The output folder, which need not exist.
    names (Iterable[str]): What the distillation replaces there, apart from `model-best` and
        `model-last`, which `spacy train` writes too.
    inputs (Mapping[str, Any]): Paths of what it reads, by their names in errors. Other values are
        ignored.
    """
    is_own = is_of_distillation(output)
    names = list(names)
    for path in (output / name for name in (*names, MODEL_BEST, MODEL_LAST)):
        if path.name in names and path.exists() and not is_own:
            raise ValueError(
                f"[D769] '{path}' would be replaced, and no earlier distillation wrote it. Name "
                "another output folder, or move it."
            )
        for name, value in inputs.items():
            if isinstance(value, (str, Path)) and _is_in(Path(value), path):
                raise ValueError(
                    f"[D770] {name} names '{value}', which would be replaced, as the output folder "
                    f"is '{output}'. Name another output folder, or move it."
                )


def _is_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def can_resume(output: Path) -> bool:
    """RETURNS (bool): Whether a folder has a checkpoint to resume from. A run that was killed
    before its first evaluation has none."""
    return (output / CHECKPOINT / NUMBERS).is_file()


def is_finished(output: Path) -> bool:
    """RETURNS (bool): Whether a folder has the models of a training, and no checkpoint."""
    return not (output / CHECKPOINT).exists() and (
        (output / MODEL_BEST).is_dir() and (output / MODEL_LAST).is_dir()
    )


def is_begun(output: Path) -> bool:
    """RETURNS (bool): Whether a distillation has begun in a folder, and is not finished; or whether
    it was killed before it could say so, and left at most a file that begins with a dot."""
    if not output.is_dir():
        return True
    names = [path.name for path in output.iterdir()]
    unfinished = all(name.startswith(".") and name.endswith("-unfinished") for name in names)
    return unfinished or (output / CHECKPOINT / ORIGIN).is_file()


def mark_begun(output: Path) -> None:
    """Mark a folder as one in which a distillation has begun. An earlier checkpoint is removed."""
    with replaced_directory(output / CHECKPOINT) as folder:
        (folder / ORIGIN).write_bytes(MARK)


@contextmanager
def marked_as_begun(output: Path) -> Iterator[None]:
    """Mark a folder as one in which a distillation has begun, unless it is. If an error occurs
    before anything was written, the mark is removed."""
    mark, before = output / CHECKPOINT / ORIGIN, _written(output)
    is_new = not mark.is_file()
    if is_new:
        mark_begun(output)
    try:
        yield
    except BaseException:
        is_bare = mark.is_file() and mark.read_bytes() == MARK
        if is_new and is_bare and _written(output) == before:
            remove_directory(output / CHECKPOINT)
        raise


def _written(output: Path) -> Dict[Path, Any]:
    """RETURNS (Dict[Path, Any]): What a distillation writes before its checkpoint, as it is now."""
    paths = [*generations_in(output), output / TEXT, output / VECTORS]
    return {path: identity(path) for path in paths if path.exists()}


def generations_in(output: Path) -> List[Path]:
    """RETURNS (List[Path]): The folders of the students before the last one."""
    return [path for path in output.glob(GENERATION.format("*")) if is_of_distillation(path)]


def remove_results(output: Path, *more: str) -> None:
    """Remove the models of an earlier distillation, its files next to them, and more folders.

    output (Path): The output folder.
    *more (str): Names of other folders in it.
    """
    for name in (STUDENT, MODEL_BEST, MODEL_LAST, *more):
        if (output / name).exists():
            remove_directory(output / name)
    for name in (DEVELOPMENT, FINISHED):
        (output / name).unlink(missing_ok=True)
