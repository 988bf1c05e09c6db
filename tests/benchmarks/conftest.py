"""Documents and a cell for the tests of the benchmarks."""

import pytest
import spacy
from spacy.tokens import Doc

from benchmarks.low_resource.data import Cell, Dataset
from benchmarks.low_resource.scores import with_entities
from spacy_distill import kernels

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


@pytest.fixture(autouse=True)
def kernels_stay():
    """Scripts choose kernels for the whole process."""
    precision = "int8" if kernels.allows_integers else "float32"
    before = f"{kernels.in_use},{precision}"
    yield
    kernels.use(before)
