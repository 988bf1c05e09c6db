"""Convert column files to the four splits of a distillation:

python scripts/convert_conll.py conll2003 corpus --tag-column 1 --labeled 150
"""

from pathlib import Path
from random import Random
from typing import Annotated, List, Optional

import spacy
import typer
from spacy.tokens import Doc
from spacy.vocab import Vocab
from splits import Split, write_splits
from wasabi import msg

from spacy_distill.corpora.conll import read_conll


def convert(
    train: Path,
    dev: Path,
    test: Path,
    vocab: Vocab,
    *,
    tag_column: int = -1,
    labeled: int = 150,
    seed: int = 0,
    unlabeled: Optional[int] = None,
    keep_entities: bool = False,
    dev_sentences: Optional[int] = None,
    extra_unlabeled: Optional[Path] = None,
) -> List[Split]:
    """Read the files and split the sentences of the training file, in random order, into labeled
    and unlabeled ones.

    train (Path): The training file.
    dev (Path): The development file.
    test (Path): The test file.
    vocab (Vocab): The documents' vocabulary.
    tag_column (int): The column of the tags.
    labeled (int): How many sentences of the training file are for training.
    seed (int): The seed of the random order.
    unlabeled (Optional[int]): At most so many sentences are kept as unlabeled; all if None.
    keep_entities (bool): Keep the entities of the unlabeled sentences.
    dev_sentences (Optional[int]): At most so many sentences of the development file are kept,
        drawn at random; all in the file's order if None.
    extra_unlabeled (Optional[Path]): A column file of more unlabeled sentences, which follow
        those of the training file. Its tags are read only to keep the entities.
    RETURNS (List[Split]): The splits train, dev, unlabeled and test, one document a sentence.
    RAISES (FileNotFoundError): A file does not exist.
    RAISES (ValueError): A file is not understood, or the training file has too few sentences.
    """
    sentences = list(read_conll(train, vocab, tag_column=tag_column))
    if len(sentences) <= labeled:
        raise ValueError(
            f"{train}: found {len(sentences)} sentences, expected more than the {labeled} labeled "
            "ones, ask for fewer"
        )
    Random(seed).shuffle(sentences)
    rest = sentences[labeled:]
    if not keep_entities:
        rest = [Doc(vocab, words=[token.text for token in doc]) for doc in rest]
    if extra_unlabeled is not None:
        rest += read_conll(
            extra_unlabeled, vocab, tag_column=tag_column, keep_entities=keep_entities
        )
    dev_docs = list(read_conll(dev, vocab, tag_column=tag_column))
    if dev_sentences is not None:
        Random(seed).shuffle(dev_docs)
        dev_docs = dev_docs[:dev_sentences]
    return [
        Split("train", sentences[:labeled]),
        Split("dev", dev_docs),
        Split("unlabeled", rest[:unlabeled]),
        Split("test", list(read_conll(test, vocab, tag_column=tag_column))),
    ]


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of the column files")],
    output: Annotated[Path, typer.Argument(help="Folder to write the .spacy files to")],
    train_file: Annotated[str, typer.Option(help="Training file in the folder")] = "train.txt",
    dev_file: Annotated[
        Optional[str],
        typer.Option(help="Development file in the folder  [default: dev.txt or valid.txt]"),
    ] = None,
    test_file: Annotated[str, typer.Option(help="Test file in the folder")] = "test.txt",
    lang: Annotated[str, typer.Option(help="Language of the text")] = "en",
    tag_column: Annotated[int, typer.Option(help="Column of the tags, 0 is the token's")] = -1,
    labeled: Annotated[int, typer.Option(min=1, help="Training sentences")] = 150,
    seed: Annotated[int, typer.Option(help="Seed of the random order")] = 0,
    unlabeled: Annotated[
        Optional[int], typer.Option(min=1, help="Unlabeled sentences  [default: the rest]")
    ] = None,
    keep_entities: Annotated[
        bool, typer.Option("--keep-entities", help="Keep the entities of the unlabeled sentences")
    ] = False,
    dev_sentences: Annotated[
        Optional[int],
        typer.Option("--dev", min=1, help="Development sentences  [default: the whole file]"),
    ] = None,
    extra_unlabeled: Annotated[
        Optional[Path], typer.Option(help="Column file of more unlabeled sentences")
    ] = None,
) -> None:
    """Write train.spacy, dev.spacy, unlabeled.spacy and test.spacy."""
    try:
        splits = convert(
            folder / train_file,
            folder / (dev_file or ("dev.txt" if (folder / "dev.txt").exists() else "valid.txt")),
            folder / test_file,
            spacy.blank(lang).vocab,
            tag_column=tag_column,
            labeled=labeled,
            seed=seed,
            unlabeled=unlabeled,
            keep_entities=keep_entities,
            dev_sentences=dev_sentences,
            extra_unlabeled=extra_unlabeled,
        )
    except (FileNotFoundError, ValueError) as error:
        msg.fail(str(error), exits=1)
    write_splits(splits, output)


if __name__ == "__main__":
    typer.run(main)
