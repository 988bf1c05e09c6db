"""The results that a training saves, and the checkpoint from which it can be resumed."""

import json
from pathlib import Path
from typing import Callable, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from thinc.api import Optimizer

from ..checks import require_no_file
from ..saving import (
    copy_directory,
    identity,
    remove_directory,
    replaced_directory,
    replaced_file,
    require_in_place,
    save_pipeline,
)
from .origin import Origin, differences
from .state import NUMBERS, TrainingState, damaged_error

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


def require_output_dir(path: Path, *, overwrite: bool) -> None:
    """Raise ValueError if a path cannot be the output folder: it is a file, or it is not empty and
    `overwrite` is False. The folder need not exist."""
    require_no_file(path)
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise ValueError(
            f"[D721] The output folder '{path}' is not empty. Name another one, replace the "
            "models in it with --force, or continue an interrupted training with --resume."
        )


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
    """RETURNS (bool): Whether a folder has nothing but what a training leaves that was killed
    before its first evaluation."""
    names = {path.name for path in output.iterdir()} if output.is_dir() else set()
    left = {name for name in names if name.startswith(".") and name.endswith("-unfinished")}
    left |= {name for name in names if name.startswith(GENERATION.format(""))}
    left |= {TEXT, VECTORS, DEVELOPMENT, CHECKPOINT}
    if CHECKPOINT in names:
        left |= {STUDENT, MODEL_BEST, MODEL_LAST}
    return names <= left


def require_same_origin(output: Path, origin: Origin) -> None:
    """Raise ValueError if a training with a checkpoint depends on something else.

    output (Path): The output folder.
    origin (Origin): What the new run depends on. Names that it lacks are not compared.
    """
    try:
        old = json.loads((output / CHECKPOINT / ORIGIN).read_text(encoding="utf8"))
        changed = differences({name: old[name] for name in old if name in origin}, origin)
    except (OSError, ValueError, TypeError) as error:
        raise damaged_error(output / CHECKPOINT, error) from error
    if changed:
        raise ValueError(
            f"[D760] The training in '{output}' was begun with something else, so it cannot be "
            f"resumed. These differ now: {'; '.join(changed)}. Use the same as then, or begin anew "
            "with --force."
        )


class Checkpoints:
    """Saves `model-last` and `model-best` of a training, the teachers' entities, and the checkpoint
    from which the training can be resumed."""

    def __init__(
        self,
        output: Optional[Path],
        nlp: Language,
        optimizer: Optimizer,
        before_to_disk: Callable[[Language], Language],
    ) -> None:
        """Create the output folder.

        output (Optional[Path]): The folder; None to save nothing.
        nlp (Language): The pipeline.
        optimizer (Optimizer): The optimizer, whose averages are saved if it has any.
        before_to_disk (Callable[[Language], Language]): Changes the pipeline before it is saved.
        """
        self.output = output
        self._origin: Origin = {}
        self._nlp, self._optimizer, self._before_to_disk = nlp, optimizer, before_to_disk
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            self._identity = identity(output)

    def begin(self, origin: Origin) -> None:
        """Remove earlier results, and mark the training as not finished.

        origin (Origin): What the training depends on.
        """
        if self.output is not None:
            self._origin = origin
            with replaced_directory(self.output / CHECKPOINT) as folder:
                self._write_origin(folder)
            for name in (STUDENT, MODEL_BEST, MODEL_LAST):
                if (self.output / name).exists():
                    remove_directory(self.output / name)
            (self.output / DEVELOPMENT).unlink(missing_ok=True)

    def resume(self, origin: Origin) -> TrainingState:
        """Read the last state. Raise ValueError if the training depends on something else now."""
        assert self.output is not None
        require_same_origin(self.output, origin)
        self._origin = origin
        best = self.output / CHECKPOINT / MODEL_BEST
        if best.is_dir():
            # The run was killed at its end, when `model-best` may have been calibrated.
            copy_directory(best, self.output / MODEL_BEST)
        return TrainingState.from_disk(self.output / CHECKPOINT)

    def save_state(self, state: TrainingState) -> None:
        """Save the state of the training."""
        if self.output is not None:
            require_in_place(self.output, self._identity)
            with replaced_directory(self.output / CHECKPOINT) as folder:
                self._write_origin(folder)
                state.to_disk(folder)

    def keep_best(self) -> None:
        """Keep `model-best` as it is after the last step: to be resumed from, before it changes."""
        if self.output is not None:
            best = self.output / MODEL_BEST
            copy_directory(best, self.output / CHECKPOINT / MODEL_BEST)

    def _write_origin(self, folder: Path) -> None:
        text = json.dumps(self._origin, indent=1, sort_keys=True)
        (folder / ORIGIN).write_text(text + "\n", encoding="utf8")

    def save_development(self, docs: Sequence[Doc]) -> None:
        """Save the development documents with the teachers' entities."""
        if self.output is not None:
            with replaced_file(self.output / DEVELOPMENT) as unfinished:
                DocBin(docs=docs).to_disk(unfinished)

    def save_last(self) -> None:
        """Save the pipeline as `model-last`."""
        if self.output is not None:
            require_in_place(self.output, self._identity)
            with self._nlp.use_params(self._optimizer.averages):
                save_pipeline(self._before_to_disk(self._nlp), self.output / MODEL_LAST)

    def copy_to_best(self) -> None:
        """Copy `model-last` to `model-best`."""
        if self.output is not None:
            require_in_place(self.output, self._identity)
            copy_directory(self.output / MODEL_LAST, self.output / MODEL_BEST)
