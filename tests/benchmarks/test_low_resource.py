"""How runs of the low-resource benchmark are made and kept."""

import json
import shutil
from pathlib import Path

import low_resource
import low_resource_contents
import low_resource_vectors
import numpy
import pytest
import spacy
from low_resource_data import Cell, Dataset
from low_resource_store import Store
from low_resource_systems import (
    SYSTEMS,
    Pretrained,
    steps,
    system_of,
)
from spacy.ml.staticvectors import StaticVectors
from spacy.tokens import Doc, DocBin

from spacy_distill.vectors.table import vectors_pipeline


def test_a_store_gives_back_runs_and_refuses_what_was_made_of_something_else(cell, tmp_path):
    store = Store(tmp_path / "store")
    made_of = {"settings": {"a": 1}, "vectors": "ff"}
    assert store.read(cell, "student", made_of) is None
    run = {"settings": {"a": 1}, "value": 2}
    store.write(cell, "student", run)
    assert store.read(cell, "student", made_of) == run  # an old one, without vectors
    store.write(cell, "student", {**run, "vectors": "ff"})
    assert store.read(cell, "student", made_of) == {**run, "vectors": "ff"}
    assert store.path(cell, "student").parts[-2:] == ("conll-600", "student-seed3.json")
    for key, value in (("settings", {"a": 2}), ("vectors", "fe")):
        with pytest.raises(SystemExit):
            store.read(cell, "student", {**made_of, key: value})


def test_the_signs_of_vectors_tell_other_numbers_and_not_last_bits(tmp_path):
    data = numpy.random.default_rng(0).normal(size=(50, 8)).astype("float32")
    noise = numpy.random.default_rng(1).normal(size=data.shape) * 1e-7
    tables = {"one": data, "last bits": data * (1 + noise), "other order": data[::-1]}
    tables["half"] = numpy.hstack((data[:, :4], data[::-1, 4:]))  # all have the same norm
    for name, table in tables.items():
        words = [f"word{number}" for number in range(len(table))]
        table = numpy.ascontiguousarray(table, dtype="float32")
        vectors_pipeline(words, table, "en").to_disk(tmp_path / name)
    digests = {name: low_resource_contents.vectors_digest(tmp_path / name) for name in tables}
    assert len(set(digests.values())) == 1
    signs = {name: low_resource_contents.vectors_signs(tmp_path / name) for name in tables}
    assert signs["one"] == signs["last bits"] and len(set(signs.values())) == 3
    assert low_resource_contents.vectors_signs(None) == ""


def test_spacy_finds_the_vectors_of_words_as_they_are_written(docs, tmp_path):
    words = ["oslo", "anna", "Anna", "unheard"]
    nlp = vectors_pipeline(words, numpy.arange(8, dtype="float32").reshape(4, 2) + 1, "en")
    low_resource_vectors.as_written(nlp, docs).to_disk(tmp_path)
    table = spacy.load(tmp_path).vocab
    doc = Doc(table, words=["Anna", "Berg", "in", "Oslo", "."])
    layer = StaticVectors(2).initialize([doc])
    layer.set_param("W", numpy.eye(2, dtype="float32"))
    output = layer.predict([doc]).data
    assert output.tolist() == [[5, 6], [0, 0], [0, 0], [1, 2], [0, 0]]


@pytest.mark.parametrize("name", ["nobody", "student-of-nobody", "student-of-teacher"])
def test_systems_that_cannot_be_are_refused_by_name(name):
    with pytest.raises(ValueError, match=r"no system 'nobody'|not trained"):
        system_of(name)


def test_commands_name_only_what_there_is(cell, tmp_path):
    pretrained = Pretrained(tmp_path / "vectors", tmp_path / "bert")
    for name, system in SYSTEMS.items():
        assert all(other in SYSTEMS for other in system.needs), name
        command = [str(word) for word in system.command(cell, pretrained)] if system.command else []
        for other in SYSTEMS:
            if f"/{other}/model-best" in " ".join(command):
                assert other in system.needs, (name, other)
    assert steps(cell, 400) == 800
    everything = Cell(Dataset.conll, 14_041, 0, tmp_path, tmp_path)
    student = SYSTEMS["student"].command
    assert "--paths.unlabeled" in student(cell, pretrained)
    assert "--paths.unlabeled" not in student(everything, pretrained)


@pytest.fixture
def bench(tmp_path, monkeypatch, docs):
    """A benchmark whose commands write rules in place of what they would train."""
    commands = []

    def execute(arguments, log):
        arguments = [str(argument) for argument in arguments]
        commands.append(arguments)
        if "convert_conll.py" in arguments[0]:
            corpus = Path(arguments[2])
            corpus.mkdir(parents=True, exist_ok=True)
            for part in ("train", "dev", "test", "unlabeled"):
                DocBin(docs=docs).to_disk(corpus / f"{part}.spacy")
            return
        nlp = spacy.blank("en")
        nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Oslo"}])
        output = Path(arguments[arguments.index("--output") + 1])
        output.mkdir(parents=True)
        for name in ("model-best", "model-last"):
            nlp.to_disk(output / name)

    monkeypatch.setattr(low_resource, "execute", execute)
    vectors = vectors_pipeline(["oslo"], numpy.ones((1, 2), dtype="float32"), "en")
    vectors.to_disk(tmp_path / "vectors")

    def make(store="store", **options):
        pretrained = Pretrained(tmp_path / "vectors", tmp_path / "bert")
        return low_resource.Bench(Store(tmp_path / store), pretrained, options)

    make.commands = commands
    return make


def test_a_run_is_made_once_after_what_it_needs(bench, cell):
    run = bench().run(cell, "student")
    assert run["scores"]["test"]["r"] == pytest.approx(200 / 3)
    assert run["agreement"] == {"dev": 100, "test": 100}
    assert run["sizes"]["dev"] == (3, 9)
    # The corpus, four members and the student; the teacher is the members' average.
    assert len(bench.commands) == 6
    again = bench().run(cell, "student")
    assert again == json.loads(json.dumps(run)) and len(bench.commands) == 6
    assert not (cell.folder / "student" / "model-last").exists()


def test_models_that_are_gone_are_trained_again_for_what_needs_them(bench, cell):
    bench().run(cell, "teacher")
    shutil.rmtree(cell.folder)
    bench.commands.clear()
    bench().run(cell, "spacy-silver")
    assert len(bench.commands) == 6
    assert (cell.folder / "spacy-ner.cfg").exists()
    option = bench.commands[-1].index("--paths.vectors")
    vectors = spacy.load(bench.commands[-1][option + 1]).vocab.vectors
    assert vectors.find(key="Oslo") >= 0 and vectors.find(key="oslo") < 0


def test_models_of_other_settings_are_not_taken(bench, cell):
    bench().run(cell, "gold-only")
    bench.commands.clear()
    bench("other", **{"gold-only": ["--training.dropout", "0.3"]}).run(cell, "gold-only")
    assert len(bench.commands) == 1 and "0.3" in bench.commands[0]
    with pytest.raises(SystemExit):
        bench(**{"gold-only": ["--training.dropout", "0.2"]}).run(cell, "student")


def test_a_run_of_changed_teachers_is_refused(bench, cell):
    one = bench(**{"joined-0": ["--training.dropout", "0.3"]})
    one.run(cell, "student")
    (one.store.path(cell, "joined-0")).unlink()
    with pytest.raises(SystemExit):
        bench().run(cell, "student")
