"""Every test starts from the same seed, and with a vocabulary to itself."""

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
    """A vocabulary of its own: vectors are set on it."""
    return spacy.blank("en").vocab
