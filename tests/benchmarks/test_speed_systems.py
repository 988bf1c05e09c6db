"""The systems of the benchmark of speed."""

import numpy
import pytest
import spacy
from spacy.vectors import Vectors
from thinc.api import fix_random_seed

from benchmarks.commands import read_json
from benchmarks.speed.differences import main as write_differences
from benchmarks.speed.report import shown_table
from benchmarks.speed.systems import create, pipeline, with_encoder


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """A student, next to its documents."""
    path = tmp_path_factory.mktemp("student")
    nlp = spacy.blank("en")
    words = ["Anna", "Berg", "sails", "to", "Oslo"]
    data = numpy.random.default_rng(0).normal(size=(len(words), 6)).astype("float32")
    keys = [nlp.vocab.strings.add(word) for word in words]
    nlp.vocab.vectors = Vectors(data=data, keys=keys, strings=nlp.vocab.strings)
    settings = {"encode": {"width": 16, "depth": 1, "precision": "int8"}}
    fix_random_seed(0)
    nlp.add_pipe("ner_student", config={"model": settings}).add_label("PER")
    nlp.initialize()
    nlp.to_disk(path / "student")
    doc = nlp.make_doc(" ".join(words))
    doc.set_ents([doc.char_span(0, 9, label="PER")])
    for part in ("dev", "test"):
        spacy.tokens.DocBin(docs=[doc]).to_disk(path / f"{part}.spacy")
    return path


def test_systems_whose_package_is_missing_are_left_out_with_a_warning(capsys):
    def missing():
        import a_package_that_nobody_has  # noqa: F401

    assert create({"blank": lambda: 1, "other": missing}) == {"blank": 1}
    printed = capsys.readouterr()
    assert "other is left out: No module named" in " ".join((printed.out + printed.err).split())


@pytest.mark.parametrize("encoder", ["thinc", "torch"])
def test_students_with_other_encoders_run(encoder, student):
    if encoder == "torch":
        pytest.importorskip("torch", reason="the train extra is not installed")
    system = pipeline(lambda: with_encoder(str(student / "student"), encoder))
    (doc,) = docs = system.prepare([["Anna", "sails"]])
    system.run(docs)
    assert doc.has_annotation("ENT_IOB") and system.parameters > 16 * 16


def test_students_in_integers_and_with_small_vectors_are_compared(student, tmp_path):
    output = tmp_path / "speed.json"
    write_differences([f"{student / 'student'}={student}"] * 2, output)
    measured = read_json(output)
    rows = measured["differences"]["rows"]
    assert len(rows) == 3 and rows[0] == rows[1] and rows[0][1] == "en"
    bits = measured["vectors"]["rows"]
    assert [row[0] for row in bits] == ["32, not compact", "16", "8", "4", "2"]
    assert float(bits[1][2]) <= float(bits[0][2])
    assert "| 16 |" in shown_table(measured["vectors"])
