"""Which files a path, a folder or a glob stands for."""

import os
import re

import pytest

from spacy_distill.corpora.inputs import Input
from tests.corpora.written_files import as_rows, refuse_network, write_below

attempts = pytest.fixture(autouse=True)(refuse_network)
write = pytest.fixture(write_below)


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


@pytest.mark.parametrize(
    "source",
    ["", "missing.jsonl", "owner/missing.txt.gz", "news", "owner/news", "a/b/c", "/missing", "x y"],
)
def test_what_does_not_exist_is_refused_before_anything_is_read(source):
    with pytest.raises(ValueError, match=rf"'{source}' does not exist.*Correct the path"):
        Input(source)


def test_the_nearest_file_is_named(folder):
    source = str(folder / "a" / "z.text")
    with pytest.raises(ValueError, match=r"D301.*The nearest is '.*a/z\.txt'\. Correct"):
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
