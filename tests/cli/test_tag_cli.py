"""`python -m spacy distill-tag`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from spacy.cli._util import app
from typer.testing import CliRunner

from spacy_distill.cli import tag as tag_cli
from spacy_distill.corpora.shard_manifest import ShardEntry
from spacy_distill.tagging.manifest import TagManifest


@pytest.fixture
def run(files, tmp_path):
    """Run the command in this process, with more arguments after model, input and output."""
    text = tmp_path / "text.txt"
    text.write_text("Anna sails to Oslo\nIt rains\n")

    def invoke(*more, model=files["teacher"], output=tmp_path / "tags"):
        arguments = ["distill-tag", str(model), str(text), str(output), *map(str, more)]
        return CliRunner().invoke(app, arguments)

    return invoke


@pytest.fixture
def passed(monkeypatch):
    """Record the arguments of `tag`, which is not run."""
    found = {}

    def tag(*arguments, **settings):
        found.update(settings, arguments=arguments)
        counts = {"documents": 1000, "tokens": 20000, "entities": 300, "skipped": 2}
        shard = ShardEntry(file="a", sha256="", input_hash="", **counts)
        return TagManifest(labels=[], pipeline={}, settings={}, input={}, shards=[shard])

    monkeypatch.setattr(tag_cli, "tag", tag)
    return found


def test_the_command_writes_entities(files, tmp_path):
    output = tmp_path / "new" / "tags"
    command = [sys.executable, "-m", "spacy", "distill-tag", files["teacher"], "-", str(output)]
    done = subprocess.run(
        [*command, "--format", "jsonl", "--keep", "n", "--confidence"],
        input='{"text": "Anna sails to Oslo", "n": 1}\n{"text": "It rains", "n": 2}\n',
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "entities of 2 documents with 6 tokens in" in done.stdout and "words/s" in done.stderr
    (shard,) = TagManifest.from_disk(output).shards
    rows = list(map(json.loads, (output / shard.file).read_text().splitlines()))
    assert len(rows) == shard.entities
    for row in rows:
        names = ["id", "n", "start_char", "end_char", "label", "text", "confidence"]
        assert list(row) == names and row["n"] in ("1", "2")


def test_options_reach_the_function(run, files, tmp_path, passed):
    options = "--keep id,date --format jsonl --confidence --min-confidence 0.5 --text-field body"
    options += " --split test"
    options += " --quoting none --batch-size 5 --n-process 2 --threads 3 --shard-size 99 --limit 7"
    options += " --executor ray --address auto --workers 8 --max-errors 6"
    options += " --code code.py --gpu-id 1 --force"
    result = run(*options.split())
    assert result.exit_code == 0, result.output
    assert passed == {
        "arguments": (files["teacher"], str(tmp_path / "text.txt"), str(tmp_path / "tags")),
        "keep": ["id", "date"],
        "file_format": "jsonl",
        "confidence": True,
        "min_confidence": 0.5,
        "text_field": "body",
        "split": "test",
        "quoting": "none",
        "batch_size": 5,
        "n_process": 2,
        "executor": "ray",
        "address": "auto",
        "n_workers": 8,
        "threads": 3,
        "shard_size": 99,
        "limit": 7,
        "max_errors": 6,
        "code": Path("code.py"),
        "use_gpu": 1,
        "overwrite": True,
    }
    said = " ".join(result.output.split())
    assert "300 entities of 1,000 documents with 20,000 tokens" in said
    assert "2 documents were left out, as the pipeline failed on them" in said


def test_wrong_names_are_answered_in_one_line(run):
    for result, code in ((run(model="no-pipeline"), "D436"), (run("--format", "xml"), "D433")):
        assert result.exit_code == 1 and f"[{code}]" in result.output
        assert "Traceback" not in result.output


def test_ctrl_c_says_how_to_continue(run, monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(tag_cli, "tag", interrupted)
    result = run()
    assert result.exit_code == 130
    assert "Run the same command again" in " ".join(result.output.split())
