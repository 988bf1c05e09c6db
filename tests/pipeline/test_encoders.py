"""The encoders of the package in the config of `distill-init`."""

import pytest
import spacy
from spacy.training import Example
from spacy.util import load_model_from_config, registry
from thinc.api import Config, fix_random_seed

from spacy_distill.configs import make_config
from spacy_distill.models.bilstm import BiLSTM
from spacy_distill.models.elementwise import SRU, MinGRU

ENCODERS = {
    "sru": {"@architectures": "spacy-distill.SRU.v1", "width": 32, "depth": 2},
    "min-gru": {"@architectures": "spacy-distill.MinGRU.v1", "width": 32, "depth": 2},
}


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_learn_and_load(name, precision, newsroom, tmp_path):
    config = Config().from_str(make_config("student"), interpolate=False)
    model = config["components"]["ner_student"]["model"]
    model["encode"] = {**ENCODERS[name], "precision": precision}
    fix_random_seed(0)
    nlp = load_model_from_config(config, auto_fill=True)
    docs = [newsroom.doc(nlp.vocab, *sentence) for sentence in newsroom.sentences]
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    newsroom.train(nlp, examples, steps=80)
    gold = [spans for _, spans in newsroom.sentences]
    texts = [words for words, _ in newsroom.sentences]
    assert [newsroom.entities(nlp(text)) for text in texts] == gold
    nlp.to_disk(tmp_path / "student")
    loaded = spacy.load(tmp_path / "student", config={"components.ner_student.threads": 2})
    for batch_size in (1, 3, 64):
        found = loaded.pipe(texts * 3, batch_size=batch_size)
        assert [newsroom.entities(doc) for doc in found] == gold * 3


@pytest.mark.parametrize("encoder", [BiLSTM, SRU, MinGRU])
def test_an_encoder_has_layers(encoder):
    with pytest.raises(ValueError, match=r"\[D705\] depth has to be 1 or more: found 0"):
        encoder(depth=0)


@pytest.mark.parametrize(
    "name, settings",
    [
        ("BiLSTM", {"width": 1}),
        ("SRU", {"width": 0}),
        ("MinGRU", {"width": 1}),
        ("DenseBiLSTM", {"width": 0}),
        ("CharacterCNN", {"rows": 1}),
        ("CharacterCNN", {"filters": 0}),
        ("FormFeatures", {"rows": {"SHAPE": 0}}),
        ("FormFeatures", {"rows": {}}),
    ],
)
def test_layers_that_are_too_small_are_refused(name, settings):
    with pytest.raises(ValueError, match=r"\[D705\]"):
        registry.architectures.get(f"spacy-distill.{name}.v1")(**settings)
