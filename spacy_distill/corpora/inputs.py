"""Read text as a stream of documents from files, folders, globs, standard input or the hub."""

from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Union

from ..names import is_on_hub, similar_name_hint
from .input_datasets import HubDataset
from .input_documents import (
    Columns,
    InputDocument,
    Row,
    make_document,
    require_kept_columns,
)
from .input_files import InputError, ReadingProgress, find_files, format_of
from .input_rows import read_rows, read_standard_input
from .input_tables import TABLES, require_quoting

__all__ = ["Input", "InputDocument", "InputError"]


class Input:
    """An iterable of documents, always in the same order.

    The formats are `.spacy`, `.jsonl`, `.txt` with one document per line (ending with \\n, \\r\\n
    or \\r), `.csv` and `.tsv` with a header, and `.parquet`. All are in UTF-8 and may be
    compressed. By default, quotes around fields are removed in `.csv` and kept in `.tsv`. Memory
    holds about a thousand rows; only `.spacy` and compressed `.parquet` files are loaded as a
    whole.

    The column "words" or "tokens" has the words of a row: a list of strings, or of objects with
    "text" and optionally "ws", as Prodigy writes them. The spaces after words come from the list
    "spaces" or from the text; otherwise a space follows each word. Words that do not match the text
    are ignored. A document's id is in "id", "_id" or "uuid". Blank documents are skipped.
    """

    def __init__(
        self,
        source: Union[str, Path],
        *,
        text_field: str = "text",
        split: str = "train",
        quoting: Optional[str] = None,
        revision: Optional[str] = None,
        limit: int = 0,
        keep: Sequence[str] = (),
    ) -> None:
        """Find the files of the source. Nothing is read yet.

        source (Union[str, Path]): A file, a folder with all files below it that can be read, or a
            glob of both. A string can be a URL of a file system that fsspec knows, such as `s3://`.
            "-" is standard input: lines of text or JSON objects, which can be read only once.
            `hf:OWNER/NAME` is a data set on the Hugging Face hub. `:CONFIGURATION` chooses one of
            several configurations, `@VERSION` a branch, tag or commit.
        text_field (str): The column of the text, for formats with columns.
        split (str): The split of a data set on the hub.
        quoting (Optional[str]): The quoting of `.csv` and `.tsv`, as in `read_table`.
        revision (Optional[str]): The commit of a data set on the hub; by default the latest one.
        limit (int): The maximum number of documents to read; 0 means no limit.
        keep (Sequence[str]): Columns whose values documents keep. All columns have to be in the
            first document of each file. In JSON, later documents may lack them.
        RAISES (ValueError): The source does not exist, or has no file that can be read.
        """
        source = str(source)
        self.source = source
        self.columns = Columns(text_field, tuple(dict.fromkeys(keep)))
        self.split = split
        self.quoting = quoting
        self.limit = limit
        require_quoting(quoting)
        self._progress = ReadingProgress(0)
        self._files: Dict[str, Path] = {}
        self._hub: Optional[HubDataset] = None
        if is_on_hub(source):
            self._hub = HubDataset(source, split, revision)
        elif source != "-":
            self._files = find_files(source)
            if not self._files:
                raise InputError(
                    f"[D301] The input '{source}' does not exist: expected a file, a folder, a "
                    f"glob or '-'.{similar_name_hint(source)} Correct the path, or write "
                    "hf:OWNER/NAME for a data set on the Hugging Face hub."
                )
        if quoting is not None and not any(format_of(p) in TABLES for p in self._files.values()):
            raise InputError(
                f"[D362] --quoting applies only to {' and '.join(TABLES)} files, and the input "
                f"'{source}' has none. Leave it out, or correct the path."
            )

    def fingerprint(self) -> Dict[str, Union[str, int]]:
        """Identify the input, so that changes of it can be detected.

        RETURNS (Dict[str, Union[str, int]]): For files, the size in bytes by file name; the files
            are not read. For the hub, "dataset", "split" and, if known, "configuration", "version"
            and "revision". Empty for standard input.
        """
        if self._hub is not None:
            return {**self._hub.fingerprint()}
        return {name: path.stat().st_size for name, path in self._files.items()}

    def origin(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The arguments and the fingerprint of the input, for a
        manifest."""
        return {
            "source": self.source,
            "text_field": self.columns.text,
            "quoting": self.quoting,
            "files": self.fingerprint(),
        }

    def as_in(self, fingerprint: Mapping[str, Any]) -> "Input":
        """RETURNS (Input): The same input, with the commit of an earlier fingerprint if it is on
        the hub."""
        if self._hub is None:
            return self
        revision = fingerprint.get("revision")
        return Input(
            self.source,
            text_field=self.columns.text,
            split=self.split,
            revision=revision,
            limit=self.limit,
            keep=self.columns.kept,
        )

    @property
    def is_pinned(self) -> bool:
        """Whether the fingerprint determines the content: it is a commit of a data set on the
        hub."""
        return self._hub is not None and "revision" in self._hub.fingerprint()

    @property
    def share_read(self) -> Optional[float]:
        """The share of the files that the last iteration has read, from 0 to 1. None for standard
        input and the hub, whose size is not known."""
        return self._progress.share if self._files else None

    def __iter__(self) -> Iterator[InputDocument]:
        """Read the documents.

        YIELDS (InputDocument): Each document that is not blank.
        RAISES (ValueError): A file cannot be read, or has no such column.
        RAISES (ImportError): A library that reads the format is missing.
        """
        return islice(self._read(), self.limit or None)

    def _read(self) -> Iterator[InputDocument]:
        if self._hub is not None:
            rows = self._hub.read_rows(self.columns)
            name = f"{self._hub.name}/{self._hub.split}"
            yield from self._documents(rows, name, f"'{name}'")
        elif not self._files:
            rows = read_standard_input(self.columns.text)
            yield from self._documents(rows, "-", "standard input")
        self._progress = ReadingProgress(sum(path.stat().st_size for path in self._files.values()))
        for name, path in self._files.items():
            rows = read_rows(path, self.columns, self.quoting, self._progress)
            yield from self._documents(rows, name, f"'{path}'")

    def _documents(self, rows: Iterator[Row], name: str, place: str) -> Iterator[InputDocument]:
        is_first = True
        for number, row in enumerate(rows, 1):
            where = f"{place}, row {number}"
            document = make_document(row, self.columns, f"{name}:{number}", where)
            if document is not None:
                if is_first:
                    require_kept_columns(row, self.columns, where)
                    is_first = False
                yield document
