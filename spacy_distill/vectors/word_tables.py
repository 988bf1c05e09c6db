"""Read, prune and join tables of word vectors, and make pipelines of them."""

from codecs import BOM_UTF8
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy
import spacy
from spacy.language import Language
from spacy.training.initialize import read_vectors
from spacy.util import is_package
from spacy.vectors import Mode, Vectors
from thinc.types import Floats2d, Ints1d

from ..corpora.parquet_limits import require_readable
from ..corpora.word_list import read_words
from ..loading import DAMAGE_ERRORS, import_library, load_pipeline
from ..models.vector_table import prune_rows
from ..names import similar_name_hint

# Tables that are joined are scaled to this root mean square, so that neither dominates. GloVe's
# first 50,000 words have 0.7.
SCALE = 0.5


class WordTable(NamedTuple):
    """A table of word vectors. Words can share a vector.

    words (List[str]): The distinct words, in most files sorted by frequency.
    rows (Ints1d): (words,) int64, the row of each word's vector.
    data (Floats2d): (rows, dimensions) float32, the vectors.
    lang (Optional[str]): The language; None if it is not known.
    """

    words: List[str]
    rows: Ints1d
    data: Floats2d
    lang: Optional[str] = None

    @property
    def words_with_own_row(self) -> List[str]:
        """The first word of each row."""
        firsts = numpy.unique(self.rows, return_index=True)[1]
        return [self.words[number] for number in sorted(firsts.tolist())]


def read_word_table(source: Union[str, Path], truncate: int = 0) -> WordTable:
    """Read word vectors.

    source (Union[str, Path]): One of
        - a pipeline, as a package or a folder
        - a text file of word2vec, GloVe or fastText, which may be zipped: each line has a word and
          the values of its vector
        - an `.npy` file of vectors with a word list in its folder, or this folder. The word list is
          `words.txt` with one word per line, or a `.parquet` file with the words in its first
          column.
    truncate (int): Read only this number of vectors from the beginning; 0 means all.
    RETURNS (WordTable): The table.
    RAISES (ValueError): The source cannot be read as any of these.
    """
    path, end = Path(source), truncate or None
    if is_package(str(source)) or (path / "meta.json").is_file():
        return table_of_pipeline(load_pipeline(source), str(source), end)
    if not path.exists():
        raise ValueError(
            f"[D293] There are no word vectors '{source}': found no such file, folder or package."
            f"{similar_name_hint(source)} Correct the path."
        )
    if path.is_dir() or path.suffix == ".npy":
        words, data = read_array(path if path.is_dir() else path.parent)
    else:
        words, data = _read_text(path, truncate)
    rows: Dict[str, int] = {}
    for row, word in enumerate(words[:end]):
        rows.setdefault(word, row)
    data = numpy.asarray(data[:end], dtype="float32")
    if not numpy.isfinite(data).all():
        raise ValueError(
            f"[D790] The word vectors '{source}' have values that are NaN, infinite, or too large "
            "for single precision. Create them again, without these."
        )
    return WordTable(list(rows), numpy.asarray(list(rows.values()), dtype="int64"), data)


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    """Name the source in errors of libraries about damaged files."""
    try:
        yield
    except (*DAMAGE_ERRORS, StopIteration, AssertionError) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, problem: object) -> ValueError:
    return ValueError(
        f"[D294] '{source}' cannot be read as word vectors: {problem}. Expected an .npy file, or "
        "UTF-8 text with a word and its values in each line, and the same number of values in all "
        "lines."
    )


def _read_text(path: Path, truncate: int) -> Tuple[List[str], Floats2d]:
    if not path.stat().st_size:
        raise _unreadable(path, "the file is empty")
    with path.open("rb") as file:
        if file.read(len(BOM_UTF8)) == BOM_UTF8:
            raise _unreadable(path, "it begins with a byte order mark. Remove this character")
    with _reading(path):
        data, words, _ = read_vectors(path, truncate)
    return words, data[: len(words)]


def read_array(folder: Path) -> Tuple[List[str], Floats2d]:
    """RETURNS (Tuple[List[str], Floats2d]): The words and vectors in a folder. RAISES (ValueError):
    The folder does not have exactly one word list and one array, or their lengths differ."""
    arrays = sorted(folder.glob("*.npy"))
    lists = sorted([*folder.glob("words.txt"), *folder.glob("*.parquet")])
    found = f"{len(arrays)} .npy files and {len(lists)} word lists"
    if len(arrays) == len(lists) == 1:
        with _reading(arrays[0]):
            # Mapping fails if the file is shorter than its header says. Reading would first
            # allocate.
            data = numpy.load(arrays[0], mmap_mode="r")
        words = _read_word_list(lists[0])
        if data.ndim == 2 and len(data) == len(words):
            return words, data
        found = f"{len(words)} words and an array of the shape {data.shape}"
    raise ValueError(
        f"[D295] '{folder}' is not a table of word vectors: found {found}. Expected one .npy file, "
        "with a row for each word of one word list (words.txt or a .parquet file)."
    )


def _read_word_list(path: Path) -> List[str]:
    if path.suffix == ".txt":
        return list(read_words(path))
    parquet = import_library("pyarrow.parquet", "train")
    with ExitStack() as stack:
        with _reading(path):
            file = stack.enter_context(parquet.ParquetFile(path))
            first = file.schema_arrow.names[:1]
        require_readable(path, file.metadata, f"'{path}'", columns=first)
        with _reading(path):
            words = file.read(columns=first).column(0).to_pylist()
    if not all(isinstance(word, str) for word in words):
        raise ValueError(
            f"[D246] The first column of '{path}', {first[0]}, has something else than words. "
            "Write the words there, as text."
        )
    return words


def table_of_pipeline(nlp: Language, name: str, end: Optional[int] = None) -> WordTable:
    """Take the word vectors of a pipeline.

    nlp (Language): The pipeline.
    name (str): The name of the pipeline in error messages.
    end (Optional[int]): The number of rows to take; None means all.
    RETURNS (WordTable): The vectors of all words whose strings are in the vocabulary.
    RAISES (ValueError): The pipeline has no word vectors, or has floret vectors.
    """
    vectors, strings = nlp.vocab.vectors, nlp.vocab.strings
    items = [(strings[key], row) for key, row in vectors.key2row.items() if key in strings]
    items = [(word, row) for word, row in items if row < (end or len(vectors.data))]
    if vectors.mode == Mode.floret or not items:
        raise ValueError(
            f"[D296] The pipeline '{name}' has no table of words with vectors. Expected a table "
            "such as `distill-vectors` writes: floret vectors and compact students have no words."
        )
    words, rows = zip(*items, strict=True)
    data = numpy.asarray(nlp.vocab.vectors.data[:end], dtype="float32")
    return WordTable(list(words), numpy.asarray(rows, dtype="int64"), data, nlp.lang)


def join(first: WordTable, second: WordTable) -> WordTable:
    """Concatenate the vectors of two tables by word.

    first (WordTable): The first table. The result has its words.
    second (WordTable): The second table. If it lacks a word, the vector of the first word with
        which the word shares its vector in the first table is used. If that word is missing too,
        the vector is zeros.
    RETURNS (WordTable): The new table. Both parts are scaled to the same root mean square.
    RAISES (ValueError): The tables have no word in common.
    """
    found = dict(zip(second.words, second.rows.tolist(), strict=True))
    second_rows = numpy.asarray([found.get(word, -1) for word in first.words])
    _, firsts, of_row = numpy.unique(first.rows, return_index=True, return_inverse=True)
    second_rows = numpy.where(second_rows >= 0, second_rows, second_rows[firsts][of_row])
    pairs, rows = numpy.unique(numpy.stack([first.rows, second_rows]), axis=1, return_inverse=True)
    parts = [scaled_rows(first.data, pairs[0]), scaled_rows(second.data, pairs[1])]
    return WordTable(first.words, rows.ravel(), numpy.concatenate(parts, axis=1), first.lang)


def scaled_rows(data: Floats2d, rows: Ints1d) -> Floats2d:
    """RETURNS (Floats2d): (rows, dimensions), the chosen vectors, scaled to the root mean square
    SCALE. Rows below 0 give zeros."""
    found = rows >= 0
    chosen = numpy.where(found[:, None], data[rows], numpy.float32(0.0))
    if not chosen.any():
        raise ValueError(
            "[D297] The tables of word vectors have no word in common. Join tables of one language."
        )
    return chosen * (SCALE / numpy.sqrt((chosen[found] ** 2).mean()))


def prune(table: WordTable, n_rows: int) -> WordTable:
    """RETURNS (WordTable): The first rows of a table. Words of other rows get the most similar
    vector that is kept, as in spaCy's `prune_vectors`."""
    rows, data = prune_rows(table.rows, table.data, n_rows)
    return table._replace(rows=rows, data=data)


def pipeline_of_table(table: WordTable, lang: str) -> Language:
    """RETURNS (Language): A blank pipeline with a table as its word vectors."""
    nlp = spacy.blank(lang)
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings,
        data=numpy.ascontiguousarray(table.data),
        name=f"{lang}_words.vectors",
    )
    for word, row in zip(table.words, table.rows.tolist(), strict=True):
        nlp.vocab.vectors.add(nlp.vocab.strings.add(word), row=row)
    return nlp


def vectors_pipeline(words: Sequence[str], vectors: Floats2d, lang: str) -> Language:
    """Make a blank pipeline with word vectors, for the `vectors` setting of a config.

    words (Sequence[str]): The distinct words.
    vectors (Floats2d): (words, dimensions), the vectors of the words.
    lang (str): The language of the pipeline.
    RETURNS (Language): The pipeline.
    """
    rows = numpy.arange(len(words))
    return pipeline_of_table(WordTable(list(words), rows, vectors.astype("float32")), lang)
