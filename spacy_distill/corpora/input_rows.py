"""Read files as streams of rows: one dictionary per document, one function per format."""

import io
import json
import lzma
import sys
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterator, Optional

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from ..limits import largest_size, read_at_most, require_documents
from ..loading import DAMAGE_ERRORS, import_library
from ..paths import is_local
from .input_datasets import one_line
from .input_documents import Columns, Row, useful_columns
from .input_files import (
    InputError,
    ReadingProgress,
    compression_of,
    format_of,
    open_decompressed,
)
from .input_lines import read_lines
from .input_tables import read_table
from .parquet_limits import require_readable

# Number of rows of a parquet file that are in memory.
ROWS_IN_MEMORY = 1000
BUFFER_SIZE = 1 << 20
# What is kept of a remote parquet file, in blocks of bytes: 128 MB, the size of most row groups.
BLOCK_SIZE, N_BLOCKS = 1 << 22, 32
# Errors that the libraries raise for files that are damaged or of another format. pyarrow raises
# NotImplementedError for parquet features that it does not support.
READ_ERRORS = (OSError, lzma.LZMAError, NotImplementedError, *DAMAGE_ERRORS)


def read_rows(
    path: Path,
    columns: Columns,
    quoting: Optional[str] = None,
    progress: Optional[ReadingProgress] = None,
) -> Iterator[Row]:
    """Read a file row by row. Blank lines are rows too, so that row numbers are line numbers.

    path (Path): A file of a supported format.
    columns (Columns): The columns of the text and of the values to keep. In formats without
        columns, the text gets that key in the rows.
    quoting (Optional[str]): The quoting of tables, as in `read_table`.
    progress (Optional[ReadingProgress]): Updated while the file is read.
    YIELDS (Row): The columns that documents are made from. For `.jsonl`, all columns.
    RAISES (InputError): The file is damaged, is of another format, or has no such column.
    RAISES (ImportError): A library that reads the format is missing.
    """
    readers: Dict[Optional[str], Callable[[Path, Columns, ReadingProgress], Iterator[Row]]] = {
        ".spacy": _read_docs,
        ".jsonl": _read_json_lines,
        ".txt": _read_text_lines,
        ".csv": partial(read_table, quoting=quoting),
        ".tsv": partial(read_table, quoting=quoting),
        ".parquet": _read_parquet,
    }
    progress = progress or ReadingProgress(0)
    number = 0
    try:
        for row in readers[format_of(path)](path, columns, progress):
            number += 1
            yield row
    except (ImportError, InputError):
        raise
    except READ_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:
            # The operating system's errors, such as a missing permission or a full disk.
            raise
        # Each library raises its own errors, and most do not name the file.
        kind = format_of(path)
        encoding = "" if kind in (".spacy", ".parquet") else " in UTF-8"
        raise InputError(
            f"[D306] '{path}' cannot be read after row {number}: {one_line(error)} Expected a "
            f"complete {kind} file{encoding}. Convert or copy the file again."
        ) from error
    progress.finish(path.stat().st_size)


def read_standard_input(text_field: str) -> Iterator[Row]:
    """Read standard input line by line. A line is a JSON object or plain text.

    text_field (str): The key of plain text in the rows.
    YIELDS (Row): One row per line, including blank lines.
    RAISES (InputError): A line is not UTF-8, or is too long.
    """
    for number, raw in enumerate(read_lines(sys.stdin.buffer, "standard input"), 1):
        place = f"standard input, row {number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"[D307] {place}: found bytes that are not UTF-8 ({error.reason}). Convert the "
                "text to UTF-8."
            ) from error
        row = _parse(line) if line.lstrip().startswith("{") else None
        yield row if isinstance(row, dict) else {text_field: line}


def _read_docs(path: Path, columns: Columns, progress: ReadingProgress) -> Iterator[Row]:
    size = path.stat().st_size
    with open_decompressed(path) as file:
        data = read_at_most(file, largest_size(size), f"'{path}'")
    require_documents(data, f"'{path}'")
    docs = DocBin().from_bytes(data)
    for number, doc in enumerate(docs.get_docs(Vocab()), 1):
        progress.position = partial(float, size * number / len(docs))
        row: Row = {columns.text: None, "words": [token.text for token in doc]}
        if not doc.has_unknown_spaces:
            row[columns.text] = doc.text
            row["spaces"] = [bool(token.whitespace_) for token in doc]
        yield row


def _read_text_lines(path: Path, columns: Columns, progress: ReadingProgress) -> Iterator[Row]:
    for line in _read_lines(path, progress):
        yield {columns.text: line}


def _read_json_lines(path: Path, columns: Columns, progress: ReadingProgress) -> Iterator[Row]:
    # The JSON reader of `datasets` converts texts that look like dates, and fails if a key first
    # appears, or changes its type, late in the file.
    for number, line in enumerate(_read_lines(path, progress), 1):
        row = _parse(line) if line.strip() else {columns.text: ""}
        if not isinstance(row, dict):
            found = "no JSON" if row is None else f"JSON that is a {type(row).__name__}"
            raise InputError(
                f"[D308] '{path}', row {number}: found {found}, expected a JSON object in each "
                "line. Correct the line, or write each document on its own line."
            )
        yield row


def _read_lines(path: Path, progress: ReadingProgress) -> Iterator[str]:
    with open_decompressed(path, progress) as decompressed:
        file = io.TextIOWrapper(decompressed, encoding="utf-8-sig")
        for line in read_lines(file, f"'{path}'"):
            yield line.removesuffix("\n")


def _read_parquet(path: Path, columns: Columns, progress: ReadingProgress) -> Iterator[Row]:
    parquet = import_library("pyarrow.parquet", "tag")
    # `datasets` would decode a whole row group, which is often the whole file: 400 MB for a file of
    # 117 MB. pyarrow needs 25 MB and a tenth of the time.
    size = path.stat().st_size
    source: Any = path if is_local(path) else _open_remote_parquet(path)
    if compression_of(path) is not None:
        with open_decompressed(path) as decompressed:
            source = io.BytesIO(read_at_most(decompressed, largest_size(size), f"'{path}'"))
    with parquet.ParquetFile(source, pre_buffer=False, buffer_size=BUFFER_SIZE) as file:
        useful = useful_columns(file.schema_arrow.names, columns, f"'{path}'")
        n_rows, number = file.metadata.num_rows, 0
        for group in range(file.num_row_groups):
            # A row group is checked just before it is read, so that its blocks are read once.
            sizes = require_readable(
                source, file.metadata, f"'{path}'", columns=useful, groups=[group], by_page=True
            )
            n_batch = sizes.rows(ROWS_IN_MEMORY)
            for batch in file.iter_batches(n_batch, row_groups=[group], columns=useful):
                for row in batch.to_pylist():
                    number += 1
                    progress.position = partial(float, size * number / n_rows)
                    yield row


def _open_remote_parquet(path: Any) -> BinaryIO:
    """Open a file whose last blocks are kept: parts of it are read twice, and out of order."""
    return path.open(
        "rb", block_size=BLOCK_SIZE, cache_type="blockcache", cache_options={"maxblocks": N_BLOCKS}
    )


def _parse(line: str) -> Any:
    """RETURNS (Any): The value of a JSON text; None if the text is not JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
