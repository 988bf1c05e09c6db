"""The benchmarks are scripts: their folder has to be found."""

import sys
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from low_resource_data import Cell, Dataset
from low_resource_scores import with_entities

GOLD = [[(0, 2, "PER"), (3, 4, "LOC")], [(0, 1, "LOC")], []]


@pytest.fixture
def docs():
    vocab = spacy.blank("en").vocab
    texts = ["Anna Berg in Oslo .", "Oslo sleeps", "Nobody came"]
    return [
        with_entities(Doc(vocab, words=text.split(" ")), entities)
        for text, entities in zip(texts, GOLD, strict=True)
    ]


@pytest.fixture
def cell(tmp_path):
    return Cell(Dataset.conll, 600, 3, tmp_path / "cell", tmp_path / "conll")
