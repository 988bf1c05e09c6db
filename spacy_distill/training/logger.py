"""A log of training in JSON lines: a line for each evaluation."""

import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import IO, Any, Callable, Dict, List, Optional, Tuple

import srsly
from spacy.language import Language
from thinc.api import Config

from ..saving import replaced_file

NAME = "spacy-distill.JSONLLogger.v1"
LogStep = Callable[[Optional[Dict[str, Any]]], None]
Logger = Callable[[Language, IO, IO], Tuple[LogStep, Callable[[], None]]]


def JSONLLogger(path: Path, logger: Optional[Logger] = None) -> Logger:
    """Write each evaluation to a file of JSON lines, in addition to another logger. Registered as
    `spacy-distill.JSONLLogger.v1`, for `[training.logger]`.

    A line has `step`, `epoch`, `seconds` since the start, `words_per_second`, `score`, `scores` and
    `losses`. The speed is that of training since the line before, without evaluations. It is null
    if each step is evaluated, and in the first line after a resumption. The losses are sums since
    the line before, by component. A component that is distilled has the sum NAME and its summands
    NAME_task, NAME_distillation, and with auxiliary losses NAME_cross_view and NAME_states, each
    multiplied by its weight.

    path (Path): The file to write. An existing file is replaced, and its folder is created.
    logger (Optional[Logger]): Another logger to call as well, such as `spacy.ConsoleLogger.v1` or
        one of spacy-loggers.
    RETURNS (Logger): The logger. A resumed training continues the file.
    """
    return _JSONLLogger(Path(path), logger)


def with_own_log(config: Config, student: str) -> Config:
    """Give a student of a run a log of its own: `log.jsonl` becomes `log-STUDENT.jsonl`, in each
    block of `[training.logger]` that is a `JSONLLogger`.

    config (Config): The config of all students, which is not changed.
    student (str): The student's name.
    RETURNS (Config): The student's config.
    """
    interpolated = config.interpolate()["training"].get("logger")
    own = Config(config, is_interpolated=False).copy()
    _set_own_paths(own["training"].get("logger"), interpolated, student)
    return own


def _set_own_paths(block: Any, interpolated: Any, student: str) -> None:
    """Add the student's name to the paths of a logger and of the loggers in it."""
    if not isinstance(block, dict) or not isinstance(interpolated, dict):
        return
    for key, value in block.items():
        _set_own_paths(value, interpolated.get(key), student)
    if interpolated.get("@loggers") == NAME:
        path = Path(str(interpolated.get("path") or ""))
        if path.name:  # otherwise the logger's own check finds it
            block["path"] = str(path.with_name(f"{path.stem}-{student}{path.suffix}"))


@dataclass
class _JSONLLogger:
    path: Path
    logger: Optional[Logger]
    # The step after which the training was resumed.
    resumed: int = -1

    def resume(self, step: int) -> None:
        """Keep the lines up to a step. A logger may have this method; the training loop calls it
        before the logger is set up."""
        self.resumed = step
        resume = getattr(self.logger, "resume", None)
        if resume is not None:
            resume(step)

    def __call__(
        self, nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> Tuple[LogStep, Callable[[], None]]:
        inner = (None, None) if self.logger is None else self.logger(nlp, stdout, stderr)
        inner_step, inner_end = inner
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self._earlier_lines()
        if lines:
            with replaced_file(self.path) as unfinished:
                srsly.write_jsonl(unfinished, lines)
        else:
            self.path.write_text("", encoding="utf8")
        earlier = lines[-1]["seconds"] if lines else 0.0
        start = resumed = perf_counter()
        training_seconds, n_steps = 0.0, 0
        # The number of words before this run is not known.
        n_words: Optional[int] = None if lines else 0

        def log_step(info: Optional[Dict[str, Any]]) -> None:
            nonlocal resumed, training_seconds, n_steps, n_words
            if info is None:
                # A step without evaluation: all its time was spent on training.
                training_seconds += perf_counter() - resumed
                n_steps += 1
            else:
                # The time of the last step includes the evaluation, so its words are left out.
                speed = None
                if training_seconds and n_words is not None:
                    trained_words = (info["words"] - n_words) * n_steps / (n_steps + 1)
                    speed = round(trained_words / training_seconds)
                line = {
                    "step": info["step"],
                    "epoch": info["epoch"],
                    "seconds": round(earlier + perf_counter() - start, 3),
                    "words_per_second": speed,
                    "score": info["score"],
                    "scores": info["other_scores"],
                    "losses": {name: float(loss) for name, loss in info["losses"].items()},
                }
                srsly.write_jsonl(self.path, [line], append=True, append_new_line=False)
                training_seconds, n_steps, n_words = 0.0, 0, info["words"]
            if inner_step is not None:
                inner_step(info)
            resumed = perf_counter()

        return log_step, inner_end or (lambda: None)

    def _earlier_lines(self) -> List[Dict[str, Any]]:
        """Read the lines of the interrupted run. The last one may be unfinished."""
        if self.resumed < 0 or not self.path.exists():
            return []
        lines = []
        for text in self.path.read_text(encoding="utf8").splitlines():
            try:
                line = srsly.json_loads(text)
            except ValueError:
                break
            if line["step"] > self.resumed:
                break
            lines.append(line)
        return lines
