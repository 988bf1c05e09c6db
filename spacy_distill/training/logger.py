"""A log of training in JSON lines: a line for each evaluation."""

import sys
from pathlib import Path
from time import perf_counter
from typing import IO, Any, Callable, Dict, Optional, Tuple

import srsly
from spacy.language import Language

LogStep = Callable[[Optional[Dict[str, Any]]], None]
Logger = Callable[[Language, IO, IO], Tuple[LogStep, Callable[[], None]]]


def JSONLLogger(path: Path, logger: Optional[Logger] = None) -> Logger:
    """Write each evaluation to a file of JSON lines, in addition to another logger. Registered as
    `spacy-distill.JSONLLogger.v1`, for `[training.logger]`.

    A line has `step`, `epoch`, `seconds` since the start, `words_per_second`, `score`, `scores` and
    `losses`. The speed is that of training since the line before, without evaluations; it is null
    if each step is evaluated. The losses are sums since the line before, by component. A component
    that is distilled has three: NAME, NAME_task and NAME_distillation, the last two multiplied with
    their weights.

    path (Path): The file to write. An existing file is replaced, and its folder is created.
    logger (Optional[Logger]): Another logger to call as well, such as `spacy.ConsoleLogger.v1` or
        one of spacy-loggers.
    RETURNS (Logger): The logger.
    """

    def setup(nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr):
        inner_step, inner_end = (None, None) if logger is None else logger(nlp, stdout, stderr)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("", encoding="utf8")
        start = resumed = perf_counter()
        training_seconds, n_steps, n_words = 0.0, 0, 0

        def log_step(info: Optional[Dict[str, Any]]) -> None:
            nonlocal resumed, training_seconds, n_steps, n_words
            if info is None:
                # A step without evaluation: all its time was spent on training.
                training_seconds += perf_counter() - resumed
                n_steps += 1
            else:
                # The time of the last step includes the evaluation, so its words are left out.
                trained_words = (info["words"] - n_words) * n_steps / (n_steps + 1)
                speed = round(trained_words / training_seconds) if training_seconds else None
                line = {
                    "step": info["step"],
                    "epoch": info["epoch"],
                    "seconds": round(perf_counter() - start, 3),
                    "words_per_second": speed,
                    "score": info["score"],
                    "scores": info["other_scores"],
                    "losses": {name: float(loss) for name, loss in info["losses"].items()},
                }
                srsly.write_jsonl(path, [line], append=True, append_new_line=False)
                training_seconds, n_steps, n_words = 0.0, 0, info["words"]
            if inner_step is not None:
                inner_step(info)
            resumed = perf_counter()

        return log_step, inner_end or (lambda: None)

    return setup
