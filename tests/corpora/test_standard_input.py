"""Text and JSON from standard input."""

import io
import os
import sys

import pytest

from spacy_distill.corpora import input_lines
from spacy_distill.corpora.inputs import Input

pytestmark = pytest.mark.usefixtures("no_network")


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
    assert [document[:4] for document in give(b"".join(lines))] == [
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
    assert source.fingerprint() == {}
    assert len(list(source)) == 1 and source.share_read is None and not source.is_pinned


def test_errors_of_standard_input_name_the_row(give, monkeypatch):
    with pytest.raises(ValueError, match=r"standard input, row 2: found bytes that are not UTF-8"):
        list(give(b"one\n\xff\n"))
    with pytest.raises(ValueError, match=r"standard input, row 1: .*'title'.*--text-field"):
        list(give(b'{"title": "a"}\n'))
    monkeypatch.setattr(input_lines, "LONGEST_LINE", 10)
    with pytest.raises(ValueError, match=r"standard input, row 2: found no line break"):
        list(give(b"one\n" + b"x" * 100))
