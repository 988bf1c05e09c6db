"""A killed training that is resumed writes the same bytes as one that was not killed."""

import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from itertools import islice

import numpy
import pytest
import spacy
from spacy.training import Corpus
from spacy.util import load_config, registry

from spacy_distill import saving
from spacy_distill.chain import LinearChain
from spacy_distill.chain.biluo import constraints
from spacy_distill.training import origin, train
from spacy_distill.training.annotate import annotate
from spacy_distill.training.checkpoints import CHECKPOINT, Checkpoints
from spacy_distill.training.logger import JSONLLogger
from tests.training.conftest import make_docs

SCHEDULE = {
    "@schedules": "warmup_linear.v1",
    "warmup_steps": 3,
    "initial_rate": 0.02,
    "total_steps": 20,
}
# Batches of four documents, so that an epoch has some steps.
BATCHER = {"@batchers": "spacy.batch_by_sequence.v1", "size": 4}
BLOCK = {"batcher": BATCHER, "dropout": 0.4, "max_steps": 10}


class Names:
    """Teaches that long words that begin with a capital letter are places. It is unsure by the
    word, and fails on a word if it is told to."""

    labels = ("PER", "LOC")

    def __init__(self, fails_on=None):
        self.fails_on = fails_on

    def predict_chain(self, docs):
        if any(token.text == self.fails_on for doc in docs for token in doc):
            raise RuntimeError(f"found {self.fails_on}")
        start, transitions, end = constraints(2)
        words = [token.text for doc in docs for token in doc]
        digests = [hashlib.sha256(word.encode()).digest()[:9] for word in words]
        emissions = numpy.asarray([list(digest) for digest in digests], dtype="float32") / 128
        emissions[:, 8] += [3.0 * word[0].isupper() for word in words]
        emissions[:, 0] += [3.0 * word[0].islower() for word in words]
        lengths = numpy.asarray([len(doc) for doc in docs])
        return LinearChain(emissions, lengths, transitions, start, end)


class Other(Names):
    """Another teacher."""


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


@registry.loggers("spacy-distill-tests.Killing.v1")
def killing(at: int):
    """Create a logger that kills the process at a step. It does so only once, as long as the
    variable of the environment is set."""

    def setup(nlp, stdout, stderr):
        def log_step(info):
            setup.steps += 1
            if setup.steps == at + 1 and "KILL" in os.environ:
                kill()

        return log_step, lambda: None

    setup.steps = 0
    return setup


def killed_at(step, every=5):
    logger = {"@loggers": "spacy-distill-tests.Killing.v1", "at": step}
    return {"logger": logger, "eval_frequency": every}


@pytest.fixture
def run(quietly, config, tmp_path):
    """Train into a folder of a name. The function takes changes of the config."""

    def train(output, *changes, source=None, **arguments):
        merged = config(distillation=BLOCK, training=killed_at(6))
        for change in changes:
            merged = merged.merge(change)
        source = Names() if source is None else source
        return quietly(source, merged, tmp_path / output, **arguments)

    return train


@pytest.fixture
def kill_and_resume(run, in_child, monkeypatch, tmp_path):
    """Train without a break, and again with a kill and a resumption. Return both folders."""

    def train(*changes, **arguments):
        run("unbroken", *changes, **arguments)
        monkeypatch.setenv("KILL", "1")
        assert in_child(lambda: run("killed", *changes, **arguments)) == -signal.SIGKILL
        assert (tmp_path / "killed" / CHECKPOINT).is_dir()
        for name in ("model-best", "model-last"):
            spacy.load(tmp_path / "killed" / name)
        monkeypatch.delenv("KILL")
        run("killed", *changes, resume=True, **arguments)
        return tmp_path / "unbroken", tmp_path / "killed"

    return train


SGD = {"@optimizers": "SGD.v1", "learn_rate": 0.1, "L2": 0.001, "use_averages": False}
RADAM = {"@optimizers": "RAdam.v1", "learn_rate": SCHEDULE}
FADING = {
    "@losses": "spacy-distill.ChainDistillation.v1",
    "alpha": {**SCHEDULE, "initial_rate": 0.5},
}
LSTM = {"@architectures": "spacy.TorchBiLSTMEncoder.v1", "width": 16, "depth": 2, "dropout": 0.5}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": RADAM, "loss": FADING},
        {"optimizer": SGD, "max_epochs": -1},
        {"max_epochs": 2, "max_steps": 0},
    ],
    ids=["plain", "schedules", "stream without averages", "epochs"],
)
def test_same_bytes(kill_and_resume, contents, changes):
    """In an epoch are four steps, and the run is killed at step 6, after the evaluation of step 5.
    Averages and calibration are part of the bytes."""
    unbroken, resumed = kill_and_resume({"distillation": changes}, {"training": {"patience": 90}})
    assert contents(unbroken) == contents(resumed)
    assert {path.name for path in resumed.iterdir()} == {"model-best", "model-last"}


@pytest.mark.parametrize("source", [None, "none"], ids=["teacher", "no teacher"])
def test_cross_view_heads_are_part_of_a_checkpoint(kill_and_resume, contents, source):
    heads = {"@architectures": "spacy-distill.CrossViewHeads.v1", "hidden": 8, "targets": "self"}
    unbroken, resumed = kill_and_resume({"distillation": {"cross_view": heads}}, source=source)
    assert contents(unbroken) == contents(resumed)


def test_accumulated_gradients_and_a_development_corpus_of_the_teacher(
    kill_and_resume, contents, corpora
):
    changes = {
        "paths": {"dev": str(corpora["unlabeled"]), "labeled": None},
        "corpora": {
            "dev": {"@readers": "spacy-distill.MixedCorpus.v1", "unlabeled": "${paths.dev}"}
        },
        "training": {"accumulate_gradient": 2},
    }
    unbroken, resumed = kill_and_resume(changes)
    assert contents(unbroken) == contents(resumed)
    assert (resumed / "dev.spacy").is_file()


def test_a_torch_layer_with_dropout(kill_and_resume, contents):
    torch = pytest.importorskip("torch")
    # A forked process has none of the threads that torch has started, and would wait for them.
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = {"ner_student": {"model": {"encode": LSTM}}}
        unbroken, resumed = kill_and_resume({"components": model})
    finally:
        torch.set_num_threads(n_threads)
    found = contents(resumed)
    for name, content in contents(unbroken).items():
        # The files of torch have names of objects in memory.
        if name.endswith("ner_student/model"):
            parameters = [
                [
                    array
                    for node in spacy.load(folder / name.split("/")[0])
                    .get_pipe("ner_student")
                    .model.walk()
                    for shim in node.shims
                    for array in getattr(shim._model, "state_dict", dict)().values()
                ]
                for folder in (unbroken, resumed)
            ]
            assert parameters[0]
            assert all((a == b).all() for a, b in zip(*parameters, strict=True))
        else:
            assert content == found[name], name


def test_a_soft_corpus(kill_and_resume, contents, config, ner_folder, text_file, tmp_path):
    """It is streamed: its documents have another order in each pass, and a shuffle buffer."""
    annotate(ner_folder, str(text_file), tmp_path / "soft", shard_size=200, stderr=io.StringIO())
    reader = {"@readers": "spacy-distill.SoftCorpus.v1", "path": str(tmp_path / "soft")}
    reader |= {"shuffle_buffer": 5, "labeled": "${paths.labeled}"}
    changes = {
        "corpora": {"soft": reader},
        "distillation": {"corpus": "corpora.soft", "max_epochs": -1},
    }
    unbroken, resumed = kill_and_resume(changes, source=tmp_path / "soft")
    assert contents(unbroken) == contents(resumed)


def test_two_students_that_share_an_embedding(kill_and_resume, contents, config):
    tok2vec = {
        "factory": "tok2vec",
        "model": {"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None}
        | {"width": 16, "depth": 1, "embed_size": 100, "window_size": 1, "maxout_pieces": 2}
        | {"subword_features": True},
    }
    listener = {"@architectures": "spacy-distill.ChainTagger.v1"}
    listener["embed"] = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16}
    changes = {
        "nlp": {"pipeline": ["tok2vec", "ner_student", "second"]},
        "components": {
            "tok2vec": tok2vec,
            "second": {"factory": "ner_student", "model": listener},
        },
        "distillation": {
            "student_to_teacher": {"ner_student": None, "second": None},
            "calibrate": False,
        },
    }
    unbroken, resumed = kill_and_resume(changes)
    assert contents(unbroken) == contents(resumed)


def test_documents_that_the_teacher_failed_on_still_count(kill_and_resume, contents, quietly):
    """In a stream, those before the checkpoint are not read by the teacher again."""
    changes = {"distillation": {"max_epochs": -1}}
    arguments = {"source": Names(fails_on="Kiel"), "max_errors": 4}
    unbroken, resumed = kill_and_resume(changes, **arguments)
    assert contents(unbroken) == contents(resumed)
    assert "because the teacher failed: 3" in " ".join(quietly.output.split())


def test_killed_at_every_replacement_of_a_folder(run, in_child, contents, monkeypatch, tmp_path):
    """Models and checkpoints are replaced in one step each. The run is killed before one of these
    and resumed, to the end, where both models are calibrated and made compact."""
    vectors = spacy.blank("en")
    vectors.vocab.reset_vectors(width=4)
    for number, word in enumerate(["Oslo", "Kiel", "Anna"]):
        vectors.vocab.set_vector(word, numpy.full(4, number + 1, dtype="float32"))
    vectors.to_disk(tmp_path / "vectors")
    changes = {"initialize": {"vectors": str(tmp_path / "vectors")}}
    # Of equal or lower scores, the first model is the best, so that `model-best` is calibrated too.
    changes["distillation"] = {"max_steps": 3}
    changes["training"] = {"score_weights": {"ents_f": -1.0}, "eval_frequency": 3}
    run("unbroken", changes, compact=True)
    swapped, unbroken = saving._swapped, contents(tmp_path / "unbroken")

    def run_until(last):
        calls = []

        def swap_or_die(first, second):
            calls.append(first)
            if len(calls) == last:
                kill()
            return swapped(first, second)

        saving._swapped = swap_or_die
        run("killed", changes, compact=True, resume=True)

    statuses = []
    while 0 not in statuses:
        statuses.append(in_child(lambda: run_until(2 * len(statuses) + 1)))
        assert len(statuses) < 20
        for name in ("model-best", "model-last"):
            if (tmp_path / "killed" / name).exists():
                spacy.load(tmp_path / "killed" / name)
    assert len(statuses) > 3 and set(statuses) == {0, -signal.SIGKILL}
    assert contents(tmp_path / "killed") == unbroken


def test_killed_after_the_last_step(run, in_child, contents, monkeypatch, tmp_path):
    """The last step has an evaluation, so nothing is left to train."""
    changes = {"distillation": {"max_steps": 6}, "training": {"eval_frequency": 3}}
    run("unbroken", changes)

    def then_killed(self):
        kill()

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "keep_best", then_killed)
        assert in_child(lambda: run("killed", changes)) == -signal.SIGKILL
    run("killed", changes, resume=True)
    assert contents(tmp_path / "killed") == contents(tmp_path / "unbroken")


def test_the_file_of_the_logger_goes_on(kill_and_resume, tmp_path):
    """The line of step 5 is there once."""
    inner = {"@loggers": "spacy-distill-tests.Killing.v1", "at": 6}
    logger = {"@loggers": "spacy-distill.JSONLLogger.v1", "logger": inner}
    logger["path"] = str(tmp_path / "log.jsonl")
    kill_and_resume({"training": {"logger": logger}})
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 5, 10]
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)
    assert lines[2]["words_per_second"] is None and lines[1]["words_per_second"] > 0


def test_a_line_that_was_not_finished_is_left_out(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 0, "seconds": 1.5}\n{"step": 3, "sec')
    logger = JSONLLogger(tmp_path / "log.jsonl")
    logger.resume(3)
    logger(spacy.blank("en"))
    assert (tmp_path / "log.jsonl").read_text().strip() == '{"step":0,"seconds":1.5}'


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
    docs = make_docs(spacy.blank("en").vocab)[:-1]
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
    with pytest.raises(ValueError, match=r"\[D765\].*the teacher"):
        run("output", source=Other(), resume=True)
    with pytest.raises(ValueError, match=r"\[D721\]"):
        run("output")


def test_a_run_that_was_killed_early_begins_anew(run, contents, tmp_path):
    run("unbroken")
    for names in (["checkpoint"], [".checkpoint-unfinished"], ["checkpoint", "model-last"]):
        for name in names:
            (tmp_path / "killed" / name).mkdir(parents=True)
        run("killed", resume=True)
        assert contents(tmp_path / "killed") == contents(tmp_path / "unbroken")
        for name in ("model-best", "model-last"):
            saving.remove_directory(tmp_path / "killed" / name)
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


def test_another_process_writes_the_same_bytes(config, teacher, quietly, contents, tmp_path):
    """One seed gives one student, whatever the hash seed of Python. The command is killed, and
    resumed in this process."""
    teacher.to_disk(tmp_path / "teacher")
    settings = config(distillation={**BLOCK, "max_steps": 6}, training={"eval_frequency": 3})
    settings.to_disk(tmp_path / "student.cfg")
    code = (
        "import os, runpy, signal, sys\n"
        "from spacy_distill.training import checkpoints\n"
        "save = checkpoints.Checkpoints.save_state\n"
        "def save_and_die(self, state):\n"
        "    save(self, state)\n"
        "    if state.step == 3:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoints.Checkpoints.save_state = save_and_die\n"
        "sys.argv[0] = 'spacy'\n"
        "runpy.run_module('spacy', run_name='__main__')\n"
    )
    command = ["distill", str(tmp_path / "teacher"), str(tmp_path / "student.cfg")]
    command += ["--output", str(tmp_path / "killed")]
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    for name, arguments in [("killed", {"resume": True}), ("unbroken", {})]:
        quietly(tmp_path / "teacher", load_config(command[2]), tmp_path / name, **arguments)
        assert ("Resumed after step 3" in quietly.output) == ("resume" in arguments)
    assert contents(tmp_path / "killed") == contents(tmp_path / "unbroken")


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
