"""Corpora in every format and compression."""

import bz2
import csv
import gzip
import io
import json
import lzma

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


def as_json(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows):
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def as_tsv(rows):
    """Write fields without quoting. No field has a tab or a line end."""
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


def texts(source, **options):
    return [document.text for document in Input(str(source), **options)]
