"""A compact table of word vectors in a model: hashes instead of strings, and few bits per value."""

from typing import Any, Dict, Mapping, Optional, Tuple

import numpy
import srsly
from spacy.vectors import Mode, Vectors
from thinc.api import Model, deserialize_attr, serialize_attr, to_numpy
from thinc.types import ArrayXd, Floats2d, Ints1d

from ..progress import ProgressBar
from .quantization import dequantize, quantize


class VectorTable(Dict[str, ArrayXd]):
    """The arrays of a table. It is empty where there is none.

    keys (words,) uint32: the words' hashes, shortened, ascending. Of 400,000 words some 20 share a
        key, and one form in 10,000 that is not in the table is taken for a word.
    rows (words,): the row of each word in `data`
    data (rows, columns): float16 or int8 values, or uint8 codes
    scales (rows,) float32: the factor of each row, for int8 only
    centroids, decoder: what decodes codes, as in `quantization.Quantized`

    It is a dict because it is saved among the attributes of a model. There the keys are steps from
    key to key, and of these first the low bytes, then the next ones: so an archive of 400,000 words
    takes 0.6 MB less.
    """


# The keys in a saved table: (4, words) uint8, a row for each byte of the steps, the lowest first.
KEY_STEPS = "key_steps"
# The bits per value.
BITS = (16, 8, 4, 2)
# Words that are compared with all rows at once: 4 bytes for each word and row.
QUERIES = 2000
# The types of `data`.
DATA_TYPES = ("float16", "int8", "uint8")


def vector_table(vectors: Vectors, *, rows: Optional[int] = None) -> VectorTable:
    """Create a compact table of the word vectors of a vocabulary, in half precision.

    vectors (Vectors): The vectors of the vocabulary. For pruning, the rows of the most frequent
        words have to come first.
    rows (Optional[int]): The maximum number of vectors. A word whose vector is dropped gets the
        most similar one that is kept, as with spaCy's `prune_vectors`. None to keep all.
    RETURNS (VectorTable): The table.
    RAISES (ValueError): The vectors have no keys, or values that are not finite.
    """
    require_keys(vectors)
    data = numpy.asarray(to_numpy(vectors.data), dtype="float32")
    items = numpy.asarray(list(vectors.key2row.items()), dtype="uint64")
    keys = shortened(items[:, 0])
    order = numpy.argsort(keys, kind="stable")
    places = items[order, 1].astype("int64")
    if rows is not None:
        places, data = prune_rows(places, data, rows)
    places = places.astype("uint16" if len(data) <= 2**16 else "uint32")
    with numpy.errstate(over="ignore"):
        halves = data.astype("float16")
    if not numpy.isfinite(halves).all():
        raise ValueError(
            "[D784] The word vectors have values that are NaN, or too large for half precision. "
            "Create the vectors again, without them."
        )
    return VectorTable(keys=keys[order], rows=places, data=halves)


def quantized(table: VectorTable, bits: int, metric: Optional[Floats2d] = None) -> VectorTable:
    """Store the vectors of a table in fewer bits.

    table (VectorTable): A table in half precision.
    bits (int): The bits per value: 8 for integers and a factor for each vector, 4 or 2 for product
        quantization.
    metric (Optional[Floats2d]): (dimensions, dimensions) what errors of product quantization are
        measured with, as in `quantize`.
    RETURNS (VectorTable): The same words, with smaller vectors.
    """
    data = table["data"].astype("float32")
    if bits < 8:
        codes, centroids, decoder = quantize(data, 8 // bits, metric)
        return with_arrays(table, data=codes, centroids=centroids, decoder=decoder)
    scales = numpy.abs(data).max(axis=1, initial=0) / 127
    divisors = numpy.where(scales > 0, scales, 1)[:, None]
    return with_arrays(table, data=numpy.rint(data / divisors).astype("int8"), scales=scales)


def unpacked(table: VectorTable, *, rows: Optional[int] = None) -> VectorTable:
    """Store the vectors of a table in half precision again, to make the table smaller in another
    way.

    table (VectorTable): A table.
    rows (Optional[int]): The maximum number of vectors, as in `vector_table`.
    RETURNS (VectorTable): The same words.
    """
    data, places = table["data"], table["rows"].astype("int64")
    if "decoder" in table:
        data = dequantize(data, table["centroids"], table["decoder"])
    elif "scales" in table:
        data = data * table["scales"][:, None]
    if rows is not None:
        places, data = prune_rows(places, data.astype("float32"), rows)
    return VectorTable(
        keys=table["keys"],
        rows=places.astype(table["rows"].dtype),
        data=data.astype("float16"),
    )


def with_arrays(table: VectorTable, **arrays: ArrayXd) -> VectorTable:
    """RETURNS (VectorTable): A copy of a table with other arrays. Those that stay are shared."""
    return VectorTable({**table, **arrays})


def bits_per_value(table: VectorTable) -> int:
    """RETURNS (int): The bits of each value of a table, one of BITS."""
    data = table["data"]
    return 8 * data.itemsize * data.shape[1] // n_dimensions(table)


def shortened(hashes: Ints1d) -> Ints1d:
    """RETURNS (Ints1d): 64-bit hashes in 32 bits, both halves combined: the hashes of spaCy's
    symbols, such as "ORG", are small numbers."""
    return (hashes ^ (hashes >> numpy.uint64(32))).astype("uint32")


def n_dimensions(table: VectorTable) -> int:
    """RETURNS (int): The dimensions of a table's vectors."""
    return table["decoder" if "decoder" in table else "data"].shape[1]


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
    vectors = numpy.zeros((len(keys[0]), n_dimensions(table)), dtype="float32")
    missing = numpy.arange(len(vectors))
    for column in keys:
        hashes = shortened(column[missing])
        places = numpy.searchsorted(table["keys"], hashes)
        places[places == len(table["keys"])] = 0
        is_found = table["keys"][places] == hashes
        rows = table["rows"][places[is_found]]
        values = table["data"][rows]
        if "decoder" in table:
            values = dequantize(values, table["centroids"], table["decoder"])
        elif "scales" in table:
            values = values * table["scales"][rows, None]
        vectors[missing[is_found]] = values
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


def most_similar_rows(queries: Floats2d, table: Floats2d) -> Ints1d:
    """Find the row of a table with the greatest cosine similarity to each query.

    spaCy's `prune_vectors` does the same, but also sorts the rows, which takes most of its time.

    queries (Floats2d): (queries, dimensions)
    table (Floats2d): (rows, dimensions)
    RETURNS (Ints1d): (queries,) int64
    """
    norms = numpy.linalg.norm(table, axis=1, keepdims=True)
    directions = (table / numpy.where(norms > 0, norms, 1)).T
    found = numpy.zeros(len(queries), dtype="int64")
    with ProgressBar(desc="Prune", total=len(queries), unit="word") as bar:
        for start in range(0, len(queries), QUERIES):
            batch = queries[start : start + QUERIES]
            found[start : start + QUERIES] = (batch @ directions).argmax(axis=1)
            bar.update(len(batch))
    return found


@serialize_attr.register(VectorTable)
def save_table(_: Any, table: VectorTable, name: str, model: Model) -> bytes:
    """RETURNS (bytes): A table as it is saved with a model."""
    return srsly.msgpack_dumps(saved_table(table) if table else None)


@deserialize_attr.register(VectorTable)
def load_table(_: Any, data: bytes, name: str, model: Model) -> VectorTable:
    """RETURNS (VectorTable): What `save_table` saved."""
    saved = srsly.msgpack_loads(data)
    return VectorTable() if saved is None else restore_table(saved)


def saved_table(table: VectorTable) -> Dict[str, ArrayXd]:
    """RETURNS (Dict[str, ArrayXd]): The arrays to save."""
    steps = numpy.diff(table["keys"], prepend=numpy.uint32(0)).astype("<u4")
    planes = steps.view("uint8").reshape(-1, 4).T
    others = {name: array for name, array in table.items() if name != "keys"}
    return {KEY_STEPS: numpy.ascontiguousarray(planes), **others}


def restore_table(saved: Mapping[str, ArrayXd]) -> VectorTable:
    """RETURNS (VectorTable): The table of arrays that were saved."""
    steps = numpy.ascontiguousarray(saved[KEY_STEPS].T).view("<u4")[:, 0]
    others = {name: array for name, array in saved.items() if name != KEY_STEPS}
    return VectorTable(keys=steps.cumsum(dtype="uint32"), **others)


def problem_of_table(saved: Any, width: Optional[int]) -> str:
    """Check a table that was read from a file.

    saved (Any): What was read.
    width (Optional[int]): The expected number of dimensions.
    RETURNS (str): What is wrong with it; empty if nothing is.
    """
    if not isinstance(saved, dict) or not {KEY_STEPS, "rows", "data"} <= set(saved):
        return "has no words"
    if not all(isinstance(array, numpy.ndarray) for array in saved.values()):
        return "has something else than arrays"
    steps, rows, data = saved[KEY_STEPS], saved["rows"], saved["data"]
    kinds = {name: (array.dtype.name, array.ndim) for name, array in saved.items()}
    parts = {"int8": ["scales"], "uint8": ["centroids", "decoder"]}.get(data.dtype.name, [])
    expected = {KEY_STEPS: ("uint8", 2), "data": (data.dtype.name, 2), "scales": ("float32", 1)}
    expected |= {"centroids": ("float32", 3), "decoder": ("float32", 2)}
    if set(saved) != {KEY_STEPS, "rows", "data", *parts} or data.dtype.name not in DATA_TYPES:
        return f"has the parts {', '.join(map(str, saved))} of {data.dtype}"
    if any(kinds[name] != expected[name] for name in saved if name != "rows"):
        return f"has arrays of other types: {kinds}"
    n_words = steps.shape[1]
    if rows.dtype.name not in ("uint16", "uint32") or rows.shape != (n_words,) or not n_words:
        return f"has {n_words} words with rows of {rows.dtype}, {rows.shape}"
    if len(steps) != 4:
        return f"has words of {len(steps)} bytes"
    table = restore_table(saved)
    if (table["keys"][1:] < table["keys"][:-1]).any():
        return "has words that are not sorted"
    if int(rows.max()) >= len(data):
        return f"has words in row {rows.max()} of {len(data)}"
    if "scales" in table and len(table["scales"]) != len(data):
        return f"has {len(table['scales'])} factors for {len(data)} rows"
    if "decoder" in table:
        n_parts, n_centroids, size = table["centroids"].shape
        if data.shape[1] != n_parts or len(table["decoder"]) != n_parts * size:
            return "has parts that do not fit together"
        if data.size and int(data.max()) >= n_centroids:
            return f"has codes up to {data.max()} of {n_centroids} centroids"
    if n_dimensions(table) != width:
        return f"has {n_dimensions(table)} dimensions, expected {width}"
    if not all(numpy.isfinite(a).all() for a in table.values() if a.dtype.kind == "f"):
        return "has NaN or infinite values"
    return ""
