"""Inputs and outputs on other file systems than the local one."""

import json
import os
from pathlib import Path
from uuid import uuid4

import pytest

from spacy_distill.paths import to_path

pytest.importorskip("upath", reason="universal-pathlib is not installed (extra: cloud)")
fsspec = pytest.importorskip("fsspec")


def remote_contents(fs, folder):
    return {name.rpartition("/")[2]: fs.cat_file(name) for name in fs.find(folder)}


@pytest.fixture
def memory(text_file):
    """A file system in memory with the text in a folder."""
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/in/deep/texts.txt", text_file.read_bytes())
    fs.pipe_file("/in/.hidden.txt", b"Oslo")
    yield fs
    fs.store.clear()


def without_source(contents):
    """Leave the source out of the manifest: the local path is another one."""
    (name,) = [name for name in contents if name.endswith("manifest.json")]
    manifest = json.loads(contents[name])
    manifest["input"].pop("source")
    manifest["input"].pop("files")
    shards = {key: value for key, value in contents.items() if key != name}
    return shards, manifest


@pytest.mark.parametrize("source", ["memory://in/deep", "memory://in/**/*.txt"])
def test_the_result_is_that_of_local_files(run, memory, contents, tmp_path, source):
    run("local", limit=20)
    run("memory://out/run", source=source, limit=20)
    found = remote_contents(memory, "/out/run")
    if source == "memory://in/deep":
        assert without_source(found) == without_source(contents(tmp_path / "local"))
    assert len(found) > 3 and not [name for name in found if "unfinished" in name]
    # A run that continues, and one that begins anew.
    memory.rm("/out/run/shard-000001.parquet")
    run("memory://out/run", source=source, limit=20)
    assert remote_contents(memory, "/out/run") == found
    run("memory://out/run", source=source, limit=3, overwrite=True)
    assert len(remote_contents(memory, "/out/run")) < len(found)


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.parquet", "rows.csv"])
def test_formats_are_read_from_other_file_systems(run, memory, tmp_path, name):
    pandas = pytest.importorskip("pandas")
    rows = pandas.DataFrame({"id": ["a", "b"], "text": ["To Oslo .", "Anna Berg waits"]})
    write = {"rows.jsonl.gz": "to_json", "rows.parquet": "to_parquet", "rows.csv": "to_csv"}[name]
    lines = {"orient": "records", "lines": True} if "json" in name else {"index": False}
    getattr(rows, write)(tmp_path / name, **lines)
    memory.pipe_file(f"/in/{name}", (tmp_path / name).read_bytes())
    assert run(source=f"memory://in/{name}").total("documents") == 2


def test_a_file_url_is_a_local_path(run, text_file, contents, tmp_path):
    run("one")
    run(f"file://{tmp_path}/two", source=f"file://{text_file}")
    assert without_source(contents(tmp_path / "one")) == without_source(contents(tmp_path / "two"))


def test_an_output_in_the_input_is_refused(run, memory):
    with pytest.raises(ValueError, match=r"\[D424\]"):
        run("memory://in/out", source="memory://in")


def test_a_damaged_shard_is_named(run, memory):
    run("memory://out/run")
    memory.pipe_file("/out/run/shard-000001.parquet", b"PAR1")
    with pytest.raises(ValueError, match=r"\[D406\].*memory://out/run/shard-000001.parquet"):
        run("memory://out/run")


def test_an_unknown_file_system_is_named(run):
    with pytest.raises(ValueError, match=r"\[D757\] The path 'nowhere://bucket/in'"):
        run(source="nowhere://bucket/in")


def test_a_path_that_was_a_url_is_refused():
    with pytest.raises(ValueError, match=r"\[D726\] The path 'memory:/bucket/in' was a URL"):
        to_path(Path("memory://bucket/in"))


@pytest.fixture
def bucket(monkeypatch):
    """A bucket of a local S3 server."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = pytest.importorskip("moto.server", reason="moto's server is not installed")
    thread = server.ThreadedMotoServer(port=0)
    thread.start()
    host, port = thread.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    # fsspec keeps the file system of an earlier server.
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    fs = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)
    # moto keeps its buckets when a server stops.
    name = f"bucket-{uuid4().hex}"
    fs.mkdir(name)
    yield fs, name
    thread.stop()


def test_s3(run, bucket, text_file, contents, tmp_path):
    """Several processes write to it, and a run continues."""
    fs, name = bucket
    fs.pipe_file(f"{name}/in/texts.txt", text_file.read_bytes())
    run("local")
    run(f"s3://{name}/out", source=f"s3://{name}/in", n_process=2)
    found = remote_contents(fs, f"{name}/out")
    assert without_source(found) == without_source(contents(tmp_path / "local"))
    fs.rm(f"{name}/out/shard-000001.parquet")
    run(f"s3://{name}/out", source=f"s3://{name}/in")
    assert remote_contents(fs, f"{name}/out") == found
