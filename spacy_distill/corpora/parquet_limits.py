"""Check parquet files before they are read. A page says in its header how large it becomes, and
pyarrow takes as much memory as it says.

The headers are those of the Parquet format, in Thrift's compact protocol.
"""

from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, List, NamedTuple, Optional, Sequence, Union

# What the pages of a column may become in bytes, their values, and their number in a row group.
MOST_BYTES, MOST_VALUES, MOST_PAGES = 2**28, 2**25, 10**5
# A dictionary's strings are repeated in memory. So many bytes may a batch of rows become by it.
MOST_REPEATED = 2**28
# A header has some 50 bytes, and statistics of two values.
LARGEST_HEADER = 2**16
DICTIONARY_PAGE = 2
# The numbers of fields in the structures of the format.
PAGE_TYPE, UNCOMPRESSED, COMPRESSED = 1, 2, 3
PAGE_HEADERS = (5, 7, 8)  # of data, dictionaries, and data of the second version
N_VALUES = 1


class Sizes(NamedTuple):
    """What a file needs.

    dictionary (int): The bytes of the largest dictionary of a column.
    """

    dictionary: int

    def rows(self, most: int) -> int:
        """RETURNS (int): The rows of a batch, at least one and at most `most`."""
        return max(1, min(most, MOST_REPEATED // max(self.dictionary, 1)))


def require_readable(
    path: Union[Path, BinaryIO],
    metadata: Any,
    name: str,
    *,
    columns: Optional[Sequence[str]] = None,
    groups: Optional[Sequence[int]] = None,
    by_page: bool = False,
) -> Sizes:
    """Check the headers of the pages of a parquet file that will be read.

    path (Union[Path, BinaryIO]): The file.
    metadata (Any): Its metadata, as pyarrow reads it.
    name (str): The name of the file, for the error.
    columns (Optional[Sequence[str]]): The names of the columns; None for all.
    groups (Optional[Sequence[int]]): The numbers of the row groups; None for all.
    by_page (bool): Whether a single page is limited, and not the pages of a row group together.
        Files of others may have row groups that are large, and are read page by page.
    RETURNS (Sizes): What the file needs.
    RAISES (ValueError): A column would take too much memory, or the headers are damaged.
    """
    if isinstance(path, Path):
        with path.open("rb") as file:
            return require_readable(
                file, metadata, name, columns=columns, groups=groups, by_page=by_page
            )
    file = path
    file_size = file.seek(0, 2)
    largest = 0
    for group in range(metadata.num_row_groups) if groups is None else groups:
        row_group = metadata.row_group(group)
        for number in range(metadata.num_columns):
            # By the schema, as pyarrow finds columns: a row group could name its columns otherwise.
            if columns is not None and not _is_part(metadata.schema.column(number).path, columns):
                continue
            column = row_group.column(number)
            n_bytes = n_values = 0
            for n_pages, page in enumerate(_pages(file, column, file_size, name)):
                n_bytes = page["bytes"] + (0 if by_page else n_bytes)
                n_values = page["values"] + (0 if by_page else n_values)
                if page["is_dictionary"]:
                    largest = max(largest, page["bytes"])
                if n_bytes > MOST_BYTES or n_values > MOST_VALUES or n_pages >= MOST_PAGES:
                    raise ValueError(
                        f"[D788] {name}: the column '{column.path_in_schema:.50}' takes more than "
                        f"{MOST_BYTES >> 20} MB of memory, or has more than {MOST_VALUES:,} values "
                        f"in a {'page' if by_page else 'row group'}. The file is damaged, or made "
                        "to fill the memory. Write it in smaller parts if it is yours."
                    )
    return Sizes(largest)


def _is_part(path_in_schema: str, columns: Sequence[str]) -> bool:
    """RETURNS (bool): Whether a column of numbers or bytes belongs to one of the columns."""
    return any(path_in_schema == name or path_in_schema.startswith(f"{name}.") for name in columns)


def _pages(file: BinaryIO, column: Any, file_size: int, name: str) -> Iterator[Dict[str, Any]]:
    """YIELDS (Dict[str, Any]): The size, the number of values and the kind of each page."""
    first = column.data_page_offset
    if column.has_dictionary_page and 0 < (column.dictionary_page_offset or 0) < first:
        first = column.dictionary_page_offset
    end = first + column.total_compressed_size
    if not 0 <= first <= end <= file_size:
        raise _damage(name, "a column lies outside of the file")
    n_values = 0
    # What follows the last value is not read.
    while first < end and n_values < column.num_values:
        file.seek(first)
        header = _Structure(file.read(min(LARGEST_HEADER, end - first)), name)
        fields = header.read()
        sizes: List[Any] = [fields.get(field) for field in (PAGE_TYPE, UNCOMPRESSED, COMPRESSED)]
        parts = [fields[field] for field in PAGE_HEADERS if isinstance(fields.get(field), dict)]
        count: Any = parts[0].get(N_VALUES) if parts else 0
        if not all(isinstance(size, int) and size >= 0 for size in (*sizes, count)):
            raise _damage(name, "the header of a page has no sizes")
        kind, n_bytes, n_compressed = (int(size) for size in sizes)
        is_dictionary = kind == DICTIONARY_PAGE
        yield {"bytes": n_bytes, "values": count, "is_dictionary": is_dictionary}
        n_values += 0 if is_dictionary else count
        first += header.position + n_compressed


class _Structure:
    """Reads a structure of Thrift's compact protocol. Of fields that are not numbers or structures,
    only the end is found."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self.position = 0

    def read(self, depth: int = 0) -> Dict[int, Any]:
        """RETURNS (Dict[int, Any]): The values of the fields by their numbers."""
        fields: Dict[int, Any] = {}
        number = 0
        while True:
            head = self._byte()
            kind = head & 15
            if kind == 0:
                return fields
            number = number + (head >> 4) if head >> 4 else self._integer()
            fields[number] = self._value(kind, depth)

    def _value(self, kind: int, depth: int) -> Any:
        if depth > 8:
            raise _damage(self._name, "the header of a page is nested too deeply")
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind == 7:
            self._skip(8)
        elif kind == 8:
            self._skip(self._unsigned())
        elif kind in (9, 10):
            head = self._byte()
            n_items = self._unsigned() if head >> 4 == 15 else head >> 4
            for _ in range(n_items):
                self._value(3 if head & 15 in (1, 2) else head & 15, depth + 1)
        elif kind == 12:
            return self.read(depth + 1)
        else:
            raise _damage(self._name, "the header of a page has an unknown type")
        return None

    def _byte(self) -> int:
        if self.position >= len(self._data):
            raise _damage(self._name, "the header of a page has no end")
        self.position += 1
        return self._data[self.position - 1]

    def _skip(self, n_bytes: int) -> None:
        self.position += n_bytes

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise _damage(self._name, "the header of a page has too large a number")

    def _integer(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)


def _damage(name: str, problem: str) -> ValueError:
    return ValueError(f"[D789] {name} is damaged: {problem}. Copy or write the file again.")
