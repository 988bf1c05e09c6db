"""Jobs on a Ray cluster give the bytes of a local run, also if workers die."""

import io
import os
import shutil

import pytest
import spacy

from spacy_distill import tag
from spacy_distill.annotation.job import Annotation
from spacy_distill.jobs import ray_workers

ray = pytest.importorskip("ray", reason="ray is not installed (extra: ray)")

# Ends its process at "Nothing": once, if `once` is true.
CODE = """
import os, signal
from pathlib import Path
from spacy.language import Language

@Language.component("spacy_distill_tests_deadly", assigns=["doc.ents"])
def deadly(doc):
    if "Nothing" in doc.text and not Path({mark!r}).exists():
        if {once!r}:
            Path({mark!r}).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    doc.set_ents([doc[:1]])
    return doc
"""


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """A cluster of this machine with two processors."""
    with pytest.MonkeyPatch.context() as patch:
        # Ray gives workers a low priority, so that these tests would wait for others.
        patch.setenv("RAY_worker_niceness", "0")
        ray.init(
            "local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=100_000_000,
        )
        yield
        ray.shutdown()


@pytest.mark.parametrize("job, n_workers", [("annotate", 1), ("tag", 2)], indirect=["job"])
def test_a_cluster_writes_the_same_bytes(run, contents, tmp_path, n_workers):
    run("local")
    assert run("ray", executor="ray", n_workers=n_workers).complete
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


@pytest.fixture
def deadly(text_file, tmp_path):
    """Tag with a pipeline that ends its process."""

    def make(once, output="out", **settings):
        code = tmp_path / "code.py"
        code.write_text(CODE.format(mark=str(tmp_path / "mark"), once=once))
        scope = {"__name__": "python_code"}
        if not spacy.Language.has_factory("spacy_distill_tests_deadly"):
            exec(compile(code.read_text(), str(code), "exec"), scope)
        nlp = spacy.blank("en")
        nlp.add_pipe("spacy_distill_tests_deadly")
        nlp.to_disk(tmp_path / "deadly")
        settings = {"shard_size": 150, "batch_size": 4, "code": code, **settings}
        return tag(tmp_path / "deadly", str(text_file), tmp_path / output, **settings)

    return make


def test_the_shard_of_a_killed_worker_is_written_again(deadly, contents, tmp_path):
    deadly(True, executor="ray", n_workers=2)
    assert (tmp_path / "mark").exists()
    # Now nothing ends the process.
    deadly(True, "local")
    assert contents(tmp_path / "out") == contents(tmp_path / "local")


def test_a_document_that_ends_every_worker_ends_the_job(deadly, monkeypatch):
    monkeypatch.setattr(ray_workers, "MAX_LOSSES", 0)
    with pytest.raises(ValueError, match=r"\[D755\] 1 workers of Ray ended.*fewer workers"):
        deadly(False, executor="ray", n_workers=1)


# The workers of both jobs start in the same way.
only_one = pytest.mark.parametrize("job", ["tag"], indirect=True)


@only_one
def test_errors_of_workers_are_those_of_a_local_run(run, model, tmp_path):
    shutil.copytree(model, tmp_path / "damaged")
    (tmp_path / "damaged" / "ner_student" / "model").write_bytes(b"")
    with pytest.raises(ValueError, match=r"^\[D706\]"):
        run(model=tmp_path / "damaged", executor="ray", n_workers=1)


@only_one
def test_relative_paths_are_those_of_the_command(job, model, text_file, contents, monkeypatch):
    monkeypatch.chdir(model.parent)
    folder = os.path.relpath(text_file.parent)
    settings = {"executor": "ray", "n_workers": 1, "stderr": io.StringIO()}
    job.function(model.name, f"{folder}/{text_file.name}", f"{folder}/out", **settings)
    job.function(model.name, text_file, text_file.parent / "local", stderr=io.StringIO())
    shards = [contents(text_file.parent / name) for name in ("out", "local")]
    assert shards[0].keys() == shards[1].keys()
    assert shards[0]["shard-000000.parquet"] == shards[1]["shard-000000.parquet"]


@only_one
def test_a_node_with_other_versions_and_code_is_refused(job, run, monkeypatch, tmp_path):
    """What this process finds is compared with what the workers find."""
    monkeypatch.setattr(job.plan, "installed_versions", lambda: {"spacy": "3.0"})
    monkeypatch.setattr(job.plan, "code_hash", lambda path: "another")
    (tmp_path / "code.py").touch()
    message = r"\[D753\] A node of Ray has another set of versions and another code than this"
    with pytest.raises(ValueError, match=message):
        run(executor="ray", n_workers=1, code=tmp_path / "code.py")


@only_one
def test_a_cluster_without_a_gpu_is_no_reason_to_wait(run):
    with pytest.raises(ValueError, match=r"^\[D759\] The Ray cluster has no GPU.*--gpu-id"):
        run(executor="ray", use_gpu=0)


@pytest.mark.parametrize("use_gpu, there", [(-1, -1), (0, 0), (3, 0)])
def test_an_actor_has_the_first_gpu_that_it_sees(use_gpu, there):
    plan = ray_workers.plan_of_actor(Annotation(("teacher",), use_gpu=use_gpu))
    assert plan == Annotation(("teacher",), use_gpu=there)
