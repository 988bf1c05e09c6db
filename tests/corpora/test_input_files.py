"""The files that a path, a folder or a glob stands for."""

import os
import re
from pathlib import Path, PureWindowsPath

import pytest

from spacy_distill.corpora import input_files
from spacy_distill.corpora.input_files import before_wildcards
from spacy_distill.corpora.inputs import Input
from tests.corpora.written_files import COMPRESSIONS, WRITERS, as_rows

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture
def folder(write, tmp_path):
    for name in ("b.txt", "a/z.txt", "a/c.jsonl.gz", "a.csv", "B.parquet"):
        write(f"corpus/{name}", as_rows([f"in {name}"]))
    for name in ("README.md", "a/.hidden.txt", ".git/d.txt", "a/._c.jsonl", "a/archive.gz"):
        write(f"corpus/{name}", b"Nothing to read.")
    return tmp_path / "corpus"


def test_a_folder_is_all_files_below_it_in_order(folder):
    found = list(Input(folder))
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


def test_it_can_be_read_again(folder):
    source = Input(str(folder))
    assert list(source) == list(source)


def test_it_tells_how_far_it_is_read(write, tmp_path):
    """The progress is measured in bytes of the files, for each format and compression."""
    rows = [{"text": f"{number} " * 50} for number in range(4000)]
    for suffix in WRITERS:
        path = write(f"one/a{suffix}", rows)
        source, shares = Input(path), []
        for number, _ in enumerate(source, 1):
            shares.append((number / len(rows), source.share_read))
        assert len(shares) == len(rows), suffix
        assert shares[-1][1] == pytest.approx(1, abs=0.05), suffix
        # At most some thousand rows are read ahead.
        assert all(abs(share - read) < 0.3 for read, share in shares), suffix
        assert source.share_read == 1
    for compression in COMPRESSIONS:
        write(f"all/a.txt{compression}", rows)
        write(f"all/b.parquet{compression}", rows)
    source = Input(str(tmp_path / "all"))
    shares = [source.share_read for _ in source]
    assert shares == sorted(shares) and len({round(share, 1) for share in shares}) > 5
    assert source.share_read == 1


def test_the_fingerprint_is_that_of_the_sizes(folder, write):
    before = Input(str(folder)).fingerprint()
    assert list(before) == ["B.parquet", "a.csv", "a/c.jsonl.gz", "a/z.txt", "b.txt"]
    assert before["b.txt"] == (folder / "b.txt").stat().st_size
    os.utime(folder / "b.txt", (0, 0))
    write("corpus/README.md", b"Still not read.")
    assert Input(str(folder)).fingerprint() == before
    write("corpus/b.txt", b"another text\n")
    after = Input(str(folder)).fingerprint()
    assert {name for name in after if after[name] != before[name]} == {"b.txt"}


@pytest.mark.parametrize(
    "source",
    ["", "missing.jsonl", "owner/missing.txt.gz", "news", "owner/news", "a/b/c", "/missing", "x y"],
)
def test_what_does_not_exist_is_refused_before_anything_is_read(source):
    with pytest.raises(ValueError, match=rf"'{source}' does not exist.*Correct the path"):
        Input(source)


def test_a_similar_file_is_named(folder):
    source = str(folder / "a" / "z.text")
    with pytest.raises(ValueError, match=r"D301.*Did you mean '.*a/z\.txt'\? Correct"):
        Input(source)


@pytest.mark.parametrize("name", ["a.docx", "a", "a.gz", "a.txt.zip", "a.json"])
def test_other_suffixes_are_refused_with_a_list_of_those_that_are_read(write, name):
    path = write(name, b"text")
    with pytest.raises(ValueError, match=rf"{name}'.*\.spacy, \.jsonl, .*\.zst.*convert"):
        Input(path)


def test_folders_and_globs_without_any_file_are_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    others = "1 in other formats"
    for source, found in (
        (tmp_path / "empty", "none"),
        (folder / "*.log", "none"),
        (folder / "*.md", others),
    ):
        pattern = rf"{re.escape(str(source))}' has no file that can be read: found {found}\."
        with pytest.raises(ValueError, match=pattern):
            Input(str(source))


def test_the_message_says_how_json_becomes_lines(write, tmp_path):
    path = write("data/texts.json", b'[{"text": "a"}]')
    for source in (path, str(tmp_path / "data"), write("a.json.gz", b"")):
        with pytest.raises(ValueError, match=r"lines: jq -c '\.\[\]' FILE\.json > FILE\.jsonl"):
            Input(source)
    with pytest.raises(ValueError) as info:
        Input(write("a.docx", b""))
    assert "jq" not in str(info.value)


@pytest.mark.parametrize(
    "source, start, pattern",
    [
        ("texts/*.txt", "texts", "*.txt"),
        ("*.txt", ".", "*.txt"),
        ("/data/**/news/*.txt", "/data", "**/news/*.txt"),
        ("s3://bucket/a/**/*.txt", "s3://bucket/a", "**/*.txt"),
        ("file:///data/my%20texts/*.txt", "/data/my texts", "*.txt"),
    ],
)
def test_a_glob_has_a_part_before_its_wildcards(source, start, pattern):
    found, rest = before_wildcards(source)
    assert (found == start or Path(found) == Path(start)) and rest == pattern


def test_folders_may_be_separated_as_on_windows(monkeypatch):
    monkeypatch.setattr(input_files, "PurePath", PureWindowsPath)
    assert before_wildcards(r"C:\texts\news\*.txt") == (r"C:\texts\news", "*.txt")
    assert before_wildcards(r"texts/**\*.txt") == ("texts", "**/*.txt")


def test_a_glob_may_be_a_url(folder):
    assert [document.id for document in Input(f"file://{folder}/**/*.txt")] == [
        "a/z.txt:1",
        "b.txt:1",
    ]
