"""Corpora in every format and compression, and the fixtures with which tests write and read them.

The functions `refuse_network` and `write_below` are fixtures of the tests that name them so.
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import socket

import pyarrow
import spacy
from pyarrow.parquet import write_table
from spacy.tokens import Doc, DocBin

from spacy_distill.corpora.inputs import Input

COMPRESSIONS = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pyarrow.compress(data, "zstd", asbytes=True),
}


def refuse_network(monkeypatch):
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


def as_csv(rows):
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def as_tsv(rows):
    """Write fields as they are; none has a tab or a line end."""
    lines = [list(rows[0]), *(row.values() for row in rows)]
    return "".join("\t".join(map(str, line)) + "\n" for line in lines).encode()


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
    ".tsv": as_tsv,
    ".parquet": as_parquet,
    ".spacy": as_spacy,
    ".txt": lambda rows: "".join(row["text"] + "\n" for row in rows).encode(),
}


def as_rows(texts):
    return [{"text": text, "number": number} for number, text in enumerate(texts)]


def write_below(tmp_path):
    """Give a function that writes rows as a file's name says, or bytes as they are."""

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
