"""The jobs of the two commands, with one small student that teaches and tags."""

import io
from typing import NamedTuple

import pytest

from spacy_distill import annotate, tag
from spacy_distill.annotation import job as annotation
from spacy_distill.corpora.soft_shards import Manifest
from spacy_distill.tagging import job as tagging
from spacy_distill.tagging.manifest import TagManifest

TEXTS = [
    "Anna Berg sails to Oslo .",
    "It rains .",
    "In Oslo waits Anna Berg , and Oslo waits for her .",
    "  Anna Berg\tsails ",
    "e\u0301 🧑‍🚀 Oslo",
    "安娜住在奥斯陆。",
    "Nothing here",
] * 5


class Job(NamedTuple):
    """A command: its function, its manifest, the module of its plan, another setting, and the
    module that writes its shards."""

    function: object
    manifest: type
    plan: object
    other: dict
    writes: str


JOBS = {
    "annotate": Job(
        annotate, Manifest, annotation, {"top_k": 2}, "spacy_distill.corpora.soft_shards"
    ),
    "tag": Job(tag, TagManifest, tagging, {"file_format": "jsonl"}, "spacy_distill.tagging.job"),
}


@pytest.fixture(scope="module")
def model(two_names, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "student"
    two_names.to_disk(folder)
    return folder


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf8")
    return path


@pytest.fixture(params=list(JOBS))
def job(request):
    return JOBS[request.param]


@pytest.fixture
def run(job, model, text_file, tmp_path):
    """Run a job in small shards. An output is a name in the test's folder, or a URL."""

    def done(output="out", model=model, source=text_file, **settings):
        settings = {"shard_size": 150, "batch_size": 4, "stderr": io.StringIO(), **settings}
        output = output if "://" in output else tmp_path / output
        return job.function(model, str(source), output, **settings)

    return done
