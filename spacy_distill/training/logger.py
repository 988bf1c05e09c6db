"""A log of training for machines: a line of JSON for each evaluation."""

import sys
from pathlib import Path
from time import perf_counter
from typing import IO, Any, Callable, Dict, Optional, Tuple

import srsly
from spacy.language import Language

LogStep = Callable[[Optional[Dict[str, Any]]], None]
Logger = Callable[[Language, IO, IO], Tuple[LogStep, Callable[[], None]]]


def JSONLLogger(path: Path, logger: Optional[Logger] = None) -> Logger:
    """Write each evaluation to a file, next to another logger. Registered as
    `spacy-distill.JSONLLogger.v1`, for `[training.logger]`.

    A line has `step`, `epoch`, `seconds` since the start, `words_per_second` of training since the
    line before, without evaluations (null if each step is evaluated), `score`, `scores` and
    `losses`: the sums since the line before, by component; of a distilled one also those of the
    task and of the distillation, each weighed as in the loss, as NAME_task and NAME_distillation.

    path (Path): The file, written anew; its folder is made.
    logger (Optional[Logger]): Another logger that is to be called as well, such as
        `spacy.ConsoleLogger.v1` or one of spacy-loggers.
    RETURNS (Logger): The logger.
    """

    def setup(nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr):
        inner_step, inner_end = (None, None) if logger is None else logger(nlp, stdout, stderr)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("", encoding="utf8")
        start = resumed = perf_counter()
        trained, n_steps, words = 0.0, 0, 0

        def log_step(info: Optional[Dict[str, Any]]) -> None:
            nonlocal resumed, trained, n_steps, words
            if info is None:
                # A step without evaluation: all its time went into training.
                trained += perf_counter() - resumed
                n_steps += 1
            else:
                # The step that was evaluated is taken to have been as fast as the others.
                seen = (info["words"] - words) * n_steps / (n_steps + 1)
                line = {
                    "step": info["step"],
                    "epoch": info["epoch"],
                    "seconds": round(perf_counter() - start, 3),
                    "words_per_second": round(seen / trained) if trained else None,
                    "score": info["score"],
                    "scores": info["other_scores"],
                    "losses": {name: float(loss) for name, loss in info["losses"].items()},
                }
                srsly.write_jsonl(path, [line], append=True, append_new_line=False)
                trained, n_steps, words = 0.0, 0, info["words"]
            if inner_step is not None:
                inner_step(info)
            resumed = perf_counter()

        return log_step, inner_end or (lambda: None)

    return setup
