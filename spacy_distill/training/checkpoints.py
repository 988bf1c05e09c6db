"""The results that a training saves."""

import shutil
from pathlib import Path
from typing import Callable, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from thinc.api import Optimizer

from ..checks import require_no_file
from ..saving import copy_directory, save_pipeline

MODEL_BEST = "model-best"
MODEL_LAST = "model-last"
# The student for apps, in a distillation from text.
STUDENT = "student"
# The development documents with the teachers' entities, if they had no entities.
DEVELOPMENT = "dev.spacy"


def require_output_dir(path: Path, *, overwrite: bool) -> None:
    """Raise ValueError if a path cannot be the output folder: it is a file, or it is not empty and
    `overwrite` is False. The folder need not exist."""
    require_no_file(path)
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise ValueError(
            f"[D721] The output folder '{path}' is not empty. Name another one, or replace "
            f"{MODEL_BEST} and {MODEL_LAST} in it with --force."
        )


class Checkpoints:
    """Saves `model-last` and `model-best` of a training, and the teachers' entities."""

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
        self._nlp, self._optimizer, self._before_to_disk = nlp, optimizer, before_to_disk
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove earlier results."""
        if self.output is not None:
            for name in (STUDENT, MODEL_BEST, MODEL_LAST):
                if (self.output / name).exists():
                    shutil.rmtree(self.output / name)
            (self.output / DEVELOPMENT).unlink(missing_ok=True)

    def save_development(self, docs: Sequence[Doc]) -> None:
        """Save the development documents with the teachers' entities."""
        if self.output is not None:
            unfinished = self.output / f".{DEVELOPMENT}-unfinished"
            DocBin(docs=docs).to_disk(unfinished)
            unfinished.replace(self.output / DEVELOPMENT)

    def save_last(self) -> None:
        """Save the pipeline as `model-last`."""
        if self.output is not None:
            with self._nlp.use_params(self._optimizer.averages):
                save_pipeline(self._before_to_disk(self._nlp), self.output / MODEL_LAST)

    def copy_to_best(self) -> None:
        """Copy `model-last` to `model-best`."""
        if self.output is not None:
            copy_directory(self.output / MODEL_LAST, self.output / MODEL_BEST)
