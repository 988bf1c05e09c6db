"""Errors for files that cannot be read name the place and the expectation."""

import random
import re
from pathlib import Path

import pytest

from spacy_distill.corpora import input_lines
from spacy_distill.corpora.inputs import Input
from tests.corpora.written_files import COMPRESSIONS, WRITERS, as_rows

pytestmark = pytest.mark.usefixtures("no_network")


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
    "rows, place, number",
    [
        ("1,Hello, all\n2,Bye, all\n", "row 1, line 2", 3),
        ("1,Hello\n\n2,Bye, all\n", "row 2, line 4", 3),
        ("1,a,b,c\n", "row 1, line 2", 4),
        ('1,"two\nlines"\nBye\n', "row 2, line 4", 1),
    ],
)
@pytest.mark.filterwarnings("ignore:.*D940")
def test_unquoted_commas_do_not_move_the_columns(write, rows, place, number):
    path = write("a.csv", f"id,text\n{rows}".encode())
    pattern = rf"'{path}', {place}: found {number} fields, expected 2"
    with pytest.raises(ValueError, match=pattern):
        list(Input(path))


@pytest.mark.parametrize(
    "suffix", [".spacy", ".parquet", *(s + c for s in WRITERS for c in COMPRESSIONS if c)]
)
def test_half_a_file_is_refused(write, suffix):
    rows = [{"text": f"text {random.Random(n).random()}"} for n in range(500)]
    path = Path(write(f"a{suffix}", rows))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    kind = re.match(r"\.\w+", suffix)[0]
    pattern = rf"'{path}' cannot be read after row \d+: .* Expected a complete {kind} file"
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
    """The file is read in pieces, so the first rows are yielded before an error in the last
    rows."""
    rows = [{"text": f"{number} {'x' * 1000}"} for number in range(5000)]
    path = write(f"a{suffix}", WRITERS[suffix](rows) + b"\xff\n")
    stream = iter(Input(path))
    assert next(stream).text == rows[0]["text"]
    with pytest.raises(ValueError, match=r"cannot be read after row [345]\d\d\d: .*in UTF-8"):
        list(stream)


def test_a_quote_that_is_never_closed_is_refused(write):
    path = write("a.csv", b'text,id\none,1\n"two,2\nthree,3\n')
    stream = iter(Input(path))
    assert next(stream).text == "one"
    pattern = rf"'{path}', row 2, line 3: found a quote that is never closed.*--quoting none"
    with pytest.raises(ValueError, match=pattern):
        list(stream)


@pytest.mark.parametrize("suffix", [".txt", ".jsonl.gz"])
def test_a_file_of_one_endless_line_is_refused(write, monkeypatch, suffix):
    monkeypatch.setattr(input_lines, "LONGEST_LINE", 1000)
    path = write(f"a{suffix}", as_rows(["x" * 2000]))
    with pytest.raises(ValueError, match=rf"'{path}', row 1: found no line break"):
        list(Input(path))


def test_an_error_of_the_system_keeps_its_name(write, monkeypatch):
    """An error of permissions must not ask the user to convert the file."""
    path = write("a.txt", as_rows(["one"]))

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError, match=r"Permission denied: '.*a\.txt'"):
        list(Input(path))
