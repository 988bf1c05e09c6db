"""Parquet files that become much larger than they are."""

import io

import numpy
import pytest

from spacy_distill.corpora import input_rows, parquet_limits
from spacy_distill.corpora.input_documents import Columns
from spacy_distill.corpora.input_rows import read_rows
from spacy_distill.corpora.parquet_limits import require_readable
from spacy_distill.paths import to_path

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed (extra: cloud)")
pytest.importorskip("upath", reason="universal-pathlib is not installed (extra: cloud)")
pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra: train)")
parquet = pytest.importorskip("pyarrow.parquet")
AbstractBufferedFile = fsspec.spec.AbstractBufferedFile

OPTIONS = [
    {},
    {"compression": "zstd"},
    {"use_dictionary": False},
    {"data_page_version": "2.0"},
    {"data_page_size": 100, "write_batch_size": 10},
    {"compression": "none", "write_statistics": False},
    {"row_group_size": 100},
    {"write_page_checksum": True},
]


def make_table():
    return pyarrow.table(
        {
            "text": [f"text {number}" for number in range(500)],
            "words": [["a", "bcd"] * (number % 7) for number in range(500)],
            "flags": pyarrow.array([None, [True, False]] * 250, pyarrow.list_(pyarrow.bool_())),
        }
    )


def check(data, **options):
    with parquet.ParquetFile(io.BytesIO(data)) as file:
        return require_readable(io.BytesIO(data), file.metadata, "'x'", **options)


def write(table, **options):
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


@pytest.mark.parametrize("options", OPTIONS)
def test_all_pages_are_found(options, monkeypatch):
    """The sizes of the headers are those that the file's directory has."""
    data = write(make_table(), **options)
    with parquet.ParquetFile(io.BytesIO(data)) as file:
        metadata = file.metadata
        for group in range(metadata.num_row_groups):
            for number in range(metadata.num_columns):
                column = metadata.row_group(group).column(number)
                pages = list(parquet_limits._pages(io.BytesIO(data), column, len(data), "x"))
                values = sum(page["values"] for page in pages if not page["is_dictionary"])
                assert values == column.num_values
                # The directory counts the headers too.
                assert 0 < sum(page["bytes"] for page in pages) < column.total_uncompressed_size
    check(data)
    check(data, by_page=True)


@pytest.mark.parametrize("by_page", [True, False])
def test_a_page_that_becomes_too_large(monkeypatch, by_page):
    data = write(pyarrow.table({"text": ["a" * 2**20]}), compression="zstd", use_dictionary=False)
    assert len(data) < 5000
    check(data, by_page=by_page)
    monkeypatch.setattr(parquet_limits, "MOST_BYTES", 2**19)
    with pytest.raises(ValueError, match=r"^\[D788\] 'x': the column 'text'"):
        check(data, by_page=by_page)


def test_only_what_will_be_read_is_checked(monkeypatch):
    table = pyarrow.table({"text": ["a", "b"], "large.x": ["c", "d" * 2**20], "large": [["e"]] * 2})
    data = write(table, use_dictionary=False, row_group_size=1)
    monkeypatch.setattr(parquet_limits, "MOST_BYTES", 2**19)
    check(data, columns=["text", "large"], groups=[0])
    check(data, columns=["text"])
    for options in ({"columns": ["large.x"]}, {"groups": [1]}, {"columns": ["large"]}):
        with pytest.raises(ValueError, match=r"^\[D788\] 'x': the column 'large\.x'"):
            check(data, **options)


def test_values_that_are_repeated(monkeypatch):
    """A run of equal numbers takes some bytes, however long it is."""
    numbers = pyarrow.array(numpy.zeros(10**5, dtype="int8"))
    words = pyarrow.DictionaryArray.from_arrays(numbers, ["a" * 100])
    data = write(pyarrow.table({"words": pyarrow.ListArray.from_arrays([0, 10**5], words)}))
    assert len(data) < 5000
    monkeypatch.setattr(parquet_limits, "MOST_VALUES", 10**4)
    with pytest.raises(ValueError, match=r"^\[D788\]"):
        check(data)


def test_small_batches_of_a_large_dictionary(monkeypatch):
    data = write(pyarrow.table({"text": ["a" * 1000, "b"] * 50}))
    sizes = check(data)
    assert sizes.dictionary >= 1001 and sizes.rows(1000) == 1000
    monkeypatch.setattr(parquet_limits, "MOST_REPEATED", 10_000)
    assert sizes.rows(1000) == 10_000 // sizes.dictionary
    monkeypatch.setattr(parquet_limits, "MOST_REPEATED", 1)
    assert sizes.rows(1000) == 1


def test_a_compressed_file_is_checked_too(tmp_path, monkeypatch):
    import gzip

    path = tmp_path / "x.parquet.gz"
    path.write_bytes(gzip.compress(write(pyarrow.table({"text": ["a" * 2**20] * 3}))))
    monkeypatch.setattr(parquet_limits, "MOST_BYTES", 2**19)
    with pytest.raises(ValueError, match=r"\[D788\]"):
        list(read_rows(path, Columns("text")))


class CountingFileSystem(fsspec.AbstractFileSystem):
    """A file, read in blocks as from an object store."""

    protocol = "counting"
    data, n_read = b"", 0

    def info(self, path, **options):
        name = self._strip_protocol(path)
        return {"name": name, "size": len(self.data), "type": "file"}

    def _open(self, path, mode="rb", **options):
        return CountingFile(self, path, mode, **options)


class CountingFile(AbstractBufferedFile):
    def _fetch_range(self, start, end):
        self.fs.__class__.n_read += end - start
        return self.fs.data[start:end]


@pytest.mark.filterwarnings("ignore:UPath 'counting'")
def test_a_remote_file_is_read_once(monkeypatch):
    """Its blocks are kept between the check of a row group and its reading."""
    rng = numpy.random.default_rng(0)
    table = pyarrow.table({"text": [rng.bytes(900).hex() for _ in range(999)]})
    data = write(table, compression="none", use_dictionary=False, row_group_size=100)
    fsspec.register_implementation("counting", CountingFileSystem, clobber=True)
    monkeypatch.setattr(CountingFileSystem, "data", data)
    monkeypatch.setattr(CountingFileSystem, "n_read", 0)
    monkeypatch.setattr(input_rows, "BLOCK_SIZE", 2**14)
    rows = list(read_rows(to_path("counting://x.parquet"), Columns("text")))
    assert [row["text"] for row in rows] == table.column("text").to_pylist()
    assert CountingFileSystem.n_read < 1.3 * len(data)


@pytest.mark.parametrize("header", [b"", b"\x15", b"\x00", b"\x1c" * 100, b"\xff" * 50])
def test_headers_that_are_damaged(header):
    data = write(pyarrow.table({"n": list(range(100))}), compression="none", use_dictionary=False)
    with parquet.ParquetFile(io.BytesIO(data)) as file:
        start = file.metadata.row_group(0).column(0).data_page_offset
        changed = data[:start] + (header + b"\x00" * 200)[: len(header) or 20] + data[start:]
        with pytest.raises(ValueError, match=r"^\[D78[89]\]"):
            require_readable(io.BytesIO(changed), file.metadata, "'x'")
