"""Write the splits of a corpus as DocBin files, for the conversion scripts."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

from spacy.tokens import Doc, DocBin
from wasabi import msg


@dataclass(frozen=True)
class Split:
    """A part of a corpus.

    name (str): The name of the part and of its file, without `.spacy`.
    docs (List[Doc]): The documents.
    misfits (int): The number of entities that do not align with the tokens and were set to missing.
    """

    name: str
    docs: List[Doc]
    misfits: int = 0


def write_splits(splits: List[Split], output: Path) -> None:
    """Write each split to its own file, and print a table of their sizes.

    splits (List[Split]): The splits.
    output (Path): The folder to write to, created if it does not exist.
    """
    output.mkdir(parents=True, exist_ok=True)
    for split in splits:
        path = output / f"{split.name}.spacy"
        temporary = output / f".{split.name}.spacy.part"
        try:
            DocBin(docs=split.docs).to_disk(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    msg.table(
        [_count(split) for split in splits],
        header=("split", "documents", "sentences", "tokens", "entities", "misfits"),
        aligns=("l", "r", "r", "r", "r", "r"),
        divider=True,
    )


def _count(split: Split) -> Tuple[str, ...]:
    # A document without sentence starts is one sentence.
    sentences = sum(sum(bool(t.is_sent_start) for t in doc) or 1 for doc in split.docs)
    tokens = sum(len(doc) for doc in split.docs)
    known = any(doc.has_annotation("ENT_IOB") for doc in split.docs)
    entities = f"{sum(len(doc.ents) for doc in split.docs):,}" if known else "unset"
    sizes = (f"{size:,}" for size in (len(split.docs), sentences, tokens))
    return (split.name, *sizes, entities, f"{split.misfits:,}")
