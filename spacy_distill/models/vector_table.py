"""A compact table of word vectors in a model: hashes instead of strings, and 8 bits per value."""

from typing import Dict, Optional, Tuple

import numpy
from spacy.vectors import Mode, Vectors
from thinc.api import to_numpy
from thinc.types import ArrayXd, Floats2d, Ints1d

from ..progress import ProgressBar

# keys (words,) uint64: the hashes of the words, ascending
# rows (words,): the row of each word in `data`
# data (rows, dimensions): float32, float16, or int8
# scales (rows,) float32: the factor of each row, for int8 only
# It is a dict because it is saved among the attributes of a model.
VectorTable = Dict[str, ArrayXd]

DTYPES = ("int8", "float16", "float32")


def vector_table(
    vectors: Vectors, *, rows: Optional[int] = None, dtype: str = "int8"
) -> VectorTable:
    """Create a compact table of the word vectors of a vocabulary.

    vectors (Vectors): The vectors of the vocabulary. For pruning, the rows of the most frequent
        words have to come first.
    rows (Optional[int]): The maximum number of vectors. A word whose vector is dropped gets the
        most similar one that is kept, as with spaCy's `prune_vectors`. None to keep all.
    dtype (str): The type of the values, one of DTYPES. With int8, each vector has a float factor.
    RETURNS (VectorTable): The table.
    RAISES (ValueError): The vectors have no keys, or the dtype is not supported.
    """
    require_keys(vectors)
    if dtype not in DTYPES:
        raise ValueError(
            f"[D611] Word vectors cannot be stored as '{dtype}'. Choose one of {', '.join(DTYPES)}."
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
    divisors = numpy.where(scales > 0, scales, 1)[:, None]
    return {**table, "data": numpy.rint(data / divisors).astype("int8"), "scales": scales}


def require_keys(vectors: Vectors) -> None:
    """Raise ValueError if the vectors of a vocabulary have no keys."""
    if vectors.mode == Mode.floret or not vectors.n_keys:
        kind = "floret vectors, which have no keys" if vectors.mode == Mode.floret else "no vectors"
        raise ValueError(
            f"[D610] The pipeline's vocabulary has {kind}, so nothing can be compacted. Expected "
            "word vectors with a key for each word."
        )


def look_up(table: VectorTable, *keys: Ints1d) -> Floats2d:
    """Look up the vectors of word forms.

    table (VectorTable): The table.
    keys (Ints1d): (forms,) uint64 hashes. Each array is used for the forms that were not found with
        the arrays before it.
    RETURNS (Floats2d): (forms, dimensions) float32, zeros for missing forms.
    """
    data = table["data"]
    vectors = numpy.zeros((len(keys[0]), data.shape[1]), dtype="float32")
    missing = numpy.arange(len(vectors))
    for column in keys:
        hashes = column[missing]
        places = numpy.searchsorted(table["keys"], hashes)
        places[places == len(table["keys"])] = 0
        is_found = table["keys"][places] == hashes
        rows = table["rows"][places[is_found]]
        vectors[missing[is_found]] = data[rows]
        if "scales" in table:
            vectors[missing[is_found]] *= table["scales"][rows][:, None]
        missing = missing[~is_found]
    return vectors


def prune_rows(rows: Ints1d, data: Floats2d, n_rows: int) -> Tuple[Ints1d, Floats2d]:
    """Keep the first rows of a table. The words of dropped rows get the most similar row that is
    kept.

    rows (Ints1d): (words,) int64, the row of each word.
    data (Floats2d): (rows, dimensions) float32
    n_rows (int): The maximum number of rows.
    RETURNS (Tuple[Ints1d, Floats2d]): The new row of each word, and the rows that are kept.
    """
    if n_rows >= len(data):
        return rows, data
    nearest = most_similar_rows(data[n_rows:], data[:n_rows])
    return numpy.concatenate([numpy.arange(n_rows), nearest])[rows], data[:n_rows]


def most_similar_rows(queries: Floats2d, table: Floats2d, batch_size: int = 2000) -> Ints1d:
    """Find the row of a table with the greatest cosine similarity to each query.

    spaCy's `prune_vectors` does the same, but also sorts the rows, which takes most of its time.

    queries (Floats2d): (queries, dimensions)
    table (Floats2d): (rows, dimensions)
    batch_size (int): The number of queries compared at once. A batch takes 4 bytes per query and
        row.
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
