"""Read text line by line. No line fills the memory."""

from typing import IO, AnyStr, Iterator, Union

from .input_files import InputError

# Maximum number of characters in a line. spaCy's limit for a text is a million by default.
LONGEST_LINE = 1 << 26


def read_lines(file: IO[AnyStr], name: str) -> Iterator[AnyStr]:
    """Read the lines of a file, with their line ends.

    file (IO): The file, of text or bytes.
    name (str): Its name, for the error.
    YIELDS (Union[str, bytes]): The lines.
    RAISES (InputError): A line is too long.
    """
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        _require_line_break(line, f"{name}, row {number}")
        yield line


def _require_line_break(line: Union[str, bytes], place: str) -> None:
    """Raise InputError if a line has no end within the limit."""
    if len(line) > LONGEST_LINE:
        raise InputError(
            f"[D309] {place}: found no line break in {LONGEST_LINE >> 20} MB, expected one "
            "document per line. Split the text into documents."
        )
