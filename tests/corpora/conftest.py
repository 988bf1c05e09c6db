"""Fixtures: soft corpora with probabilities that depend on the words, files of each format, and a
block of the network."""

import socket

import numpy
import pytest

from spacy_distill.corpora.shard_manifest import shard_name
from spacy_distill.corpora.soft_shards import Manifest, Shard, SoftDocument, write_shard
from spacy_distill.corpora.soft_targets import pack_marginals
from tests.corpora.written_files import COMPRESSIONS, WRITERS

SOFT_LABELS = ["LOC", "PER"]


def soft_document(words, spaces=None, id_="a", known=None, top_k=9):
    rng = numpy.random.default_rng(sum(map(ord, "".join(words))))
    odds = rng.random((len(words), 9)) ** 4
    marginals = (odds / odds.sum(axis=1, keepdims=True)).astype("float32")
    spaces = [True] * len(words) if spaces is None else spaces
    targets = pack_marginals(marginals, marginals.argmax(axis=1), top_k, known)
    return SoftDocument(id_, words, spaces, targets)


def write_corpus(folder, shards, complete=True):
    """Write documents as a soft corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number, documents in enumerate(shards):
        file = shard_name(number)
        tokens = sum(len(document.words) for document in documents)
        sha256 = write_shard(folder / file, documents)
        counts = {"documents": len(documents), "tokens": tokens, "entities": 0}
        entries.append(Shard(file=file, sha256=sha256, input_hash="-", **counts))
    manifest = Manifest(
        labels=SOFT_LABELS,
        teacher={"teachers": []},
        settings={},
        input={"source": "texts.txt", "text_field": "text", "files": {"texts.txt": "0"}},
        complete=complete,
        shards=entries,
    )
    manifest.to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def make_soft():
    """Make a soft document. It is a fixture, because tests cannot import from conftest.py."""
    return soft_document


@pytest.fixture(scope="session")
def write_soft():
    return write_corpus


@pytest.fixture
def no_network(monkeypatch):
    """Fail if a test connects to the network, as `datasets` does even for local files."""
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


@pytest.fixture
def write(tmp_path):
    """A function that writes rows in the format of a file's extension, or raw bytes."""

    def write_file(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, bytes):
            suffix = next(suffix for suffix in WRITERS if suffix in name)
            content = COMPRESSIONS[path.suffix if path.suffix in COMPRESSIONS else ""](
                WRITERS[suffix](content)
            )
        path.write_bytes(content)
        return str(path)

    return write_file
