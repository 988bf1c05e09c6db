"""Convert column files, or JSON lines of words and tags, to train, dev, unlabeled and test splits:

python scripts/convert_conll.py conll2003 corpus --tag-column 1 --labeled 150
"""

from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated, Iterator, List, Optional

import spacy
import typer
from spacy.tokens import Doc
from spacy.vocab import Vocab
from splits import Split, write_splits
from wasabi import msg

from spacy_distill.corpora.conll import read_conll
from spacy_distill.corpora.input_files import format_of
from spacy_distill.corpora.tag_names import SCHEMES
from spacy_distill.corpora.tagged_json import read_tagged_json
from spacy_distill.documents import plain_copy

USUAL_DEV = ("dev.txt", "valid.txt")
# Default number of development sentences that are taken from the training file.
DEV_SENTENCES = 500


def convert(
    train: Path,
    dev: Optional[Path],
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
    scheme: Optional[str] = None,
    missing_tag: Optional[str] = None,
) -> List[Split]:
    """Read the files, and split the shuffled sentences of the training file into labeled and
    unlabeled ones.

    train (Path): The training file.
    dev (Optional[Path]): The development file. If None, its sentences are sampled from the training
        file.
    test (Path): The test file.
    vocab (Vocab): The documents' vocabulary.
    tag_column (int): The column of the tags.
    labeled (int): The number of labeled training sentences.
    seed (int): The seed of the shuffling.
    unlabeled (Optional[int]): The maximum number of unlabeled sentences; all if None.
    keep_entities (bool): Keep the entities of the unlabeled sentences.
    dev_sentences (Optional[int]): The maximum number of development sentences, sampled at random.
        If None, all are kept in the order of the file.
    extra_unlabeled (Optional[Path]): A column file with more unlabeled sentences, which follow
        those of the training file. Its tags are read only if `keep_entities` is set.
    scheme (Optional[str]): The scheme of the tags, as in `read_conll`.
    missing_tag (Optional[str]): The tag of lines without a tag. If None, such a line is an error.
    RETURNS (List[Split]): The splits train, dev, unlabeled and test, one document per sentence.
    RAISES (FileNotFoundError): A file does not exist.
    RAISES (ValueError): A file cannot be parsed, or the training file has too few sentences.
    """
    json_lines = partial(read_tagged_json, vocab=vocab, scheme=scheme)
    columns = partial(
        read_conll, vocab=vocab, tag_column=tag_column, scheme=scheme, missing_tag=missing_tag
    )

    def read(path: Path, **options: bool) -> Iterator[Doc]:
        return (json_lines if format_of(path) == ".jsonl" else columns)(path, **options)

    sentences = list(read(train))
    n_sentences = len(sentences)
    Random(seed).shuffle(sentences)
    if dev is None:
        n_dev = min(dev_sentences or DEV_SENTENCES, len(sentences))
        dev_docs, sentences = sentences[:n_dev], sentences[n_dev:]
    else:
        dev_docs = list(read(dev))
        if dev_sentences is not None:
            Random(seed).shuffle(dev_docs)
            dev_docs = dev_docs[:dev_sentences]
    if len(sentences) < labeled:
        raise ValueError(
            f"{train}: found {n_sentences} sentences, expected the {labeled} labeled ones "
            f"{'' if dev else 'and those for development '}or more, ask for fewer"
        )
    rest = sentences[labeled:]
    if not keep_entities:
        rest = [plain_copy(doc) for doc in rest]
    if extra_unlabeled is not None:
        rest += read(extra_unlabeled, keep_entities=keep_entities)
    return [
        Split("train", sentences[:labeled]),
        Split("dev", dev_docs),
        Split("unlabeled", rest[:unlabeled]),
        Split("test", list(read(test))),
    ]


def find_dev(folder: Path, name: Optional[str]) -> Optional[Path]:
    """RETURNS (Optional[Path]): The development file; None if the folder has none."""
    if name is not None:
        return folder / name
    found = [folder / usual for usual in USUAL_DEV if (folder / usual).exists()]
    if not found:
        msg.warn(
            f"{folder} has no {' or '.join(USUAL_DEV)}: sentences of the training file are used"
        )
    return found[0] if found else None


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of the column files")],
    output: Annotated[Path, typer.Argument(help="Folder to write the .spacy files to")],
    train_file: Annotated[str, typer.Option(help="Training file in the folder")] = "train.txt",
    dev_file: Annotated[
        Optional[str],
        typer.Option(
            help="Development file in the folder  [default: dev.txt, valid.txt, or else sentences "
            "of the training file]"
        ),
    ] = None,
    test_file: Annotated[str, typer.Option(help="Test file in the folder")] = "test.txt",
    lang: Annotated[str, typer.Option(help="Language of the text")] = "en",
    tag_column: Annotated[int, typer.Option(help="Column of the tags (0: the tokens)")] = -1,
    labeled: Annotated[int, typer.Option(min=1, help="Number of training sentences")] = 150,
    seed: Annotated[int, typer.Option(help="Seed of the random order")] = 0,
    unlabeled: Annotated[
        Optional[int],
        typer.Option(min=1, help="Number of unlabeled sentences  [default: the rest]"),
    ] = None,
    keep_entities: Annotated[
        bool, typer.Option("--keep-entities", help="Keep the entities of the unlabeled sentences")
    ] = False,
    dev_sentences: Annotated[
        Optional[int],
        typer.Option(
            "--dev", min=1, help="Number of development sentences  [default: the whole file]"
        ),
    ] = None,
    extra_unlabeled: Annotated[
        Optional[Path], typer.Option(help="Column file with more unlabeled sentences")
    ] = None,
    scheme: Annotated[
        Optional[str],
        typer.Option(
            help=f"Scheme of the tags: {', '.join(SCHEMES)}  [default: detected from their names]"
        ),
    ] = None,
    missing_tag: Annotated[
        Optional[str],
        typer.Option(help="Tag of lines without a tag  [default: such a line is an error]"),
    ] = None,
) -> None:
    """Write train.spacy, dev.spacy, unlabeled.spacy and test.spacy."""
    try:
        splits = convert(
            folder / train_file,
            find_dev(folder, dev_file),
            folder / test_file,
            spacy.blank(lang).vocab,
            tag_column=tag_column,
            labeled=labeled,
            seed=seed,
            unlabeled=unlabeled,
            keep_entities=keep_entities,
            dev_sentences=dev_sentences,
            extra_unlabeled=extra_unlabeled,
            scheme=scheme,
            missing_tag=missing_tag,
        )
    except (FileNotFoundError, ValueError) as error:
        msg.fail(str(error), exits=1)
    write_splits(splits, output)


if __name__ == "__main__":
    typer.run(main)
