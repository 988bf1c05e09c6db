"""A killed training that is resumed writes the same bytes as one that was not killed."""

import io
import json
import os
import signal
import subprocess
import sys

import numpy
import pytest
import spacy
from spacy.util import load_config

from spacy_distill import saving
from spacy_distill.annotation.annotate import annotate
from spacy_distill.training import streamed
from spacy_distill.training.checkpoints import Checkpoints
from spacy_distill.training.logger import JSONLLogger
from spacy_distill.training.output_folder import CHECKPOINT
from tests.tiny_bert import save_tiny_bert
from tests.training.killed_trainings import (
    BLOCK,
    SCHEDULE,
    Names,
    kill,
    trainer,
)


@pytest.fixture
def run(quietly, config, tmp_path):
    return trainer(quietly, config, tmp_path)


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
    assert {path.name for path in resumed.iterdir()} == {
        ".origin.json",
        "model-best",
        "model-last",
    }


@pytest.mark.parametrize("source", [None, "none"], ids=["teacher", "no teacher"])
def test_cross_view_heads_are_part_of_a_checkpoint(kill_and_resume, contents, source):
    heads = {"@losses": "spacy-distill.CrossViewHeads.v1", "hidden": 8, "targets": "self"}
    unbroken, resumed = kill_and_resume({"distillation": {"cross_view": heads}}, source=source)
    assert contents(unbroken) == contents(resumed)


def test_projections_of_states_are_part_of_a_checkpoint(kill_and_resume, contents, tmp_path):
    bert = save_tiny_bert(tmp_path / "bert", ["Anna", "Berg", "sails", "to", "Oslo", "."])
    block = {"@losses": "spacy-distill.MatchedStates.v1", "transformer": str(bert)}
    states = {**block, "layers": [[1, 1]], "weight": {**SCHEDULE, "initial_rate": 1.0}}
    unbroken, resumed = kill_and_resume({"distillation": {"states": states}})
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


@pytest.mark.parametrize("warm_up", [0, 120, streamed.WARM_UP])
def test_a_soft_corpus(
    kill_and_resume, contents, ner_folder, text_file, tmp_path, monkeypatch, warm_up
):
    """It is streamed: its documents have another order in each pass, and a shuffle buffer. After
    the warm-up, their words are forgotten."""
    monkeypatch.setattr(streamed, "WARM_UP", warm_up)
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
    vectors = spacy.blank("xx")
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
    logger(spacy.blank("xx"))
    assert (tmp_path / "log.jsonl").read_text().strip() == '{"step":0,"seconds":1.5}'


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
