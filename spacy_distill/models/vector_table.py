"""A small table of word vectors that belongs to a model: keys without their strings, few bits."""

from typing import Dict, Optional, Tuple

import numpy
from spacy.vectors import Mode, Vectors
from thinc.api import to_numpy
from thinc.types import ArrayXd, Floats2d, Ints1d

from ..progress import ProgressBar

# keys (words,) uint64, ascending: hashes of the words; rows (words,): each word's row in data;
# data (rows, dimensions): float16 or float32, or int8 with `scales` (rows,) float32 as factors.
# A dict, as it is saved among a model's attributes.
VectorTable = Dict[str, ArrayXd]

DTYPES = ("int8", "float16", "float32")


def vector_table(
    vectors: Vectors, *, rows: Optional[int] = None, dtype: str = "int8"
) -> VectorTable:
    """Make a table out of a vocabulary's.

    vectors (Vectors): The vocabulary's table, the most frequent words first where it is to be
        pruned.
    rows (Optional[int]): The most vectors to keep. The words of the others get the most similar
        one's, as with spaCy's `prune_vectors`. None to keep all.
    dtype (str): One of DTYPES, in which a dimension is stored; int8 with a factor a vector.
    RETURNS (VectorTable): The table.
    RAISES (ValueError): There are no vectors with keys, or no such dtype.
    """
    require_keys(vectors)
    if dtype not in DTYPES:
        raise ValueError(
            f"[D611] Vectors are stored in {', '.join(DTYPES)}: found '{dtype}'. Choose one of "
            "these."
        )
    data = numpy.asarray(to_numpy(vectors.data), dtype="float32")
    items = numpy.asarray(sorted(vectors.key2row.items()), dtype="uint64")
    keys, places = items[:, 0], items[:, 1].astype("int64")
    if rows is not None:
        places, data = prune_rows(places, data, rows)
    table = {"keys": keys, "rows": places.astype("uint16" if len(data) <= 2**16 else "uint32")}
    if dtype != "int8":
        return {**table, "data": data.astype(dtype)}
    scales = numpy.abs(data).max(axis=1, initial=0) / 127
    units = numpy.where(scales > 0, scales, 1)[:, None]
    return {**table, "data": numpy.rint(data / units).astype("int8"), "scales": scales}


def require_keys(vectors: Vectors) -> None:
    """Make sure that a vocabulary's vectors have keys; raise ValueError if not."""
    if vectors.mode == Mode.floret or not vectors.n_keys:
        kind = "floret vectors, which have no keys" if vectors.mode == Mode.floret else "no vectors"
        raise ValueError(
            f"[D610] The pipeline's vocabulary has {kind}, expected a table with a key for each "
            "word. There is nothing to be made smaller."
        )


def look_up(table: VectorTable, *keys: Ints1d) -> Floats2d:
    """Find vectors.

    table (VectorTable): The table.
    keys (Ints1d): (forms,) uint64 hashes, of each form as it is to be looked up first, then as it
        is to be looked up if that is not there, and so on.
    RETURNS (Floats2d): (forms, dimensions) float32, zeros for what is not there.
    """
    data = table["data"]
    vectors = numpy.zeros((len(keys[0]), data.shape[1]), dtype="float32")
    missing = numpy.arange(len(vectors))
    for column in keys:
        wanted = column[missing]
        places = numpy.searchsorted(table["keys"], wanted)
        places[places == len(table["keys"])] = 0
        there = table["keys"][places] == wanted
        rows = table["rows"][places[there]]
        vectors[missing[there]] = data[rows]
        if "scales" in table:
            vectors[missing[there]] *= table["scales"][rows][:, None]
        missing = missing[~there]
    return vectors


def prune_rows(rows: Ints1d, data: Floats2d, n_rows: int) -> Tuple[Ints1d, Floats2d]:
    """Keep the first vectors of a table, and give the words of the others the most similar one.

    rows (Ints1d): (words,) int64, the row of each word.
    data (Floats2d): (rows, dimensions) float32
    n_rows (int): The most rows to keep.
    RETURNS (Tuple[Ints1d, Floats2d]): The new row of each word, and the rows that are kept.
    """
    if n_rows >= len(data):
        return rows, data
    nearest = most_similar_rows(data[n_rows:], data[:n_rows])
    return numpy.concatenate([numpy.arange(n_rows), nearest])[rows], data[:n_rows]


def most_similar_rows(queries: Floats2d, table: Floats2d, batch_size: int = 2000) -> Ints1d:
    """Find the row with the greatest cosine similarity for each of many vectors: what spaCy's
    `prune_vectors` does, without its sorting, which takes most of the time.

    queries (Floats2d): (queries, dimensions)
    table (Floats2d): (rows, dimensions)
    batch_size (int): Vectors compared at once; 4 bytes each and row.
    RETURNS (Ints1d): (queries,) int64
    """
    norms = numpy.linalg.norm(table, axis=1, keepdims=True)
    directions = (table / numpy.where(norms > 0, norms, 1)).T
    found = numpy.zeros(len(queries), dtype="int64")
    with ProgressBar(desc="Prune", total=len(queries), unit="word") as bar:
        for start in range(0, len(queries), batch_size):
            batch = queries[start : start + batch_size]
            found[start : start + batch_size] = (batch @ directions).argmax(axis=1)
            bar.update(len(batch))
    return found
