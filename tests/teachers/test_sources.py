"""Loading of teachers from names and folders, and their fingerprints."""

import os
import shutil
from dataclasses import replace

import numpy
import pytest
import spacy
from spacy.util import get_package_path

from spacy_distill.corpora.soft_shards import Manifest
from spacy_distill.teachers import (
    EnsembleTeacher,
    MappedTeacher,
    PipelineTeacher,
    SoftTeacher,
    TeacherOptions,
    identity,
    load_teacher,
    sources,
)
from spacy_distill.teachers.identity import fingerprint
from spacy_distill.teachers.predictions import name_of
from spacy_distill.teachers.sources import split_sources

# The input of a soft corpus, as its manifest has it.
INPUT = {"source": "texts.txt", "text_field": "text", "files": {"texts.txt": "0"}}


@pytest.fixture(scope="module")
def ruler():
    nlp = spacy.blank("en")
    patterns = [{"label": label, "pattern": "Oslo"} for label in ("PER", "LOC")]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    return nlp


@pytest.fixture
def folder(ruler, tmp_path):
    ruler.to_disk(tmp_path / "teacher")
    return tmp_path / "teacher"


@pytest.fixture
def package(ruler, tmp_path, monkeypatch):
    """The package of a pipeline as pip installs it, without the metadata of pip."""
    name = "en_spacy_distill_tests"
    inner = tmp_path / "site" / name / f"{name}-0.1"
    inner.parent.mkdir(parents=True)
    ruler.to_disk(inner)
    (inner.parent / "__init__.py").write_text(
        "from pathlib import Path\n"
        "from spacy.util import load_model_from_init_py\n"
        "def load(**overrides):\n"
        "    return load_model_from_init_py(__file__, **overrides)\n"
    )
    shutil.copy(inner / "meta.json", inner.parent)
    (inner.parent / "meta.json").write_text(
        '{"lang": "en", "name": "spacy_distill_tests", "version": "0.1"}'
    )
    info = tmp_path / "site" / f"{name}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return name


@pytest.mark.parametrize("kind", ["str", "Path", "pipeline"])
def test_a_pipeline_and_its_folder_teach(ruler, folder, kind):
    source = {"str": str(folder), "Path": folder, "pipeline": ruler}[kind]
    teacher = load_teacher([source], TeacherOptions(assumed_confidence=0.7))
    assert isinstance(teacher, PipelineTeacher) and teacher.labels == ("LOC", "PER")
    chain = teacher.predict_chain([spacy.blank("en").make_doc("Oslo")])
    assert chain.marginals().max() == pytest.approx(0.7, abs=1e-4)


def test_a_package_teaches(package):
    assert load_teacher([package]).labels == ("LOC", "PER")
    found = fingerprint(package)
    assert (found["name"], found["version"]) == (package, "0.1")
    assert found["hash"] == fingerprint(get_package_path(package))["hash"]


def test_a_soft_corpus_teaches(tmp_path):
    manifest = {"labels": ["B", "A"], "teacher": {"teachers": []}, "settings": {}, "input": INPUT}
    Manifest(**manifest, complete=True).to_disk(tmp_path)
    teacher = load_teacher([tmp_path])
    assert isinstance(teacher, SoftTeacher) and teacher.labels == ("B", "A")


def test_a_soft_corpus_cannot_write_another_one(tmp_path):
    manifest = {"labels": ["B", "A"], "teacher": {"teachers": []}, "settings": {}, "input": INPUT}
    Manifest(**manifest, complete=True).to_disk(tmp_path)
    for source in (tmp_path, str(tmp_path)):
        with pytest.raises(ValueError, match=rf"'{tmp_path}' is a soft corpus.*only in `distill`"):
            fingerprint(source)


def test_a_soft_corpus_has_no_precision(tmp_path):
    manifest = {"labels": ["B", "A"], "teacher": {"teachers": []}, "settings": {}, "input": INPUT}
    Manifest(**manifest, complete=True).to_disk(tmp_path)
    with pytest.raises(ValueError, match=r"\[D204\].* or a precision"):
        load_teacher([tmp_path], TeacherOptions(matmul_precision="medium"))


def test_a_teacher_reads_in_another_precision(word_teacher, monkeypatch, doc):
    torch = pytest.importorskip("torch", reason="the precision is torch's")
    found = []
    predict = word_teacher.predict_chain

    def observed(docs):
        found.append(torch.get_float32_matmul_precision())
        return predict(docs)

    monkeypatch.setattr(word_teacher, "predict_chain", observed)
    before = torch.get_float32_matmul_precision()
    teacher = load_teacher([word_teacher], TeacherOptions(matmul_precision="medium"))
    chain = teacher.predict_chain([doc("Anna sails")])
    assert found == ["medium"] and torch.get_float32_matmul_precision() == before
    assert (chain.emissions == predict([doc("Anna sails")]).emissions).all()
    assert teacher.labels == tuple(word_teacher.labels)
    assert name_of(teacher) == name_of(word_teacher)
    pair = load_teacher([word_teacher] * 2, TeacherOptions(matmul_precision="high"))
    pair.predict_chain([doc("Anna sails")])
    assert found == ["medium", "high", "high"]


def test_anything_with_labels_and_chains_teaches(word_teacher):
    assert load_teacher([word_teacher]) is word_teacher


def test_several_teach_as_an_ensemble(ruler, folder, word_teacher):
    teacher = load_teacher([folder, ruler, word_teacher], TeacherOptions(weights=(1, 2, 1)))
    assert isinstance(teacher, EnsembleTeacher)
    assert teacher.weights == [0.25, 0.5, 0.25]
    assert [type(inner).__name__ for inner in teacher.teachers] == [
        "PipelineTeacher",
        "PipelineTeacher",
        "WordTeacher",
    ]


def test_options_reach_the_pipeline(ruler):
    options = TeacherOptions(
        teacher_pipe="entity_ruler", labels=("PER",), label_map={"PER": "NAME"}
    )
    teacher = load_teacher([ruler], options)
    assert isinstance(teacher, MappedTeacher) and teacher.labels == ("NAME",)
    with pytest.raises(ValueError, match="no component 'ner'"):
        load_teacher([ruler], TeacherOptions(teacher_pipe="ner"))


def test_each_of_several_teachers_has_options_of_its_own():
    def rules(name, place):
        nlp = spacy.blank("en")
        patterns = [{"label": "LOC", "pattern": place}, {"label": "PER", "pattern": "Anna"}]
        nlp.add_pipe("entity_ruler", name=name).add_patterns(patterns)
        return nlp

    pipelines = [rules("first", "Oslo"), rules("second", "Kiel")]
    options = TeacherOptions(teacher_pipe=("first", "second"), assumed_confidence=(0.9, 0.6))
    ensemble = load_teacher(pipelines, options)
    assert [teacher.pipe_name for teacher in ensemble.teachers] == ["first", "second"]
    docs = [spacy.blank("en").make_doc(text) for text in ("Oslo", "Kiel")]
    assert ensemble.labels == ("LOC", "PER")
    # Each place is found by one of the two teachers, and the other predicts O.
    marginals = ensemble.predict_chain(docs).marginals()
    assert marginals[:, 4] == pytest.approx([0.45, 0.3], abs=1e-4)
    partial = load_teacher(pipelines, replace(options, partial_labels=True))
    marginals = partial.predict_chain(docs).marginals()
    assert marginals[:, 4] == pytest.approx([0.9, 0.6], abs=1e-4)
    with pytest.raises(ValueError, match=r"pipe has 2 values for 3 teachers"):
        load_teacher([*pipelines, pipelines[0]], options)


@pytest.mark.parametrize(
    "options, said",
    [
        (TeacherOptions(labels=("PER",)), "--labels is for teachers that write"),
        (TeacherOptions(score_attr="score"), "--score-attr is for teachers that write"),
        (TeacherOptions(scheme="io"), "--scheme is for Hugging Face models"),
        (TeacherOptions(label_map={"PERSN": "P", "LOC": "LOC"}), "names PERSN, but"),
        (TeacherOptions(matmul_precision="low"), "no precision 'low'"),
    ],
)
def test_options_that_are_for_no_teacher_are_refused(word_teacher, options, said):
    with pytest.raises(ValueError, match=said):
        load_teacher([word_teacher], options)


def test_weights_have_to_be_as_many_as_teachers(ruler):
    with pytest.raises(ValueError, match="found 1 teachers and the weights"):
        load_teacher([ruler], TeacherOptions(weights=(1.0, 2.0)))


@pytest.mark.parametrize("function", ["load", "fingerprint"])
def test_a_name_of_nothing_is_answered_without_the_hub(monkeypatch, tmp_path, function):
    monkeypatch.setattr(sources, "TokenClassificationTeacher", None)
    act = {"load": lambda name: load_teacher([name]), "fingerprint": fingerprint}[function]
    for name in ("no_such_pipeline", str(tmp_path / "none"), "./a", "a/b", "a/b/c"):
        with pytest.raises(ValueError, match=f"There is no teacher '{name}'.*write hf:OWNER/NAME"):
            act(name)


@pytest.mark.parametrize("function", [lambda name: load_teacher([name]), fingerprint])
def test_a_typing_error_in_a_path_is_no_name_on_the_hub(function, monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "TokenClassificationTeacher", None)
    monkeypatch.setattr(identity, "hub_commit", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "training" / "teacher").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"'training/teachr'.*Did you mean 'training/teacher'\?"):
        function("training/teachr")


def test_a_folder_of_something_else_is_told_from_a_teacher(tmp_path):
    (tmp_path / "notes.txt").write_text("Anna sails.")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ValueError, match=r"is not a teacher: it has no meta\.json"):
            load_teacher([path])


def test_teachers_are_typed_with_commas(tmp_path):
    assert split_sources("a, b/c ,d") == ["a", "b/c", "d"]
    assert split_sources("a,") == ["a"] and split_sources(",") == [","]
    odd = tmp_path / "a,b"
    odd.mkdir()
    assert split_sources(str(odd)) == [str(odd)]


def test_a_fingerprint_is_of_the_content_and_not_of_the_place(folder, tmp_path):
    before = fingerprint(folder)
    assert before == fingerprint(str(folder))
    moved = tmp_path / "else" / "where"
    shutil.copytree(folder, moved)
    assert fingerprint(moved)["hash"] == before["hash"]
    # Cache files of Python and times of the file system have no effect.
    (moved / "__pycache__").mkdir()
    (moved / "__pycache__" / "a.pyc").write_bytes(b"1")
    os.utime(moved / "meta.json", (0, 0))
    assert fingerprint(moved)["hash"] == before["hash"]


def test_the_version_is_that_of_meta_json(ruler, folder, tmp_path):
    assert fingerprint(folder)["version"] == fingerprint(ruler)["version"] == "0.0.0"
    for text in ('{"lang": "en", "name": "a", "version": "2.1"}', "{}", "not json", '{"version": '):
        (folder / "meta.json").write_text(text)
        expected = "2.1" if "2.1" in text else ""
        assert fingerprint(folder)["version"] == expected
    (folder / "meta.json").unlink()
    assert fingerprint(folder)["version"] == ""


def test_a_fingerprint_changes_with_every_byte_name_and_file(folder):
    hashes = {fingerprint(folder)["hash"]}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = bytearray(path.read_bytes())
        if not data:
            continue
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        hashes.add(fingerprint(folder)["hash"])
        assert len(hashes) > 1
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    n_files = sum(path.stat().st_size > 0 for path in folder.rglob("*") if path.is_file())
    assert len(hashes) == n_files + 1
    (folder / "meta.json").rename(folder / "meta2.json")
    hashes.add(fingerprint(folder)["hash"])
    (folder / "empty").touch()
    hashes.add(fingerprint(folder)["hash"])
    assert len(hashes) == n_files + 3


def test_a_pipeline_in_memory_may_read_new_words(ruler):
    before = fingerprint(ruler)
    ruler("qwx zyq")
    assert fingerprint(ruler) == before
    ruler.vocab.set_vector("qwx", numpy.ones(3, dtype="float32"))
    assert fingerprint(ruler) != before


def test_a_pipeline_in_memory_has_a_fingerprint(ruler):
    found = fingerprint(ruler)
    assert found["name"] == "en_pipeline" and found == fingerprint(ruler)
    other = spacy.blank("en")
    other.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Anna"}])
    assert fingerprint(other)["hash"] != found["hash"]
