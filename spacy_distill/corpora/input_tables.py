"""Read CSV and TSV files as rows with Python's `csv`, which detects wrong quoting."""

import csv
import io
import re
import warnings
from pathlib import Path
from typing import Iterator, List, Optional, TextIO

from .input_documents import Columns, Row, useful_columns
from .input_files import InputError, ReadingProgress, format_of, open_decompressed
from .input_lines import read_lines

# Only with QUOTES can fields contain separators and line ends, within double quotes.
NO_QUOTES = "none"
QUOTES = "double"
QUOTINGS = (NO_QUOTES, QUOTES)
TABLES = (".csv", ".tsv")
# A longer field is taken for a quote that was never closed. Python's limit is 128 KB.
LONGEST_FIELD = 1 << 26
# Maximum number of places that a warning lists.
MAX_PLACES = 5

# Patterns of fields that may have been written with the other quoting: a quoted field that contains
# a doubled quote, and a field that contains a line end.
_SUSPICIOUS = {
    NO_QUOTES: re.compile(r'^"(?:[^"]|"")*""(?:[^"]|"")*"$'),
    QUOTES: re.compile(r"[\r\n]"),
}
_IN_QUOTES = re.compile(r'".*"', re.DOTALL)
# Descriptions of problems by Python's error messages.
_PROBLEMS = {
    "',' expected after '\"'": "text after a closing quote",
    "'\t' expected after '\"'": "text after a closing quote",
    "unexpected end of data": "a quote that is never closed",
}


def require_quoting(quoting: Optional[str]) -> None:
    """Raise InputError if a quoting is not None and not one of QUOTINGS."""
    if quoting is not None and quoting not in QUOTINGS:
        raise InputError(
            f"[D361] '{quoting}' is not a quoting of tables: expected one of {', '.join(QUOTINGS)} "
            "(--quoting). Without the option, it is 'double' for .csv and 'none' for .tsv."
        )


def read_table(
    path: Path, columns: Columns, progress: ReadingProgress, quoting: Optional[str] = None
) -> Iterator[Row]:
    """Read a table with a header, row by row. Blank lines are skipped.

    path (Path): A `.csv` or `.tsv` file, which may be compressed.
    columns (Columns): The columns of the text and of the values to keep.
    progress (ReadingProgress): Updated while the file is read.
    quoting (Optional[str]): "double" if fields may be enclosed in double quotes, "none" if quotes
        are text. The default is "double" for `.csv` and "none" for `.tsv`.
    YIELDS (Row): The columns that documents are made from, all as text.
    RAISES (InputError): There is no such column, a row has another number of fields than the
        header, or the quoting is wrong.
    """
    require_quoting(quoting)
    is_tsv = format_of(path) == ".tsv"
    if quoting is None:
        quoting = NO_QUOTES if is_tsv else QUOTES
    # The limit applies to the whole process, so it is only raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
    with open_decompressed(path, progress) as decompressed:
        file = io.TextIOWrapper(decompressed, encoding="utf-8-sig", newline="")
        rows = _Rows(file, "\t" if is_tsv else ",", quoting, f"'{path}'")
        try:
            header = next(iter(rows), [])
            if quoting == NO_QUOTES:
                _require_bare_names(header, columns.text, f"'{path}'")
            useful = useful_columns(header, columns, f"'{path}'")
            places = {name: header.index(name) for name in useful}
            for fields in rows:
                if len(fields) != len(header):
                    raise InputError(
                        f"[D360] {rows.place}: found {len(fields)} fields, expected {len(header)} "
                        "as in the header. Correct the row. Fields with separators or line ends in "
                        "them need double quotes around them, and --quoting double."
                    )
                yield {name: fields[column] for name, column in places.items()}
        finally:
            rows.warn_of_suspicious_fields()


def _require_bare_names(header: List[str], text_field: str, file_name: str) -> None:
    """Raise InputError if column names have quotes, unless one of them is the text column."""
    quoted = [name for name in header if _IN_QUOTES.fullmatch(name)]
    if quoted and text_field not in quoted:
        raise InputError(
            f"[D364] {file_name}: found the column {quoted[0]} in double quotes, which are read as "
            "text. Read the table with --quoting double, or write its header without quotes."
        )


class _Rows:
    """Iterate over the fields of each row, the header first, and track the position in the file."""

    def __init__(self, file: TextIO, separator: str, quoting: str, file_name: str) -> None:
        self._lines = csv.reader(
            read_lines(file, file_name),
            delimiter=separator,
            quoting=csv.QUOTE_NONE if quoting == NO_QUOTES else csv.QUOTE_MINIMAL,
            strict=True,
        )
        self._file_name = file_name
        self._quoting = quoting
        # The header is row 0.
        self._row = -1
        self._line = 0
        self._n_suspicious = 0
        self._places: List[str] = []

    @property
    def place(self) -> str:
        """The position of the current row, for error messages."""
        return f"{self._file_name}, row {self._row}, line {self._line}"

    def __iter__(self) -> Iterator[List[str]]:
        """YIELDS (List[str]): The fields of each row. RAISES (InputError): The quoting is wrong."""
        self._row += 1
        while True:
            self._line = self._lines.line_num + 1
            try:
                fields = next(self._lines, None)
            except csv.Error as error:
                raise InputError(
                    f"[D359] {self.place}: found {_PROBLEMS.get(str(error), str(error))}, expected "
                    "a quoted field to end with a quote, and quotes within it to be written twice. "
                    "Correct the row, or read quotes as text: --quoting none."
                ) from error
            if fields is None:
                return
            if fields:
                # Check all columns: an unclosed quote in any of them merges lines.
                if any(map(_SUSPICIOUS[self._quoting].search, fields)):
                    self._n_suspicious += 1
                    if len(self._places) < MAX_PLACES:
                        row = f"row {self._row}" if self._row else "the header"
                        self._places.append(f"{row} (line {self._line})")
                yield fields
                self._row += 1

    def warn_of_suspicious_fields(self) -> None:
        """Warn about fields that may have been written with the other quoting."""
        if not self._n_suspicious:
            return
        more = ", ..." if self._n_suspicious > len(self._places) else ""
        where = f"{self._n_suspicious:,} rows: {', '.join(self._places)}{more}"
        if self._quoting == NO_QUOTES:
            warnings.warn(
                f"[D941] {self._file_name}: found fields in double quotes that contain doubled "
                f"quotes in {where}. The quotes were read as text. If they enclose the fields, use "
                "--quoting double.",
                stacklevel=3,
            )
        else:
            warnings.warn(
                f"[D940] {self._file_name}: found line ends within quotes in {where}. The lines "
                "were read as one text. If the quotes are text, use --quoting none.",
                stacklevel=3,
            )
