"""Every test starts from the same seed, and with a vocabulary to itself."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import fix_random_seed

from spacy_distill.models.feature_cache import FEATURES, FOLDER
from tests.tiny_bert import save_tiny_bert

# What the transformer of `layers` knows, whole or in pieces.
WORDS = ["Anna", "Berg", "sails", "to", "Oslo", "with", "a", "company", "from", "Kiel", "."]


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


@pytest.fixture
def layers(tmp_path, monkeypatch):
    """Makes the layer, over a transformer with two layers of width 16, and initializes it."""
    folders = {}
    from spacy_transformers.architectures import create_TransformerModel_v3
    from spacy_transformers.span_getters import configure_strided_spans

    from spacy_distill.models.transformer_layers import TransformerLayers

    monkeypatch.delenv(FOLDER, raising=False)
    FEATURES.clear()

    def make(frozen=True, window=16, learn_rate_factor=1.0, kind="Bert", **transformer_config):
        if kind not in folders:
            more = {"initializer_range": 0.4} if kind != "Bert" else {}
            path = tmp_path / kind
            folders[kind] = save_tiny_bert(path, WORDS, depth=2, kind=kind, **more)
        folder = folders[kind]
        settings = transformer_config or {"output_hidden_states": True}
        spans = configure_strided_spans(window, window * 3 // 4)
        transformer = create_TransformerModel_v3(
            str(folder), spans, {"use_fast": True}, settings, False, {}
        )
        model = TransformerLayers(transformer, frozen, learn_rate_factor)
        model.initialize(X=[Doc(spacy.blank("en").vocab, words=WORDS)])
        return model

    return make
