"""What a student's card calls its teachers: by what they are, and not by where they lay."""

import json

import pytest
import spacy

from spacy_distill.corpora.soft_shards import Manifest, Shard
from spacy_distill.teachers import TeacherOptions
from spacy_distill.teachers.source_names import source_name, source_names


@pytest.fixture
def nlp():
    """A pipeline in which two components find entities, and one writes spans."""
    nlp = spacy.blank("en")
    labels = {"people": ["PER"], "places": ["PER", "LOC"], "titles": ["TITLE"]}
    for name, found in labels.items():
        factory = "span_ruler" if name == "titles" else "entity_ruler"
        patterns = [{"label": label, "pattern": "Oslo"} for label in found]
        nlp.add_pipe(factory, name=name).add_patterns(patterns)
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
    assert source_name(source) == "en_places 0.3.1 (people, places, 2 labels)"


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
    assert source_name("en_places") == "en_places 0.3.1 (people, places, 2 labels)"


@pytest.mark.parametrize(
    "options, details",
    [
        (TeacherOptions(teacher_pipe="places"), "places, 2 labels"),
        (TeacherOptions(spans_key="sc"), "titles, 1 label"),
        (TeacherOptions(teacher_pipe="sentencizer"), "sentencizer"),
    ],
)
def test_the_component_that_teaches_is_named(folder, options, details):
    assert source_name(folder, options) == f"en_places 0.3.1 ({details})"


def test_the_license_is_told(nlp):
    nlp.meta["license"] = "MIT"
    assert source_name(nlp) == "en_places 0.3.1 (people, places, 2 labels, license MIT)"


def test_each_of_several_has_its_options(folder, nlp):
    options = TeacherOptions(teacher_pipe=("people", None))
    assert source_names([folder, nlp], options) == [
        "en_places 0.3.1 (people, 1 label)",
        "en_places 0.3.1 (people, places, 2 labels)",
    ]


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
    assert source_name(folder) == f"en_places 0.3.1 (people, places, {shown}, 2 labels)"


def test_a_broken_pipeline_has_the_last_part_of_its_path(folder):
    (folder / "config.cfg").write_text("[components")
    assert source_name(folder) == "en_places 0.3.1"
    (folder / "meta.json").write_text("no json")
    assert source_name(folder) == "model-best"


def test_hugging_face_models(tmp_path):
    assert source_name("hf:someone/bert-base-NER") == "someone/bert-base-NER"
    model = tmp_path / "bert-base-NER"
    model.mkdir()
    config = {"model_type": "bert", "id2label": {"0": "O", "1": "B-PER", "2": "I-PER"}}
    (model / "config.json").write_text(json.dumps(config))
    assert source_name(model) == "bert-base-NER (bert, 3 classes)"


def test_an_object_has_its_class_for_a_name(word_teacher):
    assert source_name(word_teacher) == "WordTeacher (2 labels)"


def test_a_soft_corpus_is_called_by_who_wrote_it(tmp_path):
    teachers = [
        {
            "name": "/somewhere/else/model-best",
            "version": "0.3.1",
            "description": "en_places 0.3.1 (ner)",
            "hash": "a",
        },
        {"name": "hf:someone/bert-base-NER", "version": "abc", "hash": "abc"},
        # As it was written before there were descriptions.
        {"name": "/somewhere/else/model-last", "version": "0.0.0", "hash": "b"},
    ]
    shards = [Shard(f"{number}", 600, 9000, 70, 0, "", "") for number in range(2)]
    manifest = Manifest(["LOC"], {"teachers": teachers}, {}, {}, complete=True, shards=shards)
    manifest.to_disk(tmp_path)
    assert source_name(tmp_path) == (
        "en_places 0.3.1 (ner); someone/bert-base-NER abc; model-last 0.0.0; "
        "as a soft corpus of 1,200 documents"
    )


def test_components_teach_by_what_their_settings_let_them_write():
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_student", config={"spans_key": "sc"})
    nlp.add_pipe("span_ruler", config={"annotate_ents": True, "spans_key": None})
    assert source_name(nlp, TeacherOptions(spans_key="sc")).endswith("(ner_student)")
    assert source_name(nlp).endswith("(ner_student, span_ruler)")
