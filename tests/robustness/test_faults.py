"""What a disk, a person or a system does to a run: it ends with one line, and loses nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.util import registry

from spacy_distill import distill, saving
from spacy_distill.configs import make_config
from spacy_distill.corpora.shard_manifest import file_hash
from spacy_distill.corpora.soft_shards import Manifest
from spacy_distill.progress import ProgressBar

NOBODY = 65534


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a given size in a folder."""
    mounted = []

    def mount(size):
        folder = tmp_path / "disk"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    if sys.platform != "linux" or os.geteuid():
        pytest.skip("only root can mount a small disk")
    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def intact(folder):
    """Read the manifest, and compare all shards with it. Return the number of shards."""
    manifest = Manifest.from_disk(folder)
    for shard in manifest.shards:
        assert file_hash(folder / shard.file) == shard.sha256
    return len(manifest.shards)


@pytest.mark.parametrize("n_process", [1, 2])
def test_a_full_disk_keeps_finished_shards(
    small_disk, spacy_command, rules, text, contents, tmp_path, n_process
):
    """More room, and the same command: the result is that of one run."""
    command = ["distill-annotate", rules, text, "--shard-size", 3000]
    assert spacy_command(*command, "--output", tmp_path / "whole")[0] == 0
    size = sum(map(len, contents(tmp_path / "whole").values()))
    disk = small_disk(f"{size // 2048}k")
    code, told = spacy_command(*command, "--n-process", n_process, "--output", disk / "soft")
    assert code == 1 and "✘ [D766] No space is left on the disk" in told
    assert "Traceback" not in told
    n_shards = intact(disk / "soft")
    assert 0 < n_shards < intact(tmp_path / "whole")
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    assert spacy_command(*command, "--output", disk / "soft")[0] == 0
    assert contents(disk / "soft") == contents(tmp_path / "whole")


@pytest.fixture
def student_config(rules, text, tmp_path):
    """The path of a config for a small student of the rules, with corpora of the text."""
    nlp = spacy.load(rules)
    docs = [nlp(line) for line in text.read_text().splitlines()[:40]]
    spacy.tokens.DocBin(docs=docs).to_disk(tmp_path / "docs.spacy")
    config = spacy.util.load_config(write(tmp_path / "full.cfg", make_config("student", lang="en")))
    model = {"embed": {"features": {"width": 8}, "characters": {"filters": 8}}}
    model["encode"] = {"width": 16, "depth": 1}
    changes = {
        "paths": {name: str(tmp_path / "docs.spacy") for name in ("train", "dev")},
        "components": {"ner_student": {"model": model}},
        "distillation": {"max_steps": 6, "calibrate": False},
        "training": {"eval_frequency": 2},
    }
    config.merge(changes).to_disk(tmp_path / "student.cfg")
    return tmp_path / "student.cfg"


def write(path, content):
    path.write_text(content, encoding="utf8")
    return path


def test_a_disk_that_fills_up_in_a_training(
    small_disk, spacy_command, rules, student_config, contents, tmp_path
):
    """The models that were saved before can be loaded, and the training goes on with more room."""
    command = ["distill", rules, student_config]
    assert spacy_command(*command, "--output", tmp_path / "whole")[0] == 0
    size = sum(map(len, contents(tmp_path / "whole" / "model-last").values()))
    # Room for three models and a checkpoint, but not for a second one next to it.
    disk = small_disk(f"{size * 3 // 1024 + 100}k")
    code, told = spacy_command(*command, "--output", disk / "models")
    assert code == 1 and "[D766] No space is left on the disk" in told, told
    found = {path.name for path in (disk / "models").iterdir()}
    assert found & {"model-last", "checkpoint"}
    for name in found & {"model-best", "model-last"}:
        spacy.load(disk / "models" / name)
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    assert spacy_command(*command, "--output", disk / "models", "--resume")[0] == 0
    assert contents(disk / "models") == contents(tmp_path / "whole")


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="the system has no users of processes")
@pytest.mark.parametrize("command", ["distill-annotate", "distill-tag", "distill"])
def test_a_folder_that_cannot_be_written(
    in_child, command, spacy_command, rules, text, student_config, tmp_path
):
    """It is said before the teacher reads anything."""
    (tmp_path / "output").mkdir()
    for folder in [*tmp_path.parents, rules.parent, rules.parent.parent, text.parent]:
        if folder.is_relative_to(Path("/tmp/pytest-of-root")):
            folder.chmod(0o755)
    tmp_path.chmod(0o755)
    (tmp_path / "output").chmod(0o555)
    inputs = [rules, student_config if command == "distill" else text]

    def run():
        if os.geteuid() == 0:
            # Root may write everywhere.
            os.seteuid(NOBODY)
        named = [] if command == "distill-tag" else ["--output"]
        code, told = spacy_command(command, *inputs, *named, tmp_path / "output")
        assert code == 1 and "Permission denied" in told and str(tmp_path / "output") in told
        assert "Traceback" not in told

    assert in_child(run) == 0
    assert not list((tmp_path / "output").iterdir())


@pytest.mark.parametrize("n_process", [1, 2])
def test_a_folder_that_is_renamed_while_it_is_written(
    spacy_command, rules, text, contents, tmp_path, monkeypatch, n_process
):
    command = ["distill-annotate", rules, text, "--shard-size", 3000]
    spacy_command(*command, "--output", tmp_path / "whole")
    to_disk = Manifest.to_disk

    def rename(self, folder):
        to_disk(self, folder)
        if len(self.shards) == 2:
            folder.rename(tmp_path / "elsewhere")

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "to_disk", rename)
        patch.setattr("spacy_distill.jobs.run.PAUSE", 0)  # the file is written after each shard
        code, told = spacy_command(
            *command, "--n-process", n_process, "--output", tmp_path / "soft"
        )
    assert code == 1 and "[D767] The output folder" in told and "Traceback" not in told
    assert not (tmp_path / "soft").exists() and intact(tmp_path / "elsewhere") == 2
    (tmp_path / "elsewhere").rename(tmp_path / "soft")
    assert spacy_command(*command, "--output", tmp_path / "soft")[0] == 0
    assert contents(tmp_path / "soft") == contents(tmp_path / "whole")


@registry.loggers("spacy-distill-tests.Renaming.v1")
def renaming(path: str):
    """Create a logger that renames a folder after the first evaluation."""

    def setup(nlp, stdout, stderr):
        def log_step(info):
            if Path(path).exists():
                Path(path).rename(f"{path}-elsewhere")

        return log_step, lambda: None

    return setup


def test_a_folder_of_models_that_is_renamed(rules, student_config, tmp_path):
    """No second folder is made, with the other half of the result."""
    logger = {"@loggers": "spacy-distill-tests.Renaming.v1", "path": str(tmp_path / "models")}
    config = spacy.util.load_config(student_config).copy()
    config["training"]["logger"] = logger
    with pytest.raises(ValueError, match=r"\[D767\] The output folder '.*models' was renamed"):
        distill(rules, config, tmp_path / "models")
    assert not (tmp_path / "models").exists()
    spacy.load(tmp_path / "models-elsewhere" / "model-best")


def test_two_processes_do_not_replace_one_folder(in_child, tmp_path):
    """Their files would be mixed."""

    def write_too():
        with saving.replaced_directory(tmp_path / "model"):
            pass

    def is_refused():
        with pytest.raises(ValueError, match=r"\[D423\] Another run is writing to '.*model'"):
            write_too()

    with saving.replaced_directory(tmp_path / "model") as folder:
        (folder / "first").touch()
        assert in_child(is_refused) == 0
        assert folder.is_dir()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["first"]
    assert in_child(write_too) == 0


WAIT_AFTER_TWO_SHARDS = """
import time
from spacy_distill.corpora.shard_manifest import ShardManifest
from spacy_distill.jobs import run
run.PAUSE = 0  # the file is written after each shard
to_disk = ShardManifest.to_disk
def wait(self, folder):
    to_disk(self, folder)
    if len(self.shards) == 2:
        print("two shards", flush=True)
        time.sleep(600)
ShardManifest.to_disk = wait
"""
WAIT_AFTER_A_CHECKPOINT = """
import time
from spacy_distill.training.checkpoints import Checkpoints
save_state = Checkpoints.save_state
def wait(self, state):
    save_state(self, state)
    print("saved", flush=True)
    time.sleep(600)
Checkpoints.save_state = wait
"""


def read_until(process, text):
    """Read the output of a process until it says something, and return it."""
    told = ""
    while text not in told:
        line = process.stdout.readline()
        assert line, told
        told += line
    return told


def living(process):
    """List the processes of a process's session that have not ended."""
    command = ["ps", "-o", "pid=,stat=", "-s", str(process.pid)]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    return [line.split()[0] for line in lines if "Z" not in line.split()[1]]


@pytest.mark.skipif(sys.platform != "linux", reason="ps of Linux lists sessions")
@pytest.mark.parametrize(
    "n_process, number",
    [(1, signal.SIGHUP), (2, signal.SIGTERM), (2, signal.SIGINT)],
)
def test_a_job_that_is_asked_to_end(
    start_command, spacy_command, rules, text, contents, tmp_path, n_process, number
):
    """It ends at once, with the status of the signal and one message. Finished shards stay, no
    process is left, and the same command continues."""
    # It waits for ever after the second shard.
    command = ["distill-tag", rules, text, "--shard-size", 3000, "--n-process", n_process]
    command.append(tmp_path / "tags")
    process = start_command(*command, code=WAIT_AFTER_TWO_SHARDS)
    told = read_until(process, "two shards")
    process.send_signal(number)
    rest, _ = process.communicate()
    assert process.returncode == 128 + number, told + rest
    assert not living(process)
    assert "[D920] Interrupted" in rest and "Traceback" not in rest
    finished = {path.name for path in (tmp_path / "tags").glob("shard-*")}
    assert len(finished) >= 2
    # The number of processes does not matter for the result.
    for output in ("tags", "whole"):
        command = ["distill-tag", rules, text, "--shard-size", 3000, tmp_path / output]
        assert spacy_command(*command)[0] == 0
    assert contents(tmp_path / "tags") == contents(tmp_path / "whole")


def test_a_training_that_is_asked_to_end(
    start_command, spacy_command, rules, student_config, tmp_path, contents
):
    """SIGTERM of a service manager: the model is saved as after Ctrl-C, and --resume goes on."""
    command = ["distill", rules, student_config, "--output"]
    process = start_command(*command, tmp_path / "models", code=WAIT_AFTER_A_CHECKPOINT)
    read_until(process, "saved\n")
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate()
    assert process.returncode == 143 and "--resume" in rest and "Traceback" not in rest, rest
    assert spacy_command(*command, tmp_path / "models", "--resume")[0] == 0
    assert spacy_command(*command, tmp_path / "whole")[0] == 0
    assert contents(tmp_path / "models") == contents(tmp_path / "whole")


def test_a_clock_that_is_set_back(monkeypatch, capsys):
    """The bar goes on, and its rate is not negative."""
    import time

    now = time.time
    with ProgressBar(desc="Read", total=4) as bar:
        bar.update()
        monkeypatch.setattr("tqdm.std.time", lambda: now() - 3600)
        monkeypatch.setattr("time.time", lambda: now() - 3600)
        bar.update()
        assert bar.format_dict["elapsed"] >= 0
    assert "-" not in capsys.readouterr().err.replace("it/s", "")
