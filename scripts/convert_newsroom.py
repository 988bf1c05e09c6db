"""Convert the newsroom corpus to four splits (train, dev, unlabeled, test):

python scripts/convert_newsroom.py assets/newsroom/raw corpus --lang en --labeled 5 --dev 8
"""

from pathlib import Path
from typing import Annotated, Dict, List, Optional

import spacy
import typer
from newsroom_markup import Article, article_to_doc, misfit_entities, read_articles
from spacy.language import Language
from splits import Split, write_splits
from wasabi import msg

TEST_FILE = "mixed.txt"
# The first development article has at least this index, so that the development articles are the
# same for any smaller number of labeled articles.
DEV_START = 5


def convert(
    raw: Path,
    nlp: Language,
    *,
    labeled: int = 5,
    dev: int = 8,
    unlabeled: Optional[int] = None,
    keep_entities: bool = False,
) -> List[Split]:
    """Read the corpus and split it. The file `mixed.txt` is the test set, and each other file is
    split.

    raw (Path): The folder of the articles.
    nlp (Language): The pipeline that tokenizes.
    labeled (int): The number of training articles per file, which are the first ones.
    dev (int): The number of development articles per file. They follow the labeled articles, and
        start at the sixth article or later.
    unlabeled (Optional[int]): The maximum number of unlabeled articles per file; all other articles
        if None.
    keep_entities (bool): Keep the entities of the unlabeled articles.
    RETURNS (List[Split]): The splits train, dev, unlabeled and test.
    RAISES (FileNotFoundError): The folder has no test file, or no other file.
    RAISES (ValueError): A file has wrong markup or too few articles.
    """
    paths = sorted(raw.glob("*.txt"))
    test_path = raw / TEST_FILE
    if test_path not in paths or len(paths) == 1:
        raise FileNotFoundError(
            f"{raw}: found {len(paths)} text file(s), expected {TEST_FILE} and at least one other, "
            "check the folder"
        )
    parts: Dict[str, List[Article]] = {"train": [], "dev": [], "unlabeled": []}
    dev_start = max(labeled, DEV_START)
    dev_end = dev_start + dev
    for path in paths:
        if path == test_path:
            continue
        articles = read_articles(path)
        if len(articles) < dev_end:
            raise ValueError(
                f"{path}: found {len(articles)} articles, expected at least {dev_end} to have "
                f"{labeled} for training and {dev} for development, ask for fewer"
            )
        parts["train"] += articles[:labeled]
        parts["dev"] += articles[dev_start:dev_end]
        parts["unlabeled"] += (articles[labeled:dev_start] + articles[dev_end:])[:unlabeled]
    parts["test"] = read_articles(test_path)
    return [
        make_split(name, articles, nlp, keep_entities or name != "unlabeled")
        for name, articles in parts.items()
    ]


def make_split(name: str, articles: List[Article], nlp: Language, keep_entities: bool) -> Split:
    """Tokenize the articles of a split.

    name (str): The split's name.
    articles (List[Article]): Its articles.
    nlp (Language): The pipeline that tokenizes.
    keep_entities (bool): Keep the entities.
    RETURNS (Split): The split.
    """
    docs = [
        article_to_doc(nlp.make_doc, article, keep_entities=keep_entities) for article in articles
    ]
    if not keep_entities:
        return Split(name, docs)
    misfits = (len(misfit_entities(*pair)) for pair in zip(docs, articles, strict=True))
    return Split(name, docs, sum(misfits))


def main(
    raw: Annotated[Path, typer.Argument(help="Folder of the articles")],
    output: Annotated[Path, typer.Argument(help="Folder to write the .spacy files to")],
    lang: Annotated[str, typer.Option(help="Language of the tokenizer")] = "en",
    labeled: Annotated[int, typer.Option(min=1, help="Training articles per file")] = 5,
    dev: Annotated[
        int, typer.Option(min=1, help="Development articles per file, from the sixth or later")
    ] = 8,
    unlabeled: Annotated[
        Optional[int], typer.Option(min=1, help="Unlabeled articles per file  [default: the rest]")
    ] = None,
    keep_entities: Annotated[
        bool, typer.Option("--keep-entities", help="Keep the entities of the unlabeled articles")
    ] = False,
) -> None:
    """Write train.spacy, dev.spacy, unlabeled.spacy and test.spacy."""
    try:
        splits = convert(
            raw,
            spacy.blank(lang),
            labeled=labeled,
            dev=dev,
            unlabeled=unlabeled,
            keep_entities=keep_entities,
        )
    except (FileNotFoundError, ValueError) as error:
        msg.fail(str(error), exits=1)
    write_splits(splits, output)


if __name__ == "__main__":
    typer.run(main)
