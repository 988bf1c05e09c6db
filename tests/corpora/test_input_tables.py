"""Quotes in tables never lose text without a message."""

import csv
import io
import warnings

import pytest

from spacy_distill.corpora.inputs import Input
from tests.corpora.written_files import COMPRESSIONS, texts

pytestmark = pytest.mark.usefixtures("no_network")

BARE = 'id\ttext\n1\t"Oslo" is a city\n2\t"Bergen\n3\tSo is "Ålesund"\n4\t"\n5\t"all of it"\n'
BARE_TEXTS = ['"Oslo" is a city', '"Bergen', 'So is "Ålesund"', '"', '"all of it"']


def quoted(rows, separator):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=separator).writerows(rows)
    return file.getvalue().encode()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_quotes_are_text_in_tsv(write, compression):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = write(f"a.tsv{compression}", COMPRESSIONS[compression](BARE.encode()))
        assert texts(path) == BARE_TEXTS
        documents = list(Input(path))
    assert [document.id for document in documents] == ["1", "2", "3", "4", "5"]


def test_quotes_are_text_in_csv_if_it_is_said(write):
    path = write("a.csv", BARE.replace("\t", ",").encode())
    with pytest.raises(ValueError, match=r"row 1, line 2: found text after a closing quote"):
        texts(path)
    assert texts(path, quoting="none") == BARE_TEXTS


def test_a_quoted_tsv_is_read_if_it_is_said_and_looks_odd_if_not(write):
    rows = [["text", "id"], ['say "no"', "a"], ["plain", "b"], ['"', "c"]]
    path = write("a.tsv", quoted(rows, "\t"))
    with pytest.warns(UserWarning, match=r"\[D941\] .*a.tsv.* 2 rows: row 1 \(line 2\), row 3"):
        assert texts(path) == ['"say ""no"""', "plain", '""""']
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert texts(path, quoting="double") == ['say "no"', "plain", '"']


def test_a_quoted_header_leads_to_quoting(write):
    path = write("a.tsv", b'"id"\t"text"\n"1"\t"one"\n')
    with pytest.raises(ValueError, match=r"\[D364\] .*a.tsv': found the column \"id\" .* double"):
        texts(path)
    assert texts(path, quoting="double") == ["one"]
    # The column can be chosen with its quotes.
    assert texts(path, text_field='"text"') == ['"one"']
    with pytest.raises(ValueError, match=r"\[D364\]"):
        texts(write("b.csv", b'"id",text\n1,one\n'), quoting="none")


def test_line_ends_within_quotes_are_read_and_reported(write):
    path = write("a.csv", quoted([["text"], ["one"], ["two\nlines"], ["a\r\nb"], ["end"]], ","))
    pattern = r"\[D940\] '.*a.csv': .* in 2 rows: row 2 \(line 3\), row 3 \(line 5\)\..*none"
    with pytest.warns(UserWarning, match=pattern) as found:
        assert texts(path) == ["one", "two\nlines", "a\r\nb", "end"]
    assert len(found) == 1
    with pytest.warns(UserWarning, match="in 1 rows: row 2"):
        stream = iter(Input(path))
        assert [next(stream).text for _ in range(2)] == ["one", "two\nlines"]
        del stream


def test_lines_that_a_quote_swallows_are_reported(write):
    """The file cannot be distinguished from one with a text of three lines."""
    path = write("a.csv", b'id,text\n1,"Oslo\n2,Bergen\n3,Molde"\n4,end\n')
    with pytest.warns(UserWarning, match=r"\[D940\] .* in 1 rows: row 1 \(line 2\)"):
        assert texts(path) == ["Oslo\n2,Bergen\n3,Molde", "end"]
    assert texts(path, quoting="none") == ['"Oslo', "Bergen", 'Molde"', "end"]


@pytest.mark.parametrize(
    "table, expected, places",
    [
        (b'id,text,note\n1,abc,"x\n2,def,y"\n3,ghi,z\n', ["abc", "ghi"], r"row 1 \(line 2\)"),
        (b'id,text,"note\n1,abc,x"\n3,ghi,z\n', ["ghi"], r"the header \(line 1\)"),
    ],
)
def test_lines_that_a_quote_of_another_column_swallows_are_reported(write, table, expected, places):
    path = write("a.csv", table)
    with pytest.warns(UserWarning, match=rf"\[D940\] .* in 1 rows: {places}\."):
        assert texts(path) == expected
    assert len(texts(path, quoting="none")) > len(expected)


def test_only_some_of_many_places_are_listed(write):
    path = write("a.csv", quoted([["text"], *[["a\nb"]] * 1200], ","))
    with pytest.warns(UserWarning, match=r"in 1,200 rows: row 1 .*, row 5 \(line 10\), \.\.\.\. "):
        assert len(texts(path)) == 1200


def test_a_broken_line_of_tsv_is_refused(write):
    path = write("a.tsv", b'text\tid\n"one\ntwo"\tb\n')
    with pytest.raises(ValueError, match=r"row 1, line 2: found 1 fields, expected 2.*double"):
        texts(path)


def test_long_fields_are_read(write):
    long = "x" * 300_000
    assert texts(write("a.csv", quoted([["text"], [long]], ","))) == [long]


def test_the_first_of_two_columns_of_one_name_counts(write):
    assert texts(write("a.csv", b"text,text\none,two\n")) == ["one"]


def test_quoting_is_for_tables_and_one_of_two(write):
    path = write("a.csv", b"text\none\n")
    with pytest.raises(ValueError, match=r"\[D361\] 'all' is not a quoting .* none, double"):
        Input(path, quoting="all")
    with pytest.raises(ValueError, match=r"\[D362\] --quoting applies only to .csv and .tsv"):
        Input(write("a.txt", b"one\n"), quoting="none")
