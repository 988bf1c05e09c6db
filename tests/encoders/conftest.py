"""Each test has the same seed and an empty cache."""

import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import fix_random_seed

from spacy_distill.encoders.encoder import Encoder
from spacy_distill.encoders.feature_cache import FEATURES, FOLDER_VARIABLE
from spacy_distill.encoders.loading import load_transformer
from spacy_distill.encoders.transformer_layers import TransformerLayers
from tests.tiny_bert import save_tiny_bert

# The words in the vocabulary of the transformers in these tests, as one or several wordpieces.
WORDS = ["Anna", "Berg", "sails", "to", "Oslo", "with", "a", "company", "from", "Kiel", "."]


@pytest.fixture(autouse=True)
def start(monkeypatch):
    fix_random_seed(0)
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    FEATURES.clear()


@pytest.fixture
def folder(tmp_path):
    """Save a transformer with two layers of width 16, once for each type."""

    def save(kind="Bert"):
        path = tmp_path / kind
        more = {} if kind == "Bert" else {"initializer_range": 0.4}
        return path if path.exists() else save_tiny_bert(path, WORDS, depth=2, kind=kind, **more)

    return save


@pytest.fixture
def encoder(folder):
    """Load such a transformer."""

    def load(kind="Bert", **settings):
        return Encoder(*load_transformer(folder(kind)), name=kind, **settings)

    return load


@pytest.fixture
def layers(folder):
    """Create and initialize the layer over such a transformer."""

    def make(frozen=True, kind="Bert", **settings):
        model = TransformerLayers(folder(kind), frozen, **settings)
        model.initialize(X=[Doc(spacy.blank("en").vocab, words=WORDS)])
        return model

    return make
