"""The results that a training saves, and the checkpoint from which it can be resumed."""

import json
from pathlib import Path
from typing import Callable, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from thinc.api import Optimizer

from ..saving import (
    copy_directory,
    identity,
    replaced_directory,
    replaced_file,
    require_in_place,
    save_pipeline,
)
from .origin import Origin, differences
from .output_folder import (
    CHECKPOINT,
    DEVELOPMENT,
    MODEL_BEST,
    MODEL_LAST,
    ORIGIN,
    remove_results,
)
from .state import TrainingState, damaged_error


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
            remove_results(self.output)

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
