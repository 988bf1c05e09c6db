import bz2
import csv
import gzip
import io
import json
import logging
import lzma
import os
import random
import re
import socket
import subprocess
import sys
from pathlib import Path

import datasets
import huggingface_hub
import pyarrow
import pytest
import spacy
from pyarrow.parquet import write_table
from spacy.tokens import Doc, DocBin

from spacy_distill.corpora import input_rows
from spacy_distill.corpora.inputs import Input, InputDocument

# What readers take for numbers, dates or nothing, and characters that some of them split at.
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
COMPRESSIONS = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pyarrow.compress(data, "zstd", asbytes=True),
}


@pytest.fixture(autouse=True)
def attempts(monkeypatch):
    """Nothing here may ask the network, and `datasets` does for local files too."""
    attempts = []

    def connect(_, address):
        attempts.append(address)
        raise OSError("no network in tests")

    def look_up(*address, **_):
        attempts.append(address)
        raise socket.gaierror("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield
    assert attempts == []


def as_json(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows, separator=","):
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def as_parquet(rows):
    file = io.BytesIO()
    write_table(pyarrow.Table.from_pylist(rows), file, row_group_size=4)
    return file.getvalue()


def as_spacy(rows):
    vocab = spacy.blank("en").vocab
    return DocBin(docs=[Doc(vocab, words=[row["text"]], spaces=[False]) for row in rows]).to_bytes()


WRITERS = {
    ".jsonl": as_json,
    ".csv": as_csv,
    ".tsv": lambda rows: as_csv(rows, "\t"),
    ".parquet": as_parquet,
    ".spacy": as_spacy,
    ".txt": lambda rows: "".join(row["text"] + "\n" for row in rows).encode(),
}


def as_rows(texts):
    return [{"text": text, "number": number} for number, text in enumerate(texts)]


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, bytes):
            suffix = next(suffix for suffix in WRITERS if suffix in name)
            content = COMPRESSIONS[path.suffix if path.suffix in COMPRESSIONS else ""](
                WRITERS[suffix](content)
            )
        path.write_bytes(content)
        return str(path)

    return write


def texts(source, **options):
    return [document.text for document in Input(str(source), **options)]


# Formats


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_and_compression_gives_the_text_that_was_written(write, suffix, compression):
    expected = TEXTS if suffix == ".txt" else TEXTS + LINE_BREAKS
    path = write(f"corpus{suffix}{compression}", as_rows(expected))
    found = list(Input(path))
    assert [document.text for document in found] == expected
    name = f"corpus{suffix}{compression}"
    assert [d.id for d in found] == [f"{name}:{n}" for n in range(1, len(expected) + 1)]
    assert all((document.words is not None) == (suffix == ".spacy") for document in found)


@pytest.mark.parametrize("suffix", WRITERS)
def test_blank_documents_are_skipped_and_counted(write, suffix):
    blank = ["", " \t"] if suffix != ".spacy" else [" ", "\n"]
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
    """All of that is past the first piece of the file, from which types could be inferred."""
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


# Words


def test_spacy_documents_keep_their_words_and_spaces(write):
    vocab = spacy.blank("en").vocab
    docs = [
        Doc(vocab, words=["Mr", ".", "\n", "Lund"], spaces=[False, True, False, True]),
        Doc(vocab, words=["Oslo", "waits"]),
        Doc(vocab, words=[]),
    ]
    found = list(Input(write("a.spacy", DocBin(docs=docs).to_bytes())))
    assert found == [
        ("a.spacy:1", "Mr. \nLund ", ["Mr", ".", "\n", "Lund"], [False, True, False, True]),
        ("a.spacy:2", "Oslo waits", ["Oslo", "waits"], None),
    ]


PRODIGY = [{"text": "It", "ws": False}, {"text": "'s", "ws": True}, {"text": "I", "ws": False}]


@pytest.mark.parametrize(
    "row, text, words, spaces",
    [
        ({"words": ["It", "'s"]}, "It 's", ["It", "'s"], None),
        ({"tokens": ["It", "'s"], "spaces": [0, 1]}, "It's ", ["It", "'s"], [False, True]),
        ({"text": "It's", "words": ["It", "'s"]}, "It's", ["It", "'s"], [False, False]),
        ({"text": "a  b", "tokens": ["a", "b"]}, "a  b", ["a", " ", "b"], [True, False, False]),
        ({"text": "It's I", "tokens": PRODIGY}, "It's I", ["It", "'s", "I"], [False, True, False]),
        ({"text": "a b", "words": ["a", "b"], "spaces": [0, 0]}, "a b", ["a", "b"], [True, False]),
        ({"text": None, "words": ["a"]}, "a", ["a"], None),
        ({"words": ["a", "", "b"]}, "a b", ["a", "b"], None),
        ({"text": "unseen", "tokens": ["un", "##seen"]}, "unseen", None, None),
        ({"text": "a b", "tokens": [12, 7]}, "a b", None, None),
        ({"text": "a b", "tokens": 2}, "a b", None, None),
    ],
)
def test_words_are_taken_where_they_make_up_the_text(write, row, text, words, spaces):
    for suffix in (".jsonl", ".parquet"):
        assert list(Input(write(f"a{suffix}", [row]))) == [(f"a{suffix}:1", text, words, spaces)]
    if spaces is not None:
        assert Doc(spacy.blank("en").vocab, words=words, spaces=spaces).text == text


def test_a_document_is_plain_data():
    assert InputDocument("a:1", "text") == ("a:1", "text", None, None)


# Names


@pytest.mark.parametrize(
    "row, expected",
    [
        ({"id": "x7"}, "x7"),
        ({"id": 0}, "0"),
        ({"_id": "x", "uuid": "y"}, "x"),
        ({"uuid": "y", "id": None}, "y"),
        ({"id": ""}, "a.jsonl:1"),
        ({"id": [1]}, "a.jsonl:1"),
        ({"id": True, "uuid": "y"}, "y"),
    ],
)
def test_a_record_may_bring_its_own_name(write, row, expected):
    assert [d.id for d in Input(write("a.jsonl", [{"text": "a", **row}]))] == [expected]


@pytest.mark.parametrize("column", [["007", "010"], ["1.0", "2"], ["True", "False"], ["NA", "NA"]])
def test_nothing_in_csv_is_a_number(write, column):
    """Above, texts of other kinds keep a reader from taking the column for one of numbers."""
    content = "".join(f"{value},{value}\n" for value in column)
    found = list(Input(write("a.csv", f"id,text\n{content}".encode())))
    assert [(document.id, document.text) for document in found] == [
        (value, value) for value in column
    ]


# Several files


@pytest.fixture
def folder(write, tmp_path):
    for name in ("b.txt", "a/z.txt", "a/c.jsonl.gz", "a.csv", "B.parquet"):
        write(f"corpus/{name}", as_rows([f"in {name}"]))
    for name in ("README.md", "a/.hidden.txt", ".git/d.txt", "a/._c.jsonl", "a/archive.gz"):
        write(f"corpus/{name}", b"Nothing to read.")
    return tmp_path / "corpus"


def test_a_folder_is_all_files_below_it_in_order(folder):
    found = list(Input(str(folder)))
    names = ["B.parquet", "a.csv", "a/c.jsonl.gz", "a/z.txt", "b.txt"]
    assert [document.id for document in found] == [f"{name}:1" for name in names]
    assert [document.text for document in found] == [f"in {name}" for name in names]


@pytest.mark.parametrize(
    "pattern, names",
    [
        ("*.txt", ["b.txt"]),
        ("a*", ["a.csv", "a/c.jsonl.gz", "a/z.txt"]),
        ("**/*.txt", ["a/z.txt", "b.txt"]),
        ("**", ["B.parquet", "a.csv", "a/c.jsonl.gz", "a/z.txt", "b.txt"]),
        ("[a]/*.t?t", ["a/z.txt"]),
    ],
)
def test_a_glob_finds_files_and_folders(folder, pattern, names):
    found = [document.id for document in Input(f"{folder}/{pattern}")]
    assert found == [f"{name}:1" for name in names]


def test_names_do_not_depend_on_where_the_folder_is(folder, monkeypatch):
    expected = list(Input(str(folder)))
    monkeypatch.chdir(folder)
    assert list(Input(".")) == list(Input("**")) == list(Input("./*")) == expected


def test_it_can_be_read_again_and_counted(folder):
    source = Input(str(folder))
    assert list(source) == list(source)
    assert [source.count(), source.count(3), source.count(9)] == [5, 3, 5]


def test_the_fingerprint_is_that_of_the_bytes(folder, write):
    before = Input(str(folder)).fingerprint()
    assert list(before) == ["B.parquet", "a.csv", "a/c.jsonl.gz", "a/z.txt", "b.txt"]
    assert len(set(before.values())) == 5
    os.utime(folder / "b.txt", (0, 0))
    write("corpus/README.md", b"Still not read.")
    assert Input(str(folder)).fingerprint() == before
    write("corpus/b.txt", b"in c.txt\n")
    after = Input(str(folder)).fingerprint()
    assert {name for name in after if after[name] != before[name]} == {"b.txt"}


# Standard input


@pytest.fixture
def give(monkeypatch):
    def give(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))
        return Input("-")

    return give


def test_standard_input_is_text_or_json(give):
    lines = [
        b"\xef\xbb\xbfplain \xc3\xa4 \r\n",
        b"\n",
        b'{"text": "json", "id": "x"}\n',
        b'{"text": broken}\n',
        b'"quoted"\n',
        b'{"words": ["a", "b"]}',
    ]
    assert list(give(b"".join(lines))) == [
        ("-:1", "plain ä ", None, None),
        ("x", "json", None, None),
        ("-:4", '{"text": broken}', None, None),
        ("-:5", '"quoted"', None, None),
        ("-:6", "a b", ["a", "b"], None),
    ]


def test_standard_input_is_read_line_by_line(monkeypatch):
    read, written = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(read))
    with os.fdopen(written, "wb", buffering=0) as pipe:
        pipe.write(b"one\n")
        assert next(iter(Input("-"))).text == "one"
    sys.stdin.close()


def test_standard_input_has_no_fingerprint_and_no_known_length(give):
    source = give(b"one\n")
    assert [source.fingerprint(), source.count(), source.count(7)] == [{}, None, 7]
    assert len(list(source)) == 1


def test_errors_of_standard_input_name_the_row(give, monkeypatch):
    with pytest.raises(ValueError, match=r"standard input, row 2: found bytes that are not UTF-8"):
        list(give(b"one\n\xff\n"))
    with pytest.raises(ValueError, match=r"standard input, row 1: .*'title'.*--text-field"):
        list(give(b'{"title": "a"}\n'))
    monkeypatch.setattr(input_rows, "LONGEST_LINE", 10)
    with pytest.raises(ValueError, match=r"standard input, row 2: found no line break"):
        list(give(b"one\n" + b"x" * 100))


# The hub


@pytest.fixture
def hub(monkeypatch):
    """Answers for the hub; `calls` are the arguments of `load_dataset`."""

    class Hub:
        rows = [{"text": "one", "image": 0}, {"text": "two", "image": 0}]
        revision = "c0ffee"
        calls = []

        def load_dataset(self, *args, **kwargs):
            self.calls.append((args, kwargs))
            return datasets.Dataset.from_list(self.rows).to_iterable_dataset()

        def dataset_info(self, _, name, **__):
            if self.revision is None:
                raise ConnectionError("no network")
            return huggingface_hub.hf_api.DatasetInfo(
                id=name, sha=self.revision, private=False, downloads=0, likes=0, tags=[]
            )

    hub = Hub()
    hub.calls = []
    monkeypatch.setattr(datasets, "load_dataset", hub.load_dataset)
    monkeypatch.setattr(
        huggingface_hub.HfApi, "dataset_info", lambda *args, **kw: hub.dataset_info(*args, **kw)
    )
    return hub


@pytest.mark.parametrize("name", ["news", "owner/news", "owner/my.news-1_2"])
def test_what_is_no_file_is_a_data_set_on_the_hub(hub, name):
    source = Input(name, split="test")
    assert [tuple(document) for document in source] == [
        (f"{name}/test:1", "one", None, None),
        (f"{name}/test:2", "two", None, None),
    ]
    assert hub.calls == [((name, None), {"split": "test", "streaming": True, "revision": "c0ffee"})]
    assert source.fingerprint() == {"dataset": name, "split": "test", "revision": "c0ffee"}
    assert [source.count(), source.count(7)] == [None, 7]


def test_a_data_set_may_have_configurations(hub):
    source = Input("owner/wiki:20231101.en")
    assert len(list(source)) == 2
    assert hub.calls[0][0] == ("owner/wiki", "20231101.en")
    assert source.fingerprint()["configuration"] == "20231101.en"


def test_the_revision_that_is_hashed_is_the_one_that_is_read(hub):
    source = Input("news")
    source.fingerprint()
    hub.revision = "0ther"
    list(source)
    assert hub.calls[0][1]["revision"] == "c0ffee"


def test_without_network_the_revision_is_unknown(hub):
    hub.revision = None
    assert Input("news").fingerprint() == {"dataset": "news", "split": "train"}


def test_columns_that_are_not_needed_are_not_decoded(hub, monkeypatch):
    hub.rows = [{"text": "one", "id": "x", "tokens": ["one"], "image": 0}]
    select, asked = datasets.IterableDataset.select_columns, []
    monkeypatch.setattr(
        datasets.IterableDataset,
        "select_columns",
        lambda self, names: asked.append(names) or select(self, names),
    )
    assert list(Input("news")) == [("x", "one", ["one"], [False])]
    assert asked == [["text", "id", "tokens"]]


def test_errors_of_the_hub_are_one_line(hub, monkeypatch):
    with pytest.raises(ValueError, match=r"'news': found no column 'body'.*'text', 'image'"):
        list(Input("news", text_field="body"))

    def fail(*_, **__):
        raise datasets.exceptions.DatasetNotFoundError("It is not\n on the Hub.")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(ValueError, match=r"no file, folder or glob.* not on the Hub\.") as info:
        list(Input("news"))
    assert "\n" not in str(info.value)


def test_a_hub_that_breaks_off_is_named(hub, monkeypatch):
    def rows():
        yield {"text": "one"}
        raise ConnectionError("gone")

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: rows())
    with pytest.raises(ValueError, match=r"'news' cannot be read after row 1: gone\."):
        list(Input("news"))


# What cannot be read


@pytest.mark.parametrize(
    "source", ["", "missing.jsonl", "owner/missing.txt.gz", "a/b/c", "/missing", "x y"]
)
def test_what_does_not_exist_is_refused_before_anything_is_read(source):
    with pytest.raises(ValueError, match=rf"'{source}' does not exist.*Correct the path"):
        Input(source)


@pytest.mark.parametrize("name", ["a.docx", "a", "a.gz", "a.txt.zip", "a.json"])
def test_other_suffixes_are_refused_with_a_list_of_those_that_are_read(write, name):
    path = write(name, b"text")
    with pytest.raises(ValueError, match=rf"{name}'.*\.spacy, \.jsonl, .*\.zst.*convert"):
        Input(path)


def test_folders_and_globs_without_any_file_are_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for source, count in ((tmp_path / "empty", 0), (folder / "*.log", 0), (folder / "*.md", 1)):
        pattern = rf"{re.escape(str(source))}' has no file that can be read: found {count} of"
        with pytest.raises(ValueError, match=pattern):
            Input(str(source))


@pytest.mark.parametrize(
    "suffix, place", [(".jsonl", ", row 1"), (".csv", ""), (".tsv", ""), (".parquet", "")]
)
def test_a_missing_text_column_is_refused_with_those_that_are_there(write, suffix, place):
    path = write(f"a{suffix}", [{"title": "a", "body": "b"}])
    for field in ("text", "texts"):
        pattern = rf"'{path}'{place}: found no column '{field}'.*'title', 'body'.*--text-field"
        with pytest.raises(ValueError, match=pattern):
            list(Input(path, text_field=field))


def test_words_are_no_text_if_another_column_was_asked_for(write):
    path = write("a.jsonl", [{"words": ["a"]}])
    with pytest.raises(ValueError, match="no column 'boby'"):
        list(Input(path, text_field="boby"))


def test_a_column_of_something_else_is_refused(write):
    for row in ({"text": 5}, {"text": ["a"]}, {"text": {"en": "a"}}):
        name = type(row["text"]).__name__
        with pytest.raises(ValueError, match=rf"row 2: found {name} in the column 'text'"):
            list(Input(write("a.jsonl", [{"text": "a"}, row])))
    with pytest.raises(ValueError, match="row 1: found int in the column 'number'"):
        list(Input(write("a.parquet", as_rows(["a"])), text_field="number"))
    with pytest.raises(ValueError, match=r"row 1: found no column 'text'.*'tokens'"):
        list(Input(write("a.jsonl", [{"tokens": 512}])))


@pytest.mark.parametrize(
    "line, found",
    [
        ("nope", "no JSON"),
        ("[1]", "a list"),
        ('"a"', "a str"),
        ('{"text": "a"', "no JSON"),
        ("[" * 99999, "no JSON"),
    ],
)
def test_lines_that_are_no_objects_are_named(write, line, found):
    path = write("a.jsonl", f'{{"text": "a"}}\n\n{line}\n'.encode())
    with pytest.raises(ValueError, match=rf"'{path}', row 3: found .*{found}.*expected a JSON obj"):
        list(Input(path))


def test_half_a_surrogate_pair_is_no_text(write):
    path = write("a.jsonl", b'{"text": "ok \\ud83d\\ude00"}\n{"text": "bad \\ud83d"}\n')
    with pytest.raises(ValueError, match=r"row 2: found half of a surrogate pair at character 4"):
        list(Input(path))


def test_spaces_have_to_be_as_many_as_words(write):
    path = write("a.jsonl", [{"words": ["a", "b"], "spaces": [True]}])
    with pytest.raises(ValueError, match="row 1: found 2 words and 1 spaces"):
        list(Input(path))


@pytest.mark.parametrize(
    "rows",
    ["1,Hello, all\n2,Bye, all\n", "1,Hello, all\n2,Bye\n", "1,Hello\n2,Bye, all\n", "1,a,b,c\n"],
)
def test_unquoted_commas_do_not_move_the_columns(write, rows):
    path = write("a.csv", f"id,text\n{rows}".encode())
    with pytest.raises(ValueError, match=rf"'{path}' cannot be read after row 0"):
        list(Input(path))


@pytest.mark.parametrize(
    "suffix", [".spacy", ".parquet", *(s + c for s in WRITERS for c in COMPRESSIONS if c)]
)
def test_half_a_file_is_refused(write, suffix):
    rows = [{"text": f"text {random.Random(n).random()}"} for n in range(500)]
    path = Path(write(f"a{suffix}", rows))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    kind = re.match(r"\.\w+", suffix)[0]
    pattern = rf"'{path}' cannot be read after row \d+: .* Expected a whole {kind} file"
    with pytest.raises(ValueError, match=pattern) as info:
        list(Input(str(path)))
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("compression", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_that_is_not_compressed_is_refused(write, suffix, compression):
    path = write(f"a{suffix}{compression}", WRITERS[suffix](as_rows(["one"] * 9)))
    with pytest.raises(ValueError, match=rf"'{path}' cannot be read after row 0: "):
        list(Input(path))


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".csv"])
def test_what_comes_before_a_broken_place_is_read(write, suffix):
    """The file is read piece by piece: the first rows come before the last ones are looked at."""
    rows = [{"text": f"{number} {'x' * 1000}"} for number in range(5000)]
    path = write(f"a{suffix}", WRITERS[suffix](rows) + b"\xff\n")
    stream = iter(Input(path))
    assert next(stream).text == rows[0]["text"]
    with pytest.raises(ValueError, match=r"cannot be read after row [345]\d\d\d: .*in UTF-8"):
        list(stream)


def test_a_quote_that_is_never_closed_is_refused(write):
    path = write("a.csv", b'text,id\n"one,1\ntwo,2\n')
    with pytest.raises(ValueError, match=rf"'{path}' cannot be read after row 0: .*inside string"):
        list(Input(path))


@pytest.mark.parametrize("suffix", [".txt", ".jsonl.gz"])
def test_a_file_of_one_endless_line_is_refused(write, monkeypatch, suffix):
    monkeypatch.setattr(input_rows, "LONGEST_LINE", 1000)
    path = write(f"a{suffix}", as_rows(["x" * 2000]))
    with pytest.raises(ValueError, match=rf"'{path}', row 1: found no line break"):
        list(Input(path))


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".spacy"])
def test_a_file_may_be_empty(write, suffix):
    assert texts(write(f"a{suffix}", WRITERS[suffix]([]))) == []


def test_csv_without_a_header_is_refused(write):
    with pytest.raises(ValueError, match="The columns are none"):
        list(Input(write("a.csv", b"")))
    assert texts(write("b.csv", b"id,text\n")) == []


# The libraries


def test_without_the_library_the_extra_is_named(write, monkeypatch):
    documents = write("a.spacy", as_rows(["one"]))
    lines, table = write("a.txt", as_rows(["one"])), write("a.parquet", as_rows(["one"]))
    for library in ("datasets", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, library, None)
    assert texts(documents) == ["one"]
    for source in (lines, table, "news"):
        with pytest.raises(ImportError, match=r'pip install "spacy-distill\[train\]"'):
            list(Input(source))


def test_the_library_says_writes_and_keeps_nothing(write, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(datasets.config, "HF_UPDATE_DOWNLOAD_COUNTS", True)
    level, logged = datasets.logging.get_verbosity(), []
    handler = logging.Handler()
    handler.emit = logged.append
    monkeypatch.setattr(logging.getLogger("datasets"), "handlers", [handler])
    for suffix in WRITERS:
        source = Input(write(f"a{suffix}.gz", as_rows(["one", "two", "three"])))
        assert len(list(source)) == 3
        assert next(iter(source)).text == "one"
    with pytest.raises(ValueError):
        list(Input(write("bad.csv", b"text\n" + b"a\n" * 9999 + b"\xff\n")))
    assert (logged, *capfd.readouterr()) == ([], "", "")
    assert not (tmp_path / "cache").exists()
    assert list((tmp_path / "temporary").glob("tmp*")) == []
    assert datasets.config.HF_UPDATE_DOWNLOAD_COUNTS is True
    assert datasets.logging.get_verbosity() == level
    assert not datasets.utils.are_progress_bars_disabled()


def run(code, *arguments, **environment):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


READ = """
import sys
from spacy_distill.corpora.inputs import Input
print(ascii([document.text for document in Input(sys.argv[1])]))
"""


def test_texts_are_utf_8_whatever_the_system_uses(write, tmp_path):
    for name in ("a.txt", "b.txt.gz", "c.jsonl.zst", "d.csv.xz"):
        write(f"corpus/{name}", as_rows(["bär"]))
    system = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    assert run(READ, tmp_path / "corpus", **system) == [ascii(["bär"] * 4)]


MEMORY = """
import resource
import sys
from spacy_distill.corpora.inputs import Input
for source in sys.argv[1:]:
    n_documents = sum(1 for _ in Input(source))
    print(n_documents, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory differently")
def test_memory_does_not_grow_with_the_corpus(write, tmp_path):
    words = [f"w{number}" for number in range(5000)]
    generator = random.Random(0)
    rows = [{"text": " ".join(generator.choices(words, k=160))} for _ in range(1000)]
    table = pyarrow.Table.from_pylist(rows)
    for size, times in (("small", 1), ("large", 22)):
        for suffix in (".csv", ".jsonl.gz", ".jsonl.zst"):
            # A header that comes again in CSV is one row more.
            format_, compression = f".{suffix.split('.')[1]}", suffix[len(".jsonl") :]
            piece = COMPRESSIONS[compression](WRITERS[format_](rows))
            write(f"{size}/a{suffix}", piece * times)
        write_table(pyarrow.concat_tables([table] * times), tmp_path / size / "a.parquet")
    assert (tmp_path / "large" / "a.csv").stat().st_size > 20_000_000
    small, large = (
        [int(part) for part in line.split()]
        for line in run(MEMORY, tmp_path / "small", tmp_path / "large")
    )
    assert [small[0], large[0]] == [4 * 1000, 4 * 22 * 1000 + 21]
    assert large[1] - small[1] < 12_000
