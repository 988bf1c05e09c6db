"""What a resumed training notices: other settings, damage, a finished training, a second run."""

import random
import shutil
import signal
from itertools import islice

import numpy
import pytest
import spacy
from spacy.training import Corpus
from spacy.util import registry

from spacy_distill import TeacherOptions, saving
from spacy_distill.training import origin, train
from spacy_distill.training.output_folder import CHECKPOINT
from spacy_distill.training.prepare import PrepareTraining
from tests.docs import gliner_stand_in  # noqa: F401
from tests.training.conftest import make_docs
from tests.training.killed_trainings import BLOCK, Names, Other, killed_at, trainer


@pytest.fixture
def run(quietly, config, tmp_path):
    return trainer(quietly, config, tmp_path)


@pytest.fixture(scope="module")
def killed_once(quietly, config, in_child, tmp_path_factory):
    """The folder of a run that was killed after the evaluation of step 5."""
    folder = tmp_path_factory.mktemp("once") / "killed"
    settings = config(distillation=BLOCK, training=killed_at(6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KILL", "1")
        assert in_child(lambda: quietly(Names(), settings, folder)) == -signal.SIGKILL
    return folder


@pytest.fixture
def killed(killed_once, tmp_path):
    """A copy of that folder."""
    shutil.copytree(killed_once, tmp_path / "killed")
    return tmp_path / "killed"


def test_what_differs_is_named(run, killed, contents, corpora, monkeypatch, tmp_path):
    before = contents(killed)
    docs = make_docs(spacy.blank("xx").vocab)[:-1]
    spacy.tokens.DocBin(docs=docs).to_disk(tmp_path / "other.spacy")
    other = {"paths": {"dev": str(tmp_path / "other.spacy")}}
    shorter = {"paths": {"unlabeled": str(tmp_path / "other.spacy")}}
    for change, named in [
        (
            {"distillation": {"dropout": 0.2}},
            r"the setting distillation\.dropout \(0\.4 before, 0\.2 now\)",
        ),
        ({"training": {"seed": 3}}, r"the setting training\.seed"),
        (other, "These differ now: the development corpus. Use"),
        (shorter, "These differ now: the training corpus. Use"),
    ]:
        with pytest.raises(ValueError, match=rf"\[D760\].*{named}"):
            run("killed", change, resume=True)
    with pytest.raises(ValueError, match=r"\[D760\].*differ now: the teacher\. Use"):
        run("killed", source=Other(), resume=True)
    versions = origin.installed_versions()
    monkeypatch.setattr(origin, "installed_versions", lambda: {**versions, "thinc": "0.1"})
    with pytest.raises(ValueError, match=r"\[D760\].*the version of thinc \('8.*before, '0.1' now"):
        run("killed", resume=True)
    assert contents(killed) == before


def test_a_path_may_change(run, killed, corpora, tmp_path):
    (tmp_path / "moved.spacy").write_bytes(corpora["dev"].read_bytes())
    run("killed", {"paths": {"dev": str(tmp_path / "moved.spacy")}}, resume=True)
    assert not (killed / CHECKPOINT).exists()


@pytest.mark.parametrize("name", ["state.json", "arrays.npz", "origin.json"])
def test_a_damaged_checkpoint_is_named(run, killed, name):
    content = (killed / CHECKPOINT / name).read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
    for damaged in (content[:middle], flipped):
        (killed / CHECKPOINT / name).write_bytes(damaged)
        with pytest.raises(ValueError, match=r"\[D76[01]\] The .*--force"):
            run("killed", resume=True)


def test_a_checkpoint_runs_no_code(killed):
    """It is JSON and arrays of numbers, which are read without pickle."""
    names = {path.name for path in (killed / CHECKPOINT).iterdir()}
    assert names == {"origin.json", "state.json", "arrays.npz"}
    with numpy.load(killed / CHECKPOINT / "arrays.npz", allow_pickle=False) as arrays:
        assert {arrays[name].dtype.kind for name in arrays.files} <= {"f", "i", "u"}


def test_a_finished_training_is_left_as_it_is(run, contents, quietly, tmp_path):
    run("output", resume=True)  # nothing is there, so it begins
    before = contents(tmp_path / "output")
    times = (tmp_path / "output" / "model-last").stat().st_mtime_ns
    nlp = run("output", resume=True)
    assert "is finished: nothing to resume" in " ".join(quietly.output.split())
    assert contents(tmp_path / "output") == before
    assert (tmp_path / "output" / "model-last").stat().st_mtime_ns == times
    assert nlp.get_pipe("ner_student").labels == ("PER", "LOC")
    with pytest.raises(
        ValueError, match=r"\[D765\].*distillation\.max_steps \(10 before, 12 now\)"
    ):
        run("output", {"distillation": {"max_steps": 12}}, resume=True)
    for changes, named in (
        ({"components": {"ner_student": {"model": {"encode": {"width": 8}}}}}, "encode.width"),
        ({"nlp": {"lang": "en"}}, r"nlp.lang \('xx' before, 'en' now\)"),
        ({"paths": {"labeled": "other.spacy"}}, "paths.labeled"),
    ):
        with pytest.raises(ValueError, match=rf"\[D765\].*{named}"):
            run("output", changes, resume=True)
    with pytest.raises(ValueError, match=r"\[D765\].*option partial_labels of teachers"):
        run("output", resume=True, teacher_options=TeacherOptions(partial_labels=True))
    with pytest.raises(ValueError, match=r"\[D765\].*the teacher"):
        run("output", source=Other(), resume=True)
    with pytest.raises(ValueError, match=r"\[D721\]"):
        run("output")


def test_a_run_that_was_killed_early_begins_anew(run, contents, tmp_path):
    run("unbroken")
    for names in (["checkpoint"], [".checkpoint-unfinished"], ["checkpoint", "model-last"]):
        for name in names:
            (tmp_path / "killed" / name).mkdir(parents=True)
        if "checkpoint" in names:
            (tmp_path / "killed" / "checkpoint" / "origin.json").write_text("{}")
            (tmp_path / "killed" / "log.jsonl").touch()
        run("killed", resume=True)
        (tmp_path / "killed" / "log.jsonl").unlink(missing_ok=True)
        assert contents(tmp_path / "killed") == contents(tmp_path / "unbroken")
        for name in ("model-best", "model-last"):
            saving.remove_directory(tmp_path / "killed" / name)
        (tmp_path / "killed" / ".origin.json").unlink()
    (tmp_path / "killed" / "thesis.txt").touch()
    with pytest.raises(ValueError, match=r"\[D721\]"):
        run("killed", resume=True)


@pytest.mark.parametrize("arguments", [{"overwrite": True}, {"output": False}])
def test_what_cannot_be_combined(quietly, config, tmp_path, arguments):
    output = None if arguments.pop("output", True) is False else tmp_path / "output"
    with pytest.raises(ValueError, match=r"\[D763\]"):
        quietly(Names(), config(), output, resume=True, **arguments)


@registry.readers("spacy-distill-tests.Unordered.v1")
def unordered(path: str):
    """Create a reader that reads a corpus in another order each time, without a seed."""

    def read(nlp):
        examples = list(Corpus(path)(nlp))
        random.SystemRandom().shuffle(examples)
        yield from examples

    return read


def test_a_stream_without_a_fixed_order_cannot_be_resumed(run, in_child, monkeypatch, corpora):
    reader = {"@readers": "spacy-distill-tests.Unordered.v1", "path": str(corpora["dev"])}
    changes = {
        "corpora": {"free": reader},
        "distillation": {"corpus": "corpora.free", "max_epochs": -1},
    }
    monkeypatch.setenv("KILL", "1")
    assert in_child(lambda: run("killed", changes)) == -signal.SIGKILL
    monkeypatch.delenv("KILL")
    with pytest.raises(ValueError, match=r"\[D762\] The training cannot be resumed after step 5"):
        run("killed", changes, resume=True)


def test_two_runs_do_not_share_a_folder(run, tmp_path):
    (tmp_path / "output").mkdir()
    message = r"\[D423\] Another run is writing to"
    with saving.lock(tmp_path / "output"), pytest.raises(ValueError, match=message):
        run("output")
    run("output")


def test_a_corpus_that_ends_before_the_checkpoint(run, killed, monkeypatch):
    """Nothing is saved: the models there are better than one that has not been trained."""
    before = (killed / "model-last" / "ner_student" / "model").read_bytes()
    batches = train.create_train_batches
    monkeypatch.setattr(
        train, "create_train_batches", lambda *arguments: islice(batches(*arguments), 4)
    )
    with pytest.raises(ValueError, match=r"\[D762\] The training cannot be resumed after step 5"):
        run("killed", resume=True)
    assert (killed / "model-last" / "ner_student" / "model").read_bytes() == before


def test_a_teacher_may_have_a_model_of_another_library():
    nlp = spacy.blank("en")
    nlp.add_pipe("gliner_spacy", config={"gliner_model": "one"})
    other = spacy.blank("en")
    other.add_pipe("gliner_spacy", config={"gliner_model": "two"})
    assert origin.fingerprint(nlp) != origin.fingerprint(other)
    before = origin.fingerprint(nlp)
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Oslo"}])
    with_ruler = origin.fingerprint(nlp)
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Bern"}])
    assert len({before, with_ruler, origin.fingerprint(nlp)}) == 3
    PrepareTraining()(nlp)
