"""Put the word vectors of two pipelines side by side:

python scripts/join_vectors.py assets/glove_vectors assets/transformer_vectors assets/vectors
"""

from pathlib import Path
from typing import Annotated, Dict, Tuple

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.vectors import Mode, Vectors
from thinc.types import Floats2d, Ints1d
from wasabi import msg

from spacy_distill.progress import ProgressBar
from spacy_distill.vectors.table import require_replaceable, write_pipeline

# The root mean square of both tables: neither outweighs the other. GloVe's first 50,000 words have
# 0.7.
SCALE = 0.5


def join(first: Language, second: Language) -> Language:
    """Join the tables of two pipelines.

    first (Language): A pipeline with word vectors, whose words the new table has.
    second (Language): Another one, of which only the first one's words are taken. A word that it
        does not have gets the vector there of the first word whose vector it shares in the first
        table; zeros if there is none.
    RETURNS (Language): A blank pipeline of the first one's language. Each table is scaled to the
        same root mean square.
    RAISES (ValueError): A table is none of words, or they have no word in common.
    """
    for nlp in (first, second):
        if nlp.vocab.vectors.mode == Mode.floret or not len(nlp.vocab.vectors.data):
            raise ValueError(
                f"Found a pipeline ({nlp.meta['lang']}_{nlp.meta['name']}) without a table of "
                "words, expected one such as scripts/make_vectors.py makes"
            )
    keys = list(first.vocab.vectors.key2row)
    rows, their_rows = (nlp.vocab.vectors.find(keys=keys).tolist() for nlp in (first, second))
    # What the first word of a row has in the second table, and a new row for each pair of vectors.
    of_first_words: Dict[int, int] = {}
    pairs: Dict[Tuple[int, int], int] = {}
    new_rows = []
    for row, their_row in zip(rows, their_rows, strict=True):
        of_first_word = of_first_words.setdefault(row, their_row)
        pair = row, their_row if their_row >= 0 else of_first_word
        new_rows.append(pairs.setdefault(pair, len(pairs)))
    chosen, theirs = numpy.asarray(list(pairs)).T
    parts = [vectors_of(first, chosen), vectors_of(second, theirs)]
    nlp = spacy.blank(first.meta["lang"])
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings,
        data=numpy.concatenate(parts, axis=1),
        name=f"{nlp.lang}_joined.vectors",
    )
    for key, row in zip(keys, new_rows, strict=True):
        nlp.vocab.vectors.add(nlp.vocab.strings.add(first.vocab.strings[key]), row=row)
    return nlp


def vectors_of(nlp: Language, rows: Ints1d) -> Floats2d:
    """RETURNS (Floats2d): (rows, dimensions), zeros for rows below 0; the root mean square of the
    others is SCALE."""
    found = rows >= 0
    data = numpy.where(found[:, None], nlp.vocab.vectors.data[rows], numpy.float32(0.0))
    if not data.any():
        raise ValueError("Found no word that both tables know, expected tables of one language")
    return data * (SCALE / numpy.sqrt((data[found] ** 2).mean()))


def main(
    first: Annotated[Path, typer.Argument(help="Pipeline whose words the new table has")],
    second: Annotated[Path, typer.Argument(help="Pipeline with vectors to put beside them")],
    output: Annotated[Path, typer.Argument(help="Folder to write the pipeline to")],
) -> None:
    """Write a blank pipeline with both vectors for each word."""
    try:
        require_replaceable(output)
        paths = ProgressBar((first, second), desc="Load", unit="table")
        nlp = join(*[spacy.load(path) for path in paths])
        write_pipeline(nlp, output)
    except (OSError, ValueError) as error:
        msg.fail(str(error), exits=1)
    count, width = nlp.vocab.vectors.shape
    keys = nlp.vocab.vectors.n_keys
    msg.good(f"Wrote {count:,} vectors of {width} dimensions for {keys:,} words to {output}")


if __name__ == "__main__":
    typer.run(main)
