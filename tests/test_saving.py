import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest
import spacy

from spacy_distill import saving
from spacy_distill.saving import (
    copy_directory,
    remove_directory,
    replaced_directory,
    replaced_file,
    save_atomically,
    save_pipeline,
)


def contents(path):
    return {file.name: file.read_text() for file in path.iterdir()}


@pytest.fixture(params=["swap", "no swap"])
def way(request, monkeypatch):
    """With and without the system's call that swaps two directories."""
    if request.param == "no swap":
        monkeypatch.setattr(saving, "_swapped", lambda first, second: False)
    return request.param


def write(path, **files):
    with replaced_directory(path) as folder:
        for name, text in files.items():
            (folder / name).write_text(text)


def test_a_directory_is_made_and_replaced(tmp_path, way):
    path = tmp_path / "new" / "model"
    write(path, first="1", second="2")
    write(path, first="3")
    assert contents(path) == {"first": "3"}
    assert [item.name for item in path.parent.iterdir()] == ["model"]


def test_an_error_leaves_what_was_there(tmp_path, way):
    path = tmp_path / "model"
    write(path, first="1")
    with pytest.raises(OSError, match="no space"), replaced_directory(path) as folder:
        (folder / "first").write_text("2")
        raise OSError("no space left on device")
    assert contents(path) == {"first": "1"}
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="the system cannot swap")
def test_there_is_a_directory_at_every_moment(tmp_path):
    path = tmp_path / "model"
    write(path, first="0")
    missing, done = [], threading.Event()

    def look():
        while not done.is_set():
            if not (path / "first").exists():
                missing.append(path)

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(300):
        write(path, first=str(number))
    done.set()
    thread.join()
    assert not missing


def killed_at(step, moment, work):
    """Do something in a copy of this process that is killed, as kill -9 does, right before or after
    the n-th call that changes a directory. RETURNS (int): Its exit status, or minus the signal."""

    def or_die(function):
        def call(*args, **kwargs):
            steps.append(function)
            here = len(steps) == step
            if here and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if here:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    steps = []
    child = os.fork()
    if child == 0:
        saving._swapped = or_die(saving._swapped)
        shutil.rmtree = or_die(shutil.rmtree)
        for name in ("rename", "mkdir"):
            setattr(Path, name, or_die(getattr(Path, name)))
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork processes")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_process_loses_nothing(tmp_path, way, moment):
    """At every step there is a whole directory, in its place or, without a swap, put aside."""
    path, statuses, new = tmp_path / "model", [], {"first": "new", "second": "new"}
    while 0 not in statuses:
        write(path, first="old", second="old")
        statuses.append(killed_at(len(statuses) + 1, moment, lambda: write(path, **new)))
        if way == "swap":
            assert path.exists()
        found = path if path.exists() else tmp_path / ".model-replaced"
        first, second = contents(found).values()
        assert first == second
        assert len(statuses) < 20
    assert len(statuses) > 5 and set(statuses[:-1]) == {-signal.SIGKILL}
    assert contents(path) == new


def test_what_a_killed_process_had_put_aside_is_put_back(tmp_path):
    """Without a swap, it may have been killed between the two renames."""
    path = tmp_path / "model"
    write(path, first="1")
    path.rename(tmp_path / ".model-replaced")
    (tmp_path / ".model-unfinished").mkdir()
    with pytest.raises(OSError, match="no space"), replaced_directory(path):
        raise OSError("no space left on device")
    assert contents(path) == {"first": "1"}
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_directory_that_cannot_be_put_in_place(tmp_path, monkeypatch, error):
    monkeypatch.setattr(saving, "_swapped", lambda first, second: False)
    path = tmp_path / "model"
    write(path, first="1")
    rename = type(path).rename

    def refuse(self, target):
        if self.name in refused:
            raise error("refused")
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", refuse)
    refused = [".model-unfinished"]
    with pytest.raises(error, match="refused"):
        write(path, first="2")
    assert contents(path) == {"first": "1"}
    refused.append(".model-replaced")
    with pytest.raises(error, match="refused"):
        write(path, first="2")
    assert contents(tmp_path / ".model-replaced") == {"first": "1"}
    refused.clear()
    write(path, first="3")
    assert contents(path) == {"first": "3"}
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


def test_a_file_is_not_replaced(tmp_path):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(NotADirectoryError, match="model"):
        write(tmp_path / "model", first="1")
    assert (tmp_path / "model").read_text() == "mine"
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "model"
    link.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    write(link, first="1")
    assert link.is_symlink() and contents(tmp_path / "elsewhere") == {"first": "1"}


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "log.jsonl"
    for text in ("1", "2"):
        with replaced_file(path) as unfinished:
            unfinished.write_text(text)
    with pytest.raises(RuntimeError), replaced_file(path) as unfinished:
        unfinished.write_text("3")
        raise RuntimeError("the disk is full")
    assert contents(tmp_path) == {"log.jsonl": "2"}


def test_a_link_is_removed_and_its_target_stays(tmp_path):
    write(tmp_path / "elsewhere", first="1")
    link = tmp_path / "model"
    link.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    remove_directory(link)
    assert contents(tmp_path / "elsewhere") == {"first": "1"} and not link.is_symlink()
    write(link, second="2")
    assert contents(link) == {"second": "2"}


def test_pipelines_and_copies(tmp_path):
    save_pipeline(spacy.blank("en"), tmp_path / "model-last")
    copy_directory(tmp_path / "model-last", tmp_path / "model-best")
    copy_directory(tmp_path / "model-last", tmp_path / "model-best")
    assert spacy.load(tmp_path / "model-best").lang == "en"


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """NFS cannot lock a folder."""
    fcntl = pytest.importorskip("fcntl")

    def fail(handle, operation):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", fail)
    write(tmp_path / "model", first="1")
    assert contents(tmp_path / "model") == {"first": "1"}


def test_code_of_others_saves_atomically(tmp_path, way, monkeypatch):
    """As spaCy's training loop does, with the callback of the package's configs."""
    nlp = spacy.blank("en")
    save_atomically(nlp)
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Oslo"}])
    nlp.to_disk(tmp_path / "model")
    # Something that an earlier pipeline has left is not mixed with the new one.
    (tmp_path / "model" / "old").write_text("old")
    save_pipeline(nlp, tmp_path / "model")
    assert not (tmp_path / "model" / "old").exists()

    def fail(path, **options):
        raise OSError("no space left")

    monkeypatch.setattr(nlp.get_pipe("entity_ruler"), "to_disk", fail)
    with pytest.raises(OSError, match="no space"):
        nlp.to_disk(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [ent.text for ent in spacy.load(tmp_path / "model")("In Oslo .").ents] == ["Oslo"]
