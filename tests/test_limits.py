"""Limits for files of strangers."""

import io
import tracemalloc
import zlib

import numpy
import pytest
import srsly

from spacy_distill import limits
from spacy_distill.limits import is_plain_name, read_at_most, require_documents, require_msgpack


def test_complete_msgpack_is_accepted():
    require_msgpack(
        srsly.msgpack_dumps({"a": numpy.zeros((3, 4), dtype="float32"), "b": [1, None]})
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01\x01",
        b"\xdd\xff\xff\xff\xff",  # a list of four billion values
        b"\xdd\x00\xff\xff\xff" * 500 + b"x" * 2**24,  # lists of 16 million values in each other
        b"\x91" * 100_000,
        srsly.msgpack_dumps(list(range(100)))[:-1],
    ],
)
def test_announced_values_that_are_not_there_take_no_memory(data):
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"^\[D781\]"):
        require_msgpack(data)
    assert tracemalloc.get_traced_memory()[1] < 3 * len(data) + 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "a-b_c.1.txt"])
def test_plain_names(name):
    assert is_plain_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "/x", "a/b", "a\\b", "C:x", ".hidden", "x\n", "\x00", "x" * 300, 3],
)
def test_names_that_lead_elsewhere(name):
    assert not is_plain_name(name)


def test_a_stream_is_read_up_to_the_limit():
    assert read_at_most(io.BytesIO(b"x" * 100), 100, "x") == b"x" * 100
    with pytest.raises(ValueError, match=r"^\[D782\] 'a\.gz'"):
        read_at_most(io.BytesIO(b"x" * 101), 100, "'a.gz'")


def test_documents_that_become_too_large_are_refused(monkeypatch):
    monkeypatch.setattr(limits, "LEAST", 2**20)
    require_documents(zlib.compress(b"x" * 2**19), "x")
    bomb = zlib.compress(b"\x00" * 2**25)
    with pytest.raises(ValueError, match=r"^\[D782\]"):
        require_documents(bomb, "x")
    require_documents(b"no zlib", "x")  # spaCy's error says more
