"""Make a spaCy vectors table from word vectors in numpy and parquet files:

python scripts/make_vectors.py assets/pretrained/glove assets/vectors --lang en --rows 50000
"""

from pathlib import Path
from typing import Annotated, List, Optional, Set, Tuple

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.types import Floats2d
from wasabi import msg

from spacy_distill.models.vector_table import most_similar_rows
from spacy_distill.vectors.table import write_pipeline


def read_glove(folder: Path) -> Tuple[List[str], Floats2d]:
    """Read words and vectors.

    folder (Path): A folder with one .npy file of vectors and one .parquet file whose first column
        has the words, both with the most frequent word first.
    RETURNS (Tuple[List[str], Floats2d]): The words, and their vectors of the shape
        (words, dimensions), which stay on disk until they are used.
    RAISES (FileNotFoundError): The folder does not have one file of each kind.
    RAISES (ValueError): The files do not have the same number of rows.
    """
    import pyarrow.parquet

    data = numpy.load(_only_file(folder, "*.npy"), mmap_mode="r")
    words = pyarrow.parquet.read_table(_only_file(folder, "*.parquet")).column(0).to_pylist()
    if data.ndim != 2 or len(data) != len(words):
        raise ValueError(
            f"{folder}: found {len(words)} words and vectors of the shape {data.shape}, "
            "expected one vector a word, fetch the files again"
        )
    return words, data


def read_words(paths: List[Path]) -> Set[str]:
    """Collect the words of documents.

    paths (List[Path]): DocBin files.
    RETURNS (Set[str]): All their words in lower case.
    RAISES (FileNotFoundError): A file does not exist.
    """
    words: Set[str] = set()
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file, expected a DocBin, check the path")
        for doc in DocBin().from_disk(path).get_docs(Vocab()):
            words.update(token.text.lower() for token in doc)
    return words


def make_vectors(
    words: List[str], data: Floats2d, lang: str, *, rows: int, keep: Set[str], prune: bool = False
) -> Language:
    """Make a blank pipeline with a vectors table, whose keys are lower-cased words.

    words (List[str]): Lower-cased words, the most frequent first.
    data (Floats2d): Their vectors, of the shape (words, dimensions).
    lang (str): The pipeline's language.
    rows (int): How many words to take from the start.
    keep (Set[str]): Words to take wherever they are.
    prune (bool): Keep all other words too, each with the most similar of the vectors taken.
    RETURNS (Language): The pipeline.
    """
    indices = [index for index, word in enumerate(words) if index < rows or word in keep]
    nlp = spacy.blank(lang)
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings,
        data=numpy.ascontiguousarray(data[indices], dtype="float32"),
        keys=[nlp.vocab.strings.add(words[index]) for index in indices],
        name=f"{lang}_glove.vectors",
    )
    if prune:
        rest = numpy.setdiff1d(numpy.arange(len(words)), indices)
        nearest = most_similar_rows(data[rest], nlp.vocab.vectors.data)
        for index, row in zip(rest.tolist(), nearest.tolist(), strict=True):
            nlp.vocab.vectors.add(nlp.vocab.strings.add(words[index]), row=row)
    return nlp


def main(
    glove: Annotated[Path, typer.Argument(help="Folder of the .npy and the .parquet file")],
    output: Annotated[Path, typer.Argument(help="Folder to write the pipeline to")],
    lang: Annotated[str, typer.Option(help="Language of the words")] = "en",
    rows: Annotated[
        int, typer.Option(min=1, help="Words to take, the most frequent first")
    ] = 50000,
    prune: Annotated[
        bool, typer.Option("--prune", help="Give all other words the most similar vector's row")
    ] = False,
    words: Annotated[
        Optional[List[Path]],
        typer.Option(help="A .spacy file whose words are taken as well; may be repeated"),
    ] = None,
    word_list: Annotated[
        Optional[Path],
        typer.Option(help="File to write the words to that have vectors of their own, one a line"),
    ] = None,
) -> None:
    """Make a blank pipeline with word vectors, for the `vectors` setting of a config."""
    try:
        keep = read_words(words or [])
        nlp = make_vectors(*read_glove(glove), lang, rows=rows, keep=keep, prune=prune)
        write_pipeline(nlp, output)
        if word_list is not None:
            # The words that share a row come after those that have one of their own.
            keys = list(nlp.vocab.vectors.key2row)[: len(nlp.vocab.vectors.data)]
            own = [nlp.vocab.strings[key] for key in keys]
            word_list.write_text("\n".join(own) + "\n", encoding="utf8")
    except (FileNotFoundError, ValueError) as error:
        msg.fail(str(error), exits=1)
    count, width = nlp.vocab.vectors.shape
    keys = nlp.vocab.vectors.n_keys
    msg.good(f"Wrote {count:,} vectors of {width} dimensions for {keys:,} words to {output}")


def _only_file(folder: Path, pattern: str) -> Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise FileNotFoundError(
            f"{folder}: found {len(files)} files {pattern}, expected one, fetch the files first"
        )
    return files[0]


if __name__ == "__main__":
    typer.run(main)
