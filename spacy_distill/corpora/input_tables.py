"""CSV and TSV as rows. Python's own reader is used: it tells the line, and refuses what is quoted
wrongly, where others leave quotes out."""

import csv
import io
import re
import warnings
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Sequence, TextIO

from .input_documents import Row, useful_columns
from .input_files import InputError, Reading, format_of, open_unpacked

# How fields with separators, quotes and line ends in them are written: not at all, or within
# double quotes.
NO_QUOTES = "none"
QUOTES = "double"
QUOTINGS = (NO_QUOTES, QUOTES)
TABLES = (".csv", ".tsv")
# A longer field is a quote that was never closed. Python's own limit is 128 KB.
LONGEST_FIELD = 1 << 26
# So many places are listed in a warning.
PLACES = 5

_LINE_END = re.compile(r"[\r\n]")
# A field in quotes, with a quote in it that is written twice.
_QUOTED = re.compile(r'^"(?:[^"]|"")*""(?:[^"]|"")*"$')
_IN_QUOTES = re.compile(r'".*"', re.DOTALL)
# What is wrong, by what Python says.
_WRONG = {
    "',' expected after '\"'": "text after a closing quote",
    "'\t' expected after '\"'": "text after a closing quote",
    "unexpected end of data": "a quote that is never closed",
}


def require_quoting(quoting: Optional[str]) -> None:
    """Make sure that a quoting is one of QUOTINGS or None; raise ValueError if not."""
    if quoting is not None and quoting not in QUOTINGS:
        raise InputError(
            f"[D361] '{quoting}' is no quoting of tables: expected one of {', '.join(QUOTINGS)} "
            "(--quoting), or nothing: 'double' for .csv and 'none' for .tsv."
        )


def read_table(
    path: Path, text_field: str, reading: Reading, quoting: Optional[str] = None
) -> Iterator[Row]:
    """Read a table with a header row by row. Blank lines are no rows.

    path (Path): A `.csv` or `.tsv` file, which may be compressed.
    text_field (str): The column of the text.
    reading (Reading): Follows how far the file is read.
    quoting (Optional[str]): "double" where fields may stand within double quotes, "none" where
        quotes are text. By default "double" for `.csv` and "none" for `.tsv`.
    YIELDS (Row): The columns that can be used, all as text.
    RAISES (InputError): There is no such column, or a row does not fit the header or is quoted
        wrongly.
    """
    require_quoting(quoting)
    is_tsv = format_of(path) == ".tsv"
    if quoting is None:
        quoting = NO_QUOTES if is_tsv else QUOTES
    # The limit is one of the process, and is raised only.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
    with open_unpacked(path, reading) as unpacked:
        file = io.TextIOWrapper(unpacked, encoding="utf-8-sig", newline="")
        rows = _Rows(file, "\t" if is_tsv else ",", quoting, f"'{path}'")
        header = next(iter(rows), [])
        columns = {name: header.index(name) for name in header}
        # All columns count: a quote in a useless one swallows lines of useful ones too.
        odd = _OddFields(quoting, f"'{path}'")
        if quoting == NO_QUOTES:
            _require_bare_names(header, text_field, f"'{path}'")
        odd.look_at(header, "the header (line 1)")
        try:
            useful = useful_columns(header, text_field, f"'{path}'")
            for fields in rows:
                if len(fields) != len(header):
                    raise InputError(
                        f"[D360] {rows.place}: found {len(fields)} fields, expected {len(header)} "
                        "as in the header. Correct the row. Fields with separators or line ends in "
                        "them need double quotes around them, and --quoting double."
                    )
                odd.look_at(fields, f"row {rows.row} (line {rows.line})")
                odd.keep_quoted(header, fields)
                yield {name: fields[columns[name]] for name in useful}
        finally:
            odd.report()


def _require_bare_names(header: List[str], text_field: str, file_name: str) -> None:
    """Make sure that the names of columns are not quoted, unless the one that is asked for is."""
    quoted = [name for name in header if _IN_QUOTES.fullmatch(name)]
    if quoted and text_field not in quoted:
        raise InputError(
            f"[D364] {file_name}: found the column {quoted[0]} in double quotes, which are read as "
            "text. Read the table with --quoting double, or write its header without quotes."
        )


class _Rows:
    """The fields of each row of a table, the header first, and where the last one was."""

    def __init__(self, file: TextIO, separator: str, quoting: str, file_name: str) -> None:
        self._lines = csv.reader(
            file,
            delimiter=separator,
            quoting=csv.QUOTE_NONE if quoting == NO_QUOTES else csv.QUOTE_MINIMAL,
            strict=True,
        )
        self._file_name = file_name
        # The header is row 0.
        self.row = -1
        self.line = 0

    @property
    def place(self) -> str:
        """Where the row is, for errors."""
        return f"{self._file_name}, row {self.row}, line {self.line}"

    def __iter__(self) -> Iterator[List[str]]:
        """YIELDS (List[str]): The fields of each row. RAISES (InputError): It is quoted wrongly."""
        self.row += 1
        while True:
            self.line = self._lines.line_num + 1
            try:
                fields = next(self._lines, None)
            except csv.Error as error:
                raise InputError(
                    f"[D359] {self.place}: found {_WRONG.get(str(error), str(error))}, expected a "
                    "quoted field to end with a quote, and quotes within it to be written twice. "
                    "Correct the row, or read quotes as text: --quoting none."
                ) from error
            if fields is None:
                return
            if fields:
                yield fields
                self.row += 1


class _OddFields:
    """Fields that may not be what they were meant to be, by their quotes."""

    def __init__(self, quoting: str, file_name: str) -> None:
        self._pattern = _QUOTED if quoting == NO_QUOTES else _LINE_END
        self._quoting = quoting
        self._file_name = file_name
        self._places: List[str] = []
        self._number = 0
        self._n_rows = 0
        # Names of the columns that are in quotes in all rows so far.
        self._quoted: Optional[List[str]] = None

    def look_at(self, fields: Iterable[str], place: str) -> None:
        """Note the place of a row if a field is odd."""
        if any(map(self._pattern.search, fields)):
            self._number += 1
            if len(self._places) < PLACES:
                self._places.append(place)

    def keep_quoted(self, header: Sequence[str], fields: Sequence[str]) -> None:
        """Note which of the columns are in quotes in this row, as in all rows before."""
        self._n_rows += 1
        if self._quoting == NO_QUOTES and self._quoted != []:
            row = dict(zip(header, fields, strict=True))
            names = header if self._quoted is None else self._quoted
            self._quoted = [name for name in names if _IN_QUOTES.fullmatch(row[name])]

    def report(self) -> None:
        """Warn of odd fields, if there were some."""
        # One text in quotes may be a quotation.
        if self._quoted and self._n_rows > 1:
            warnings.warn(
                f"[D944] {self._file_name}: found double quotes around all fields of the column "
                f"'{self._quoted[0]}' in {self._n_rows:,} rows. The quotes were read as text. If "
                "they are quoting, use --quoting double.",
                stacklevel=3,
            )
            return
        if not self._number:
            return
        more = ", ..." if self._number > len(self._places) else ""
        where = f"{self._number:,} rows: {', '.join(self._places)}{more}"
        if self._quoting == NO_QUOTES:
            warnings.warn(
                f"[D941] {self._file_name}: found fields in double quotes with quotes written "
                f"twice in {where}. The quotes were read as text. If they are quoting, use "
                "--quoting double.",
                stacklevel=3,
            )
        else:
            warnings.warn(
                f"[D940] {self._file_name}: found line ends within quotes in {where}. The lines "
                "were read as one text. If the quotes are text, use --quoting none.",
                stacklevel=3,
            )
