"""A pipeline that finds entities, and text for it."""

import io

import pytest

from spacy_distill import tag

TEXTS = [
    "Anna Berg sails to Oslo .",
    "It rains .",
    "In Oslo waits Anna Berg , and Oslo waits for her .",
    "  Anna Berg\tsails ",
    "e\u0301 🧑‍🚀 Oslo",
    "Nothing here",
] * 5


@pytest.fixture(scope="module")
def model(two_names, tmp_path_factory):
    """The folder of a student that finds Anna Berg and Oslo."""
    folder = tmp_path_factory.mktemp("models") / "student"
    two_names.to_disk(folder)
    return folder


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf8")
    return path


@pytest.fixture
def run(model, text_file, tmp_path):
    """Tag in small shards; what was said is in `run.told`."""

    def tagged(output="tags", model=model, source=text_file, **settings):
        stderr = io.StringIO()
        settings = {"shard_size": 150, "batch_size": 4, "stderr": stderr, **settings}
        try:
            return tag(model, str(source), tmp_path / output, **settings)
        finally:
            tagged.told = " ".join(stderr.getvalue().split())

    return tagged
