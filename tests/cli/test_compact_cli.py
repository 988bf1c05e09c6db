"""`python -m spacy distill-compact`."""

import numpy
import pytest
import spacy
from spacy.cli import app
from spacy.vectors import Vectors
from typer.testing import CliRunner

import spacy_distill.cli.compact  # noqa: F401 - registers the command

WORDS = [f"word{number}" for number in range(2000)]


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    path = tmp_path_factory.mktemp("student") / "student"
    nlp = spacy.blank("en")
    data = numpy.random.default_rng(0).normal(size=(len(WORDS), 20)).astype("float32")
    nlp.vocab.vectors = Vectors(data=data, keys=[nlp.vocab.strings.add(word) for word in WORDS])
    nlp.add_pipe("ner_student", config={"model": {"encode": {"width": 8, "depth": 1}}}).add_label(
        "PER"
    )
    nlp.initialize()
    nlp.to_disk(path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["distill-compact", *map(str, arguments)])


def size(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def test_it_writes_a_smaller_pipeline(student, tmp_path):
    result = run(student, "-o", tmp_path / "codes", "--bits", "4")
    assert result.exit_code == 0, result.output
    assert "with 2,000 words" in result.output
    assert run(student, "-o", tmp_path / "half", "--bits", "16").exit_code == 0
    assert size(tmp_path / "half") < size(student) - 20000
    # The folder has a pipeline now, which --force replaces.
    assert run(student, "-o", tmp_path / "half", "--prune", "100").exit_code == 1
    assert run(student, "-o", tmp_path / "half", "--bits", "8", "--force").exit_code == 0
    assert run(student, "-o", tmp_path / "rows", "--bits", "4", "--prune", "100").exit_code == 0
    assert size(tmp_path / "rows") < size(tmp_path / "codes") < size(tmp_path / "half")
    assert spacy.load(tmp_path / "rows")("word7 and word499").has_annotation("ENT_IOB")


def test_errors_are_reported_in_one_line(student, tmp_path):
    (tmp_path / "file").write_text("")
    for arguments, message in (
        ((student, "-o", tmp_path), "a folder that is not empty"),
        ((student, "-o", tmp_path, "--force"), "a folder that is not empty"),
        ((student, "-o", tmp_path / "new", "--bits", "3"), "in 3 bits a value"),
        ((tmp_path / "nothing", "-o", tmp_path / "new"), "nothing"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1, result.output
        assert message in " ".join(result.output.split()) and "Traceback" not in result.output
    assert not (tmp_path / "new").exists()
