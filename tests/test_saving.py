import subprocess
import sys
import threading

import pytest
import spacy

from spacy_distill import saving
from spacy_distill.saving import copy_directory, replaced_directory, save_pipeline

# Replaces a directory again and again; each version has the same number in both files.
WRITER = """
import sys
from pathlib import Path
from spacy_distill import saving
from spacy_distill.saving import replaced_directory

if sys.argv[2] == "no-swap":
    saving._swapped = lambda first, second: False
for number in range(1, 100_000):
    with replaced_directory(Path(sys.argv[1])) as folder:
        (folder / "first").write_text(str(number))
        (folder / "second").write_text(str(number))
    if number == 1:
        print("ready", flush=True)
"""


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


@pytest.mark.parametrize("way", ["swap", "no-swap"])
def test_a_killed_process_loses_nothing(tmp_path, way):
    path = tmp_path / "model"
    for delay in (0.003, 0.01, 0.03):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), way], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        threading.Event().wait(delay)
        process.kill()
        process.communicate()
        found = path if path.exists() else tmp_path / ".model-replaced"
        first, second = contents(found).values()
        assert first == second


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


def test_a_directory_that_cannot_be_put_in_place(tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "_swapped", lambda first, second: False)
    path = tmp_path / "model"
    write(path, first="1")
    rename = type(path).rename

    def refuse(self, target):
        if self.name == ".model-unfinished":
            raise OSError("refused")
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", refuse)
    with pytest.raises(OSError, match="refused"):
        write(path, first="2")
    assert contents(path) == {"first": "1"}


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "model"
    link.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    write(link, first="1")
    assert link.is_symlink() and contents(tmp_path / "elsewhere") == {"first": "1"}


def test_pipelines_and_copies(tmp_path):
    save_pipeline(spacy.blank("en"), tmp_path / "model-last")
    copy_directory(tmp_path / "model-last", tmp_path / "model-best")
    copy_directory(tmp_path / "model-last", tmp_path / "model-best")
    assert spacy.load(tmp_path / "model-best").lang == "en"
