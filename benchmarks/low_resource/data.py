"""The corpora of the low-resource benchmark and their splits."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import List, Optional

from benchmarks.commands import ROOT


class Dataset(str, Enum):
    """The corpora that the benchmark can prepare."""

    newsroom = "newsroom"
    conll = "conll"
    wnut = "wnut"
    swedish = "swedish"


# Options of the script that splits a corpus. Development sets are small, as they are where there
# are few labels.
OPTIONS = {
    Dataset.conll: ["--tag-column", "1", "--dev", "1000"],
    Dataset.wnut: [
        *("--train-file", "wnut17train.conll", "--dev-file", "emerging.dev.conll"),
        *("--test-file", "emerging.test.annotated", "--tag-column", "1", "--dev", "500"),
    ],
    Dataset.swedish: [
        *("--train-file", "train_corpus.txt", "--test-file", "test_corpus.txt"),
        # One word of the training file has no tag.
        *("--tag-column", "1", "--scheme", "types", "--missing-tag", "0"),
        *("--dev", "500", "--lang", "sv"),
    ],
}

# Where all of a training set can be labeled, so many sentences.
SENTENCES = {Dataset.conll: 14_041}


@dataclass(frozen=True)
class Cell:
    """A corpus, a number of labels and a seed, which all systems of the cell share.

    dataset (Dataset): The corpus.
    labeled (int): Labeled sentences; of newsroom, labeled articles of each file.
    seed (int): Draws the labeled sentences (newsroom has one split), and seeds the training.
    folder (Path): Where the cell's corpus, models and logs are.
    data (Path): The folder of the corpus as it was published.
    """

    dataset: Dataset
    labeled: int
    seed: int
    folder: Path
    data: Path

    @property
    def corpus(self) -> Path:
        """The folder of train.spacy, dev.spacy, unlabeled.spacy and test.spacy."""
        return self.folder / "corpus"

    @property
    def lang(self) -> str:
        return "sv" if self.dataset is Dataset.swedish else "en"

    @property
    def has_unlabeled(self) -> bool:
        """Whether there are sentences without labels: not if all have some."""
        return self.labeled != SENTENCES.get(self.dataset)

    @property
    def split(self) -> List[str]:
        """The options of the script that splits the corpus."""
        options = ["--labeled", str(self.labeled)]
        if self.dataset is not Dataset.newsroom:
            options += ["--seed", str(self.seed), *OPTIONS[self.dataset]]
        return options

    def conversion(self) -> List[str]:
        """Make the command that splits the corpus, without `python`."""
        name = "newsroom" if self.dataset is Dataset.newsroom else "conll"
        return [f"scripts/convert_{name}.py", str(self.data), str(self.corpus), *self.split]


def default_data(dataset: Dataset) -> Optional[Path]:
    """Find the folder of a corpus that is part of the project; None for other corpora."""
    return ROOT / "assets" / "newsroom" / "raw" if dataset is Dataset.newsroom else None
