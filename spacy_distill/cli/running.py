"""The start and end of commands: user code, device, errors and Ctrl-C."""

import errno
import logging
import re
import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import typer
from spacy import util
from wasabi import msg

from ..checks import require_device
from ..loading import import_code

# The disk is full, or the user's share of it.
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
# The code of a message: D of this package, E and W of spaCy.
CODE = re.compile(r"\[[DEW]\d{3,4}\]")


def warn_of_nothing() -> None:
    """Warn that an interrupted command has written nothing."""
    msg.warn("[D923] Interrupted", "Nothing was written")


def warn_of_shards(output_path: str) -> None:
    """Warn that an interrupted job can continue."""
    msg.warn(
        "[D920] Interrupted",
        f"Run the same command again, without --force, to continue: {output_path}",
    )


class EndedBySignal(KeyboardInterrupt):
    """Raised where a signal asks the process to end, so that it ends as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `EndedBySignal` after SIGTERM, as service managers and clusters send it, and after
    SIGHUP of a closed terminal. Signals that are handled or ignored already, as by `nohup`, stay as
    they are."""

    def end(number: int, frame: Any) -> None:
        raise EndedBySignal(number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    is_main = threading.current_thread() is threading.main_thread()
    taken = [number for number in numbers if is_main and signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def running(
    verbose: bool,
    *,
    code_path: Optional[Path] = None,
    use_gpu: int = -1,
    on_interrupt: Callable[[], None] = warn_of_nothing,
) -> Iterator[None]:
    """Run a command: import the user's code, choose the device, and print errors in one line.

    Errors with a code and errors of the operating system end the command with status 1. Any other
    error is a bug and keeps its traceback. Ctrl-C ends the command with status 130, and SIGTERM
    with status 143.

    verbose (bool): Whether all errors keep their tracebacks and spaCy's logger shows more.
    code_path (Optional[Path]): A Python file to import.
    use_gpu (int): GPU id, -1 for the CPU.
    on_interrupt (Callable[[], None]): Called after Ctrl-C; warns of the state of the output.
    """
    if verbose:
        util.logger.setLevel(logging.DEBUG)
    try:
        with ended_by_signals():
            import_code(code_path)
            require_device(use_gpu)
            yield
    except KeyboardInterrupt as error:
        on_interrupt()
        ending = error.signal if isinstance(error, EndedBySignal) else signal.SIGINT
        raise typer.Exit(128 + ending) from None
    except (ValueError, ImportError, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL and not verbose:
            msg.fail(
                f"[D766] No space is left on the disk: {error}",
                "Shards and models that are finished are kept. Make room, and run the same command "
                "again; `spacy distill` goes on with --resume",
                exits=1,
            )
        has_code = CODE.match(str(error)) is not None
        if verbose or not (has_code or isinstance(error, OSError)):
            raise
        msg.fail(" ".join(str(error).split()), exits=1)
