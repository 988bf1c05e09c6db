"""A student on the Hugging Face hub (docs/how-to/with-spacy.md), without the hub itself."""

import shutil

import pytest
import spacy
from spacy.cli.package import package

TEXT = "Anna Berg sails to Oslo ."


def entities(nlp):
    return [(ent.text, ent.label_) for ent in nlp(TEXT).ents]


def test_a_downloaded_folder_is_loaded(two_names, tmp_path):
    """The folder is in the cache of downloads, as if the hub had been asked before."""
    hub = pytest.importorskip("huggingface_hub", reason="not installed (extra: train)")
    commit = "0" * 40
    repository = tmp_path / "models--OWNER--en_ner_student"
    (repository / "snapshots").mkdir(parents=True)
    two_names.to_disk(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    folder = hub.snapshot_download(
        "OWNER/en_ner_student", cache_dir=tmp_path, local_files_only=True
    )
    assert entities(spacy.load(folder)) == entities(two_names) != []


def test_a_wheel_is_pushed(two_names, tmp_path, monkeypatch):
    """The folder that spacy-huggingface-hub uploads is a pipeline, and has a card with scores."""
    reason = "spacy-huggingface-hub is not installed (see .ci/run)"
    push = pytest.importorskip("spacy_huggingface_hub.push", reason=reason)
    two_names.meta["performance"] = {"ents_p": 0.5, "ents_r": 0.5, "ents_f": 0.5}
    two_names.to_disk(tmp_path / "student")
    package(tmp_path / "student", tmp_path, name="two_names", version="1.0.0", create_sdist=False)
    name = f"{two_names.lang}_two_names"
    # What the wheel has, in its form: a zip file.
    archive = shutil.make_archive(str(tmp_path / "wheel"), "zip", tmp_path / f"{name}-1.0.0", name)
    wheel = tmp_path / f"{name}-1.0.0-py3-none-any.whl"
    shutil.move(archive, wheel)
    pushed = tmp_path / "pushed"

    class Hub:
        def create_repo(self, repo_id, **settings):
            self.created = repo_id

    def upload_folder(repo_id, folder_path, **settings):
        shutil.copytree(folder_path, pushed)
        return f"https://hub/{repo_id}/tree/main"

    monkeypatch.setattr(push, "HfApi", Hub)
    monkeypatch.setattr(push, "upload_folder", upload_folder)
    push.push(wheel, "OWNER", silent=True)
    assert entities(spacy.load(pushed)) == entities(two_names) != []
    card = (pushed / "README.md").read_text(encoding="utf8")
    assert card.startswith("---\n") and "name: NER F Score" in card
