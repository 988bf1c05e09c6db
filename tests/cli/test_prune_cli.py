"""`python -m spacy distill-prune`."""

import numpy
import pytest
import spacy
from spacy.cli import app
from typer.testing import CliRunner

import spacy_distill.cli.prune  # noqa: F401 - registers the command
from spacy_distill.models.layer_gates import find_gated, set_gates


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """A student with three dense layers, of which one is closed."""
    path = tmp_path_factory.mktemp("student") / "student"
    nlp = spacy.blank("en")
    encode = {"@architectures": "spacy-distill.DenseBiLSTM.v1", "width": 8, "depth": 3}
    pipe = nlp.add_pipe("ner_student", config={"model": {"encode": encode}})
    pipe.add_label("PER")
    nlp.initialize()
    (layer,) = find_gated(pipe.model)
    set_gates(layer, numpy.asarray([0.8, 0.0, 1.0]))
    nlp.to_disk(path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["distill-prune", *map(str, arguments)])


@pytest.mark.parametrize("options, depth", [([], 2), (["--layers", 1], 1)])
def test_it_writes_a_pipeline_with_fewer_layers(student, tmp_path, options, depth):
    result = run(student, "-o", tmp_path / "small", *options)
    assert result.exit_code == 0, result.output
    assert "Wrote" in result.output and "MB" in result.output
    small = spacy.load(tmp_path / "small")
    assert small.config["components"]["ner_student"]["model"]["encode"]["depth"] == depth
    assert small("Anna sails").has_annotation("ENT_IOB")
    # The folder has a pipeline now, which --force replaces.
    assert run(student, "-o", tmp_path / "small").exit_code == 1
    assert run(student, "-o", tmp_path / "small", "--force").exit_code == 0


def test_errors_are_reported_in_one_line(student, tmp_path):
    assert run(student, "-o", tmp_path / "small").exit_code == 0
    result = run(tmp_path / "small", "-o", tmp_path / "smaller")
    assert result.exit_code == 1 and "[D643]" in result.output
    assert "Traceback" not in result.output and not (tmp_path / "smaller").exists()
