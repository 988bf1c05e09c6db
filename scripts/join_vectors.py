"""Put the word vectors of two pipelines side by side:

python scripts/join_vectors.py assets/vectors assets/teacher_vectors assets/joined_vectors
"""

from pathlib import Path
from typing import Annotated, Sequence

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.vectors import Mode
from thinc.types import Floats2d
from wasabi import msg

from spacy_distill.vectors.table import replace_pipeline, vectors_pipeline


def join(first: Language, second: Language) -> Language:
    """Join the tables of two pipelines.

    first (Language): A pipeline with word vectors, whose words the new table has.
    second (Language): Another one; words that it does not have get zeros in its place.
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
    parts = [vectors_of(nlp, keys) for nlp in (first, second)]
    words = [first.vocab.strings[key] for key in keys]
    return vectors_pipeline(words, numpy.concatenate(parts, axis=1), first.meta["lang"])


def vectors_of(nlp: Language, keys: Sequence[int]) -> Floats2d:
    """RETURNS (Floats2d): (keys, dimensions), zeros for words that there are not; of those that
    there are, the root mean square is 1/2, about GloVe's."""
    vectors = nlp.vocab.vectors
    rows = vectors.find(keys=keys)
    found = rows >= 0
    if not vectors.data[rows[found]].any():
        raise ValueError("Found no word that both tables know, expected tables of one language")
    joined = numpy.zeros((len(keys), vectors.shape[1]), dtype="float32")
    joined[found] = vectors.data[rows[found]]
    return joined * (0.5 / numpy.sqrt((joined[found] ** 2).mean()))


def main(
    first: Annotated[Path, typer.Argument(help="Pipeline whose words the new table has")],
    second: Annotated[Path, typer.Argument(help="Pipeline with vectors to put beside them")],
    output: Annotated[Path, typer.Argument(help="Folder to write the pipeline to")],
) -> None:
    """Write a blank pipeline with both vectors for each word."""
    try:
        nlp = join(spacy.load(first), spacy.load(second))
        replace_pipeline(nlp, output)
    except (OSError, ValueError) as error:
        msg.fail(str(error), exits=1)
    n_words, width = nlp.vocab.vectors.shape
    msg.good(f"Wrote {n_words:,} vectors of {width} dimensions to {output}")


if __name__ == "__main__":
    typer.run(main)
