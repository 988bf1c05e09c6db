"""Files as streams of rows: one dictionary a document, one function a format."""

import io
import json
import lzma
import sys
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Union

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from ..loading import DAMAGED, import_library
from .input_datasets import one_line
from .input_documents import Row, useful_columns
from .input_files import (
    InputError,
    Reading,
    compression_of,
    format_of,
    open_unpacked,
)
from .input_tables import read_table

# Texts of spaCy have a million characters at most by default.
LONGEST_LINE = 1 << 26
# Rows of a parquet file that are in memory.
ROWS = 1000
CHUNK = 1 << 20
# The libraries' errors for files that are damaged or of another format. pyarrow raises
# NotImplementedError for features of parquet that it does not read.
BROKEN = (OSError, lzma.LZMAError, NotImplementedError, *DAMAGED)


def read_rows(
    path: Path, text_field: str, quoting: Optional[str] = None, reading: Optional[Reading] = None
) -> Iterator[Row]:
    """Read a file row by row. Blank lines are rows too, so that a row's number is the line's.

    path (Path): A file of a supported format.
    text_field (str): The column of the text. Where a format has no columns, the text comes under
        this name.
    quoting (Optional[str]): How fields of tables are quoted, as `read_table` takes it.
    reading (Optional[Reading]): Follows how far the file is read.
    YIELDS (Row): The columns that can be used; all of them for `.jsonl`.
    RAISES (InputError): The file is broken, of another format, or has no such column.
    RAISES (ImportError): A library of the train extra is missing.
    """
    readers: Dict[Optional[str], Callable[[Path, str, Reading], Iterator[Row]]] = {
        ".spacy": _read_docs,
        ".jsonl": _read_json_lines,
        ".txt": _read_text_lines,
        ".csv": partial(read_table, quoting=quoting),
        ".tsv": partial(read_table, quoting=quoting),
        ".parquet": _read_parquet,
    }
    reading = reading or Reading(0)
    number = 0
    try:
        for row in readers[format_of(path)](path, text_field, reading):
            number += 1
            yield row
    except (ImportError, InputError):
        raise
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            # An error of the system: no permission, a full disk.
            raise
        # Each library has errors of its own, and most do not name the file.
        kind = format_of(path)
        encoding = "" if kind in (".spacy", ".parquet") else " in UTF-8"
        raise InputError(
            f"[D306] '{path}' cannot be read after row {number}: {one_line(error)} Expected a "
            f"whole {kind} file{encoding}. Convert or copy the file again."
        ) from error
    reading.finish(path.stat().st_size)


def read_standard_input(text_field: str) -> Iterator[Row]:
    """Read lines of text, or JSON objects where a line is one, from standard input, once.

    text_field (str): The name under which plain text comes.
    YIELDS (Row): One a line, blank ones too.
    RAISES (InputError): A line is not UTF-8, or too long.
    """
    lines = iter(lambda: sys.stdin.buffer.readline(LONGEST_LINE + 1), b"")
    for number, raw in enumerate(lines, 1):
        place = f"standard input, row {number}"
        _require_line_break(raw, place)
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"[D307] {place}: found bytes that are not UTF-8 ({error.reason}). Convert the "
                "text first."
            ) from error
        row = _parse(line) if line.startswith("{") else None
        yield row if isinstance(row, dict) else {text_field: line}


def _read_docs(path: Path, text_field: str, reading: Reading) -> Iterator[Row]:
    with open_unpacked(path) as file:
        docs = DocBin().from_bytes(file.read())
    size = path.stat().st_size
    for number, doc in enumerate(docs.get_docs(Vocab()), 1):
        reading.position = partial(float, size * number / len(docs))
        row: Row = {text_field: None, "words": [token.text for token in doc]}
        if not doc.has_unknown_spaces:
            row[text_field] = doc.text
            row["spaces"] = [bool(token.whitespace_) for token in doc]
        yield row


def _read_text_lines(path: Path, text_field: str, reading: Reading) -> Iterator[Row]:
    for line in _read_lines(path, reading):
        yield {text_field: line}


def _read_json_lines(path: Path, text_field: str, reading: Reading) -> Iterator[Row]:
    # (The reader of JSON in `datasets` makes dates of texts that look like dates, and fails on a
    # key that comes, or changes its type, late in the file.)
    for number, line in enumerate(_read_lines(path, reading), 1):
        row = _parse(line) if line.strip() else {text_field: ""}
        if not isinstance(row, dict):
            found = "no JSON" if row is None else f"JSON that is a {type(row).__name__}"
            raise InputError(
                f"[D308] '{path}', row {number}: found {found}, expected a JSON object in each "
                "line. Correct the line, or write every document on a line of its own."
            )
        yield row


def _read_lines(path: Path, reading: Reading) -> Iterator[str]:
    with open_unpacked(path, reading) as unpacked:
        file = io.TextIOWrapper(unpacked, encoding="utf-8-sig")
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), ""), 1):
            _require_line_break(line, f"'{path}', row {number}")
            yield line.removesuffix("\n")


def _read_parquet(path: Path, text_field: str, reading: Reading) -> Iterator[Row]:
    parquet = import_library("pyarrow.parquet")
    # Not through `datasets`, which decodes a row group as a whole, and that is often all of the
    # file: 400 MB for one of 117 MB, where this takes 25 MB and a tenth of the time.
    with open_unpacked(path) as unpacked:
        source = path if compression_of(path) is None else io.BytesIO(unpacked.read())
    with parquet.ParquetFile(source, pre_buffer=False, buffer_size=CHUNK) as file:
        useful = useful_columns(file.schema_arrow.names, text_field, f"'{path}'")
        size, n_rows, number = path.stat().st_size, file.metadata.num_rows, 0
        for batch in file.iter_batches(batch_size=ROWS, columns=useful):
            for row in batch.to_pylist():
                number += 1
                reading.position = partial(float, size * number / n_rows)
                yield row


def _parse(line: str) -> Any:
    """RETURNS (Any): The value of a text in JSON; None if it is no JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _require_line_break(line: Union[str, bytes], place: str) -> None:
    if len(line) > LONGEST_LINE:
        raise InputError(
            f"[D309] {place}: found no line break in {LONGEST_LINE >> 20} MB, expected a document "
            "in each line. Split the text into documents."
        )
