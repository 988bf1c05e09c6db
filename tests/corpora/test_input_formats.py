"""Every format and compression gives the text that was written."""

import gzip
import io

import pyarrow
import pytest
from pyarrow.parquet import write_table

from spacy_distill.corpora.inputs import Input
from tests.corpora.written_files import COMPRESSIONS, WRITERS, as_rows, texts

pytestmark = pytest.mark.usefixtures("no_network")

# Texts that readers may convert to numbers, dates or missing values, and characters that some
# readers split at.
TEXTS = [
    "Anna sails.",
    "007",
    "1.0",
    "2020-01-01",
    "True",
    "NA",
    "null",
    "  two spaces  on each side  ",
    "\ttab",
    'She said "no", twice',
    "next\x85line, paragraph\u2029, line\u2028, form\x0cfeed, separator\x1c",
    "naïve Ωmega 日本 \U0001f600",
    "{not json",
    "[",
]
LINE_BREAKS = ["one\ntwo", "one\r\n\r\ntwo", "one\rtwo"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.filterwarnings("ignore:.*D940")
@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_and_compression_gives_the_text_that_was_written(write, suffix, compression):
    expected = TEXTS if suffix in (".txt", ".tsv") else TEXTS + LINE_BREAKS
    if suffix == ".tsv":
        expected = [text for text in TEXTS if "\t" not in text]
    path = write(f"corpus{suffix}{compression}", as_rows(expected))
    found = list(Input(path))
    assert [document.text for document in found] == expected
    name = f"corpus{suffix}{compression}"
    assert [d.id for d in found] == [f"{name}:{n}" for n in range(1, len(expected) + 1)]
    assert all((document.words is not None) == (suffix == ".spacy") for document in found)


@pytest.mark.parametrize("suffix", WRITERS)
def test_blank_documents_are_skipped_and_counted(write, suffix):
    blank = ["", " "] if suffix != ".spacy" else [" ", "\n"]
    found = list(Input(write(f"corpus{suffix}", as_rows(["a", *blank, "b"]))))
    assert [document.id[-1] for document in found] == ["1", "4"]
    assert [document.text for document in found] == ["a", "b"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".csv"])
def test_a_byte_order_mark_is_no_text(write, suffix, compression):
    content = b"\xef\xbb\xbf" + WRITERS[suffix](as_rows(["Anna"]))
    assert texts(write(f"a{suffix}{compression}", COMPRESSIONS[compression](content))) == ["Anna"]


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".parquet", ".spacy"])
@pytest.mark.parametrize("compression", [".gz", ".bz2", ".xz", ".zst"])
def test_a_file_of_several_compressed_pieces_is_read_to_its_end(write, suffix, compression):
    content = WRITERS[suffix](as_rows(["one", "two"]))
    pieces = [COMPRESSIONS[compression](part) for part in (content[:9], content[9:])]
    assert texts(write(f"a{suffix}{compression}", b"".join(pieces))) == ["one", "two"]


def test_lines_end_in_three_ways(write):
    assert texts(write("a.txt", b"one\r\ntwo\rthree\n\nfour")) == ["one", "two", "three", "four"]


def test_suffixes_may_be_capitals(write):
    assert texts(write("A.TXT.GZ", gzip.compress(b"one\n"))) == ["one"]
    assert texts(write("A.JsonL", b'{"text": "one"}')) == ["one"]


@pytest.mark.parametrize("name", ["a[1].txt", "a*?.txt.gz", "a b#c%20.csv", "ü.txt", ".a.txt"])
def test_odd_names(write, name):
    path = write(name, as_rows(["one"]))
    assert [(d.id, d.text) for d in Input(path)] == [(f"{name}:1", "one")]


def test_json_keys_that_come_late_or_change_their_type(write):
    """The changes come after the first piece of the file, from which types could be inferred."""
    rows = [{"text": "x" * 1000, "meta": 1}] * 12_000
    rows += [{"text": "late", "meta": {"a": [1, "b"]}, "new": 2}, {"meta": None, "text": "end"}]
    assert texts(write("a.jsonl", rows))[-2:] == ["late", "end"]


def test_other_columns_of_csv_may_have_mixed_types(write):
    rows = [{"text": f"{'x' * 400}{n}", "other": n if n < 1500 else "b"} for n in range(2500)]
    assert texts(write("a.csv", rows)) == [row["text"] for row in rows]


def test_columns_of_parquet_that_are_not_needed_may_have_any_type(write):
    table = pyarrow.table(
        {"text": pyarrow.array(["a", "b", "a"]).dictionary_encode(), "odd": [b"\xff", b"", None]}
    )
    file = io.BytesIO()
    write_table(table.append_column("key", pyarrow.array([bytes(16)] * 3, pyarrow.uuid())), file)
    assert texts(write("a.parquet", file.getvalue())) == ["a", "b", "a"]


def test_missing_texts_of_parquet_and_json_are_blank(write):
    rows = [{"text": None}, {"text": "a"}]
    assert texts(write("a.parquet", rows)) == texts(write("a.jsonl", rows)) == ["a"]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_the_text_field_can_be_chosen(write, suffix):
    path = write(f"a{suffix}", [{"text": "no", "body": "yes"}])
    assert texts(path, text_field="body") == ["yes"]


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".spacy"])
def test_a_file_may_be_empty(write, suffix):
    assert texts(write(f"a{suffix}", WRITERS[suffix]([]))) == []


def test_csv_without_a_header_is_refused(write):
    with pytest.raises(ValueError, match="The columns are none"):
        list(Input(write("a.csv", b"")))
    assert texts(write("b.csv", b"id,text\n")) == []
