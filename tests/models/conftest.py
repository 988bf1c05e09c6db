"""Each test has the same seed and its own vocabulary."""

import numpy
import pytest
import spacy
from thinc.api import fix_random_seed


@pytest.fixture(autouse=True)
def seed():
    fix_random_seed(0)


@pytest.fixture
def rng():
    return numpy.random.default_rng(0)


@pytest.fixture
def vocab():
    """A new vocabulary, because tests add vectors to it."""
    return spacy.blank("en").vocab
