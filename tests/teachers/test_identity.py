"""The model card of a student names its teachers without local folders."""

import json

import pytest
import spacy

from spacy_distill.corpora.shard_manifest import shard_name
from spacy_distill.corpora.soft_shards import Manifest, Shard
from spacy_distill.teachers.identity import describe

# The input of a soft corpus, as its manifest has it.
INPUT = {"source": "texts.txt", "text_field": "text", "files": {"texts.txt": "0"}}


@pytest.fixture
def nlp():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.meta.update(name="places", version="0.3.1")
    return nlp


@pytest.fixture
def folder(nlp, tmp_path):
    (tmp_path / "training").mkdir()
    nlp.to_disk(tmp_path / "training" / "model-best")
    return tmp_path / "training" / "model-best"


@pytest.mark.parametrize("kind", ["pipeline", "str", "Path", "relative"])
def test_a_pipeline_is_called_what_its_meta_says(nlp, folder, kind, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    forms = {"pipeline": nlp, "str": str(folder), "Path": folder}
    source = forms.get(kind, "training/model-best")
    assert describe(source) == "en_places 0.3.1"


def test_a_package_is_called_what_its_meta_says(folder, tmp_path, monkeypatch):
    package = tmp_path / "site" / "en_places"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "meta.json").write_text((folder / "meta.json").read_text())
    folder.rename(package / "en_places-0.3.1")
    (tmp_path / "site" / "en_places-0.3.1.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: en_places\nVersion: 0.3.1\n"
    (tmp_path / "site" / "en_places-0.3.1.dist-info" / "METADATA").write_text(metadata)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert describe("en_places") == "en_places 0.3.1"


def test_the_license_is_named(nlp):
    nlp.meta["license"] = "MIT"
    assert describe(nlp) == "en_places 0.3.1 (license MIT)"


@pytest.mark.parametrize(
    "name", ["roberta-base", "someone/roberta-base", "/somewhere/else/roberta-base"]
)
@pytest.mark.parametrize("library", ["spacy-transformers", "spacy-curated-transformers"])
def test_the_transformer_is_named(folder, name, library):
    text = (folder / "config.cfg").read_text()
    if library == "spacy-transformers":
        text = text.replace("[paths]\n", f'[paths]\ntransformer = "{name}"\n')
        text += (
            "\n[components.sentencizer.model]\n@architectures = "
            '"spacy-transformers.TransformerModel.v3"\nname = ${paths.transformer}\n'
        )
    else:
        text += (
            "\n[initialize.components.sentencizer]\n\n"
            "[initialize.components.sentencizer.encoder_loader]\n@model_loaders = "
            f'"spacy-curated-transformers.HFTransformerEncoderLoader.v1"\nname = "{name}"\n'
        )
    (folder / "config.cfg").write_text(text)
    shown = name.replace("/somewhere/else/", "")
    assert describe(folder) == f"en_places 0.3.1 ({shown})"


def test_a_broken_pipeline_has_the_last_part_of_its_path(folder):
    (folder / "config.cfg").write_text("[components")
    assert describe(folder) == "en_places 0.3.1"
    (folder / "meta.json").write_text("no json")
    assert describe(folder) == "model-best"


def test_hugging_face_models(tmp_path):
    assert describe("hf:someone/bert-base-NER") == "someone/bert-base-NER"
    model = tmp_path / "bert-base-NER"
    model.mkdir()
    config = {"model_type": "bert", "id2label": {"0": "O", "1": "B-PER", "2": "I-PER"}}
    (model / "config.json").write_text(json.dumps(config))
    assert describe(model) == "bert-base-NER"


def test_an_object_has_its_class_for_a_name(word_teacher):
    assert describe(word_teacher) == "WordTeacher"


def test_a_soft_corpus_is_called_by_who_wrote_it(tmp_path):
    teachers = [
        {
            "name": "/somewhere/else/model-best",
            "version": "0.3.1",
            "description": "en_places 0.3.1 (roberta-base)",
            "hash": "a",
        },
        {"name": "hf:someone/bert-base-NER", "version": "abc", "hash": "abc"},
        # Written without a description.
        {"name": "/somewhere/else/model-last", "version": "0.0.0", "hash": "b"},
    ]
    counts = {"documents": 600, "tokens": 9000, "entities": 70}
    files = [shard_name(number) for number in range(2)]
    shards = [Shard(file=file, sha256="", input_hash="", **counts) for file in files]
    manifest = {
        "labels": ["LOC"],
        "teacher": {"teachers": teachers},
        "settings": {},
        "input": INPUT,
    }
    Manifest(**manifest, complete=True, shards=shards).to_disk(tmp_path)
    assert describe(tmp_path) == (
        "en_places 0.3.1 (roberta-base); someone/bert-base-NER abc; model-last 0.0.0; "
        "as a soft corpus of 1,200 documents"
    )
