"""Digests of the inputs of the low-resource benchmark: corpora, folders, word vectors."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Optional, Sequence, Tuple

import numpy
import spacy
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from benchmarks.commands import files_digest

PARTS = ("train", "unlabeled", "dev", "test")


def folder_digest(folder: Path, endings: Sequence[str] = ()) -> str:
    """RETURNS (str): Of the files in a folder, or of those with these endings alone.
    RAISES (FileNotFoundError): There is no such folder."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder, fetch or make it first")
    paths = [path for path in folder.rglob("*") if not endings or path.suffix in endings]
    return files_digest([path for path in paths if path.is_file()], folder)


def corpus_digest(folder: Path) -> str:
    """Compute a digest of the words and entities of a cell's documents."""
    paths = [folder / f"{part}.spacy" for part in PARTS]
    return _documents_digest(tuple((path, path.stat().st_mtime_ns) for path in paths))


@cache
def _documents_digest(files: Tuple[Tuple[Path, int], ...]) -> str:
    content = hashlib.blake2b(digest_size=8)
    vocab = Vocab()
    for path, _ in files:
        for doc in DocBin().from_disk(path).get_docs(vocab):
            entities = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
            content.update(repr((path.stem, [token.text for token in doc], entities)).encode())
    return content.hexdigest()


@cache
def vectors_digest(pipeline: Optional[Path]) -> str:
    """Compute a digest of a table of word vectors, from its words, shape and norm (to four
    digits); empty for no table."""
    if pipeline is None:
        return ""
    vectors = spacy.load(pipeline).vocab.vectors
    norm = numpy.linalg.norm(vectors.data.astype("float64"))
    content = hashlib.blake2b(f"{vectors.data.shape} {norm:.4g}".encode(), digest_size=8)
    for items in zip(*sorted(vectors.key2row.items()), strict=True):
        content.update(numpy.asarray(items, dtype="uint64").tobytes())
    return content.hexdigest()


@cache
def vectors_signs(pipeline: Optional[Path]) -> str:
    """Compute the signs of 64 random projections of a table of word vectors; empty for no table.
    They identify the table, and do not depend on rounding, which differs between processors
    (Charikar 2002, "Similarity Estimation Techniques from Rounding Algorithms")."""
    if pipeline is None:
        return ""
    data = spacy.load(pipeline).vocab.vectors.data.astype("float64")
    rng = numpy.random.default_rng(0)
    rows, columns = (rng.normal(size=(64, size)) for size in data.shape)
    return numpy.packbits(((rows @ data) * columns).sum(axis=1) > 0).tobytes().hex()
