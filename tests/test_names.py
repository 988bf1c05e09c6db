"""Names of pipelines and models, and similar names for wrong ones."""

import pytest

from spacy_distill.names import find_similar_name, is_on_hub, model_location, similar_name_hint


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "training" / "teacher" / "model-best").mkdir(parents=True)
    (tmp_path / "training" / "student").mkdir()
    (tmp_path / "soft.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["roberta-base", "someone/roberta-base", "KB/bert.v1_2"])
def test_the_prefix_names_a_model_on_the_hub(name):
    assert is_on_hub(f"hf:{name}") and model_location(f"hf:{name}") == name
    assert not is_on_hub(name)
    with pytest.raises(ValueError, match=rf"D292.*no model '{name}'.*write hf:OWNER/NAME"):
        model_location(name)


@pytest.mark.parametrize("name", ["", "a/b/c", "../a", "/a", "a b", "hf:a", "a:b"])
def test_what_is_no_name_on_the_hub_is_refused(name):
    with pytest.raises(
        ValueError, match=rf"D290.*'hf:{name}' is not a model on the Hugging Face hub"
    ):
        model_location(f"hf:{name}")


def test_a_folder_does_not_stand_in_for_the_hub(folder):
    """transformers would read it."""
    assert model_location("training/teacher") == "training/teacher"
    assert model_location(folder) == str(folder)
    with pytest.raises(ValueError, match=r"D291.*would read 'training/teacher' here instead"):
        model_location("hf:training/teacher")


@pytest.mark.parametrize(
    "name, expected",
    [
        ("training/teachr", "training/teacher"),
        ("trainng/teacher/model-best", "training/teacher/model-best"),
        ("./training/techer/model-bst", "training/teacher/model-best"),
        ("training/../soft.json", "training/../soft.jsonl"),
        ("soft.json", "soft.jsonl"),
        ("training/teacher/config.cfg", None),
        ("soft.jsonl/nothing", None),
        ("elsewhere", None),
        ("", None),
    ],
)
def test_a_similar_path_is_found(name, expected):
    assert find_similar_name(name) == expected
    assert (expected is None) == (similar_name_hint(name) == "")


def test_absolute_paths_are_looked_for_as_well(folder):
    assert find_similar_name(folder / "training" / "studnt") == str(folder / "training" / "student")


def test_installed_pipelines_are_near_as_well(monkeypatch):
    monkeypatch.setattr("spacy_distill.names.get_installed_models", lambda: ["en_ner_student"])
    assert similar_name_hint("en_ner_studnt") == " Did you mean 'en_ner_student'?"
    assert find_similar_name("models/en_ner_studnt") is None
