"""A killed run continues when it is started again, and the result has the same bytes."""

import os
import random
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
import spacy

from spacy_distill.corpora import shard_manifest
from spacy_distill.jobs import run as jobs_run
from spacy_distill.saving import lock

from .conftest import TEXTS


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_at_random_moments(run, in_child, contents, tmp_path):
    run("unbroken")
    begin = time.monotonic()
    run("again")
    duration = time.monotonic() - begin
    rng = random.Random(0)

    def run_until_killed():
        # As after kill -9, nothing is caught or cleaned up.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        # The first kill is early, so there is at least one on any machine.
        longest = 1.0 if statuses else 0.1
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.05, longest) * duration)
        run()

    statuses = []
    while len(statuses) < 8 and 0 not in statuses:
        statuses.append(in_child(run_until_killed))
        rng.random()
    assert set(statuses) <= {0, -signal.SIGALRM} and -signal.SIGALRM in statuses
    run()
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_step_of_the_writing(
    run, in_child, contents, tmp_path, monkeypatch, moment
):
    """Shards and the manifest are moved to their places with `replace`. The run is killed before
    and after each of these calls."""
    run("unbroken", limit=12)
    monkeypatch.setattr(jobs_run, "PAUSE", 0)  # the manifest is written after each shard
    replace = Path.replace

    def run_until(last_step):
        steps = []

        def replace_or_die(self, target):
            steps.append(target)
            if len(steps) == last_step and moment == "before":
                kill()
            result = replace(self, target)
            if len(steps) == last_step:
                kill()
            return result

        Path.replace = replace_or_die
        run(limit=12)

    statuses = []
    while 0 not in statuses:
        statuses.append(in_child(lambda: run_until(len(statuses) + 1)))
        assert len(statuses) < 20
    assert statuses[:-1] == [-signal.SIGKILL] * (len(statuses) - 1) and len(statuses) > 3
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken")


def test_killed_while_a_shard_is_written(job, run, in_child, contents, tmp_path):
    """The unfinished file does not disturb a new result either."""
    import pyarrow.parquet

    def write_half(table, path, **settings):
        Path(path).write_bytes(b"PAR1")
        if "000002" in str(path):
            kill()
        return write_table(table, path, **settings)

    def run_until_written():
        pyarrow.parquet.write_table = write_half
        run()

    write_table = pyarrow.parquet.write_table
    assert in_child(run_until_written) == -signal.SIGKILL
    assert len([*(tmp_path / "out").glob(".shard-000002.parquet-*unfinished")]) == 1
    with pytest.raises(ValueError, match="These differ now: the setting"):
        run(**job.other)
    run("unbroken", **job.other)
    run(**job.other, overwrite=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken")


def test_killed_before_the_first_manifest_is_there(job, run, contents, tmp_path):
    run("unbroken", limit=4)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f".{job.manifest.FILE}-unfinished").write_text("{")
    run(limit=4)
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken")


def test_a_shard_that_was_deleted_is_made_again(run, contents, tmp_path):
    run()
    before = contents(tmp_path / "out")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.parquet")}
    deleted = tmp_path / "out" / "shard-000001.parquet"
    deleted.unlink()
    run()
    assert contents(tmp_path / "out") == before
    times.pop(deleted)
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_damaged_shard_is_named_and_stays(run, contents, tmp_path):
    run()
    before = contents(tmp_path / "out")
    path = tmp_path / "out" / "shard-000001.parquet"
    data = bytearray(before[path.name])
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"checksum.*shard-000001\.parquet' .*differs.*Delete"):
        run()
    assert path.read_bytes() == data
    path.unlink()
    run()
    assert contents(tmp_path / "out") == before


def test_overwriting_replaces_a_result_by_a_shorter_one(run, contents, tmp_path):
    run()
    run(limit=3, overwrite=True)
    run("new", limit=3)
    assert contents(tmp_path / "out") == contents(tmp_path / "new")


def test_nothing_is_deleted_if_the_pipeline_cannot_be_loaded(run, model, contents, tmp_path):
    """Files that are no part of a result are never deleted."""
    run()
    (tmp_path / "out" / "notes.txt").write_text("Made on Monday.")
    before = contents(tmp_path / "out")
    shutil.copytree(model, tmp_path / "damaged")
    (tmp_path / "damaged" / "ner_student" / "model").write_bytes(b"")
    with pytest.raises(ValueError, match="D706"):
        run(model=tmp_path / "damaged", overwrite=True)
    with pytest.raises(ValueError, match="There is no"):
        run(model="no-pipeline", overwrite=True)
    assert contents(tmp_path / "out") == before
    run(limit=3, overwrite=True)
    assert (tmp_path / "out" / "notes.txt").read_text() == "Made on Monday."


def test_a_folder_of_something_else_is_not_written_to(run, contents, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("Long work")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"not empty and has no (soft corpus|result)"):
            run(overwrite=overwrite)
    assert contents(tmp_path / "out") == {"thesis.txt": b"Long work"}
    with pytest.raises(ValueError, match="is a file"):
        run("out/thesis.txt")


def test_a_folder_in_the_input_is_not_written_to(run, text_file, tmp_path):
    """The next run would read the output of this run as text."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_bytes(text_file.read_bytes())
    with pytest.raises(ValueError, match="is in the input"):
        run("data/out", source=str(tmp_path / "data"))
    assert not (tmp_path / "data" / "soft").exists()


def test_a_run_that_failed_before_its_first_shard_is_replaced(run, tmp_path):
    """After a wrong column name, the run with the right name works."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"body": "Anna sails."}\n')
    with pytest.raises(ValueError, match="--text-field"):
        run(source=str(rows))
    assert run(source=str(rows), text_field="body").complete


def test_the_manifest_of_many_shards_is_written_rarely(job, run, contents, tmp_path, monkeypatch):
    """It is written once, and at the end of the job, also of one that is interrupted. Another run
    then continues with the first missing shard."""
    run("unbroken", shard_size=60)
    monkeypatch.setattr(jobs_run, "PAUSE", 1e9)
    written = []
    to_disk, write_atomically = job.manifest.to_disk, shard_manifest.write_atomically

    def noted(manifest, folder):
        written.append(len(manifest.shards))
        to_disk(manifest, folder)

    def interrupted(path, write):
        if path.name.startswith("shard-000003"):
            raise KeyboardInterrupt
        return write_atomically(path, write)

    monkeypatch.setattr(job.manifest, "to_disk", noted)
    module = sys.modules[job.writes]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "write_atomically", interrupted)
        run(shard_size=60)
    # Of a new job, after the first shard, and at the end.
    assert written == [0, 1, 3]
    written.clear()
    run(shard_size=60)
    n_shards = len([*(tmp_path / "out").glob("shard-*")])
    assert n_shards > 6 and written == [4, n_shards, n_shards]
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken")


def test_more_shards_than_can_be_read_again_are_refused(run, text_file, monkeypatch, tmp_path):
    with monkeypatch.context() as patch, pytest.raises(ValueError, match=r"\[D407\].*too many"):
        patch.setattr(shard_manifest, "LARGEST_MANIFEST", 2000)
        run("at the end")
    # A part of the input is read for the first shards.
    text_file.write_text("\n".join(TEXTS * 5000), encoding="utf8")
    monkeypatch.setattr(jobs_run, "FIRST_SHARDS", 200)
    monkeypatch.setattr(jobs_run, "MOST_SHARDS", 300)
    with pytest.raises(
        ValueError, match=r"\[D407\].*shards: (?P<n>[\d,]+)\..*--shard-size"
    ) as error:
        run("soon")
    number = int(re.search(r"shards: ([\d,]+)", str(error.value))[1].replace(",", ""))
    # Each document has some 20 characters, and a shard 150.
    assert 0.5 < number / (len(TEXTS) * 5000 / 8) < 2
    assert len([*(tmp_path / "soon").glob("shard-*")]) <= 200
    # The limit of documents counts.
    assert run("some", limit=20).complete


@pytest.mark.parametrize("left", ["everything", "some shards", "a part"])
def test_other_library_versions_do_not_continue_a_result(
    job, run, monkeypatch, contents, tmp_path, left
):
    """Their probabilities may differ. A finished result stays valid."""
    manifest = run()
    versions = job.plan.installed_versions()
    assert versions["spacy"] == spacy.__version__ and "spacy-distill" in versions
    if left == "a part":
        manifest.complete = False
        manifest.to_disk(tmp_path / "out")
    elif left == "some shards":
        (tmp_path / "out" / "shard-000001.parquet").unlink()
    before = contents(tmp_path / "out")
    other = {**versions, "thinc": "0.1"}
    other.pop("spacy")
    with monkeypatch.context() as patch:
        patch.setattr(job.plan, "installed_versions", lambda: other)
        if left == "everything":
            assert run().complete
        else:
            message = "These differ now: the version of spacy and the version of thinc"
            with pytest.raises(ValueError, match=message):
                run()
    assert contents(tmp_path / "out") == before
    assert run().complete


@pytest.fixture
def n_opened():
    """Call a function, and count how often it opens a file."""
    opened = []
    # A hook cannot be removed.
    active = [False]
    sys.addaudithook(lambda event, args: event == "open" and active[0] and opened.append(args[0]))

    def count(path, call):
        opened.clear()
        active[0] = True
        try:
            call()
        finally:
            active[0] = False
        return [str(name) for name in opened].count(str(path))

    return count


def test_the_input_is_read_once(run, n_opened, contents, text_file, tmp_path):
    """This holds for a first run, for a run that continues, and for a run that finds all shards
    finished."""
    assert n_opened(text_file, run) == 1
    expected = contents(tmp_path / "out")
    (tmp_path / "out" / "shard-000002.parquet").unlink()
    assert n_opened(text_file, run) == 1
    assert contents(tmp_path / "out") == expected
    assert n_opened(text_file, run) == 1
    assert contents(tmp_path / "out") == expected


@pytest.mark.parametrize("finished", [True, False])
def test_another_text_of_the_same_size_is_noticed(run, contents, text_file, tmp_path, finished):
    """It is noticed when the text is read, without loading the pipeline."""
    source = tmp_path / "other.txt"
    source.write_bytes(text_file.read_bytes())
    run(source=str(source))
    if not finished:
        (tmp_path / "out" / "shard-000002.parquet").unlink()
    before = contents(tmp_path / "out")
    source.write_bytes(text_file.read_bytes().replace(b"Oslo", b"Kiel"))
    with pytest.raises(ValueError, match=r"\[D421\].*the input of shard-000000"):
        run(source=str(source))
    assert contents(tmp_path / "out") == before


def test_two_runs_on_one_output_are_refused(run, contents, tmp_path):
    run("first", limit=12)
    run(limit=12)
    with lock(tmp_path / "out"), pytest.raises(ValueError, match=r"\[D423\].*out"):
        run(overwrite=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "first")
