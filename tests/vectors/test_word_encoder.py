import shutil
import sys

import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_distill.vectors.word_encoder import load_word_encoder

WORDS = ["Anna", "sails", "to", "Oslo"]


def encode(encoder, words=WORDS):
    """RETURNS: The keys of a sentence's words, their vectors, and which words are known."""
    doc = Doc(Vocab(), words=words)
    ((keys, vectors, known),) = encoder.pipe([doc], desc="Test")
    return vectors, keys, known.tolist()


@pytest.fixture(scope="module")
def pipeline(transformer, tmp_path_factory):
    """A teacher with a component that listens to a fine-tuned transformer."""
    pytest.importorskip("spacy_transformers", reason="the teacher's transformer is theirs")
    nlp = spacy.blank("nb")
    model = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": str(transformer),
        "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
        "tokenizer_config": {"use_fast": True},
    }
    nlp.add_pipe("transformer", config={"model": model})
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    tagger = {"@architectures": "spacy-distill.ChainTagger.v1", "embed": listener}
    nlp.add_pipe("ner_teacher", config={"model": tagger})
    doc = nlp.make_doc("Anna sails to Oslo")
    nlp.initialize(lambda: [Example.from_dict(doc, {"entities": [(0, 4, "PER")]})])
    with torch.no_grad():
        for weights in nlp.get_pipe("transformer").model.transformer.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    folder = tmp_path_factory.mktemp("teacher")
    nlp.to_disk(folder)
    return folder


def test_the_transformer_of_a_pipeline_is_the_fine_tuned_one(pipeline, transformer):
    encoder, lang = load_word_encoder(str(pipeline), layer=-1)
    vectors, _, _ = encode(encoder)
    nlp = spacy.load(pipeline)
    doc = nlp.get_pipe("transformer")(nlp.make_doc("Anna sails to Oslo"))
    hidden = doc._.trf_data.model_output.last_hidden_state[0, 1:5]
    assert lang == "nb"
    assert vectors == pytest.approx(hidden, abs=1e-4)
    untrained, lang = load_word_encoder(str(transformer), layer=-1)
    assert lang is None
    assert vectors != pytest.approx(encode(untrained)[0], abs=1e-2)


def test_a_transformer_within_a_component_is_found(transformer, tmp_path):
    nlp = spacy.blank("nb")
    mix = {
        "@architectures": "spacy-distill.LayerMix.v1",
        "transformer": {
            "@architectures": "spacy-distill.TransformerLayers.v1",
            "name": str(transformer),
        },
    }
    nlp.add_pipe("ner_teacher", config={"model": {"embed": mix}})
    doc = nlp.make_doc("Anna sails to Oslo")
    nlp.initialize(lambda: [Example.from_dict(doc, {"entities": [(0, 4, "PER")]})])
    nlp.to_disk(tmp_path / "teacher")
    encoder, lang = load_word_encoder(str(tmp_path / "teacher"), layer=-1)
    untrained, _ = load_word_encoder(str(transformer), layer=-1)
    assert lang == "nb"
    assert encode(encoder)[0] == pytest.approx(encode(untrained)[0], abs=1e-5)


@pytest.mark.parametrize("lower, key", [(True, "oslo"), (False, "OSLO")])
def test_keys_have_the_case_that_the_transformer_sees(make_transformer, lower, key):
    encoder, _ = load_word_encoder(str(make_transformer(lower=lower)))
    _, keys, known = encode(encoder, ["OSLO", "\n"])
    assert keys == [key, "\n"] and known == [True, False]


@pytest.mark.parametrize("layer, expected", [(None, 2), (0, 0), (-1, 3), (-4, 0), (3, 3)])
def test_layers(transformer, layer, expected):
    """round(1.5) is 2, so the middle of three layers is layer 2."""
    assert load_word_encoder(str(transformer), layer=layer)[0].layer == expected


@pytest.mark.parametrize("layer", [4, -5])
def test_a_layer_that_is_not_there(transformer, layer):
    with pytest.raises(ValueError, match=rf"no layer {layer}: it has 3 layers"):
        load_word_encoder(str(transformer), layer=layer)


def test_teachers_that_have_no_transformer(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "pipeline")
    with pytest.raises(ValueError, match=r"no transformer among its components \(sentencizer\)"):
        load_word_encoder(str(tmp_path / "pipeline"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: found neither a spaCy pipeline .* nor a Hugging"):
        load_word_encoder(str(tmp_path / "empty"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="broken' cannot be loaded as a Hugging Face model"):
        load_word_encoder(str(tmp_path / "broken"))
    with pytest.raises(ValueError, match=r"D292.*no model '.*brokn'.*Did you mean '.*broken'\?"):
        load_word_encoder(str(tmp_path / "brokn"))


def test_names_of_the_hub_have_a_prefix(monkeypatch):
    asked = []

    def load(name, **_):
        asked.append(name)
        raise OSError("no network")

    for kind in ("AutoModel", "AutoTokenizer"):
        monkeypatch.setattr(f"transformers.{kind}.from_pretrained", load)
    with pytest.raises(ValueError, match=r"D233.*'hf:someone/tiny' cannot be loaded.*no network"):
        load_word_encoder("hf:someone/tiny")
    with pytest.raises(ValueError, match=r"D292.*no model 'someone/tiny'"):
        load_word_encoder("someone/tiny")
    assert asked == ["someone/tiny"]


def test_a_gpu_that_is_not_there(transformer):
    with pytest.raises(ValueError, match="GPU 99 was requested"):
        load_word_encoder(str(transformer), use_gpu=99)


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_the_base_install_says_what_is_missing(transformer, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"{library}.* Install .*spacy-distill\[train\]"):
        load_word_encoder(str(transformer))


@pytest.mark.parametrize("damage", ["cut off", "another shape"])
def test_a_damaged_model_is_named(transformer, tmp_path, damage):
    folder = tmp_path / "damaged"
    shutil.copytree(transformer, folder)
    if damage == "cut off":
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path = folder / "config.json"
        path.write_text(path.read_text().replace('"hidden_size": ', '"hidden_size": 2'))
    with pytest.raises(ValueError, match=r"D233.*damaged"):
        load_word_encoder(str(folder), layer=-1)
