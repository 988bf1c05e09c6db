"""How commands end when something is wrong."""

import logging
import re
from contextlib import contextmanager
from typing import Annotated, Callable, Iterator

import typer
from spacy import util
from wasabi import msg

# Messages that say what to do begin with a code: D of this package, E and W of spaCy.
CODE = re.compile(r"\[[DEW]\d{3,4}\]")

Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-V",
        "-VV",
        help="Show the traceback of an error, and more information for debugging",
    ),
]


@contextmanager
def on_interrupt(tell: Callable[[], object]) -> Iterator[None]:
    """End a command that is interrupted (Ctrl-C) with status 130.

    tell (Callable[[], object]): Says what is left of the work.
    """
    try:
        yield
    except KeyboardInterrupt:
        tell()
        raise typer.Exit(130) from None


@contextmanager
def explained(verbose: bool) -> Iterator[None]:
    """Print an error that a person can mend in one line, and end the command with status 1.

    These are errors with a code, and those of the operating system. Any other is a bug, and keeps
    its traceback.

    verbose (bool): Whether all errors keep their tracebacks, and spaCy's logger says more.
    """
    if verbose:
        util.logger.setLevel(logging.DEBUG)
    try:
        yield
    except (ValueError, ImportError, OSError) as error:
        has_code = CODE.match(str(error)) is not None
        if verbose or not (has_code or isinstance(error, OSError)):
            raise
        msg.fail(" ".join(str(error).split()), exits=1)
