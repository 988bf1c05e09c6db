"""`python -m spacy distill-threshold`."""

import spacy
from spacy.cli import app
from spacy.tokens import DocBin, Span
from typer.testing import CliRunner

from spacy_distill.cli.threshold import parse_percentages


def run(*arguments):
    return CliRunner().invoke(app, ["distill-threshold", *map(str, arguments)])


def table(result):
    """RETURNS (List[List[str]]): The cells of the printed rows."""
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("---")) + 1
    last = next(number for number, line in enumerate(lines[first:]) if not line.strip()) + first
    return [line.split("  ") for line in lines[first:last]]


def test_entities_above_the_threshold_have_the_precision(uncertain, tmp_path):
    student, dev = uncertain
    nlp = spacy.load(student, config={"components.ner_student.confidence": True})
    nlp.get_pipe("ner_student").cfg["temperature"] = 4.0  # otherwise all are sure
    student = tmp_path / "student"
    nlp.to_disk(student)
    docs = list(DocBin().from_disk(dev).get_docs(nlp.vocab))
    found = list(nlp.pipe(doc.text for doc in docs))
    surest = max((ent for doc in found for ent in doc.ents), key=lambda ent: ent._.confidence)
    # Only the surest name is right.
    for doc, predicted in zip(docs, found, strict=True):
        is_right = any(ent.text == surest.text for ent in predicted.ents)
        doc.set_ents([Span(doc, 0, 1, label=surest.label_)] if is_right else [])
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    result = run(student, tmp_path / "dev.spacy", "--precision", "100,30")
    strict, loose = ([cell.strip() for cell in row if cell.strip()] for row in table(result))
    assert strict[:2] == ["all", "100 %"] and strict[3::2] == ["100.0", "100.0"]
    assert loose[1:4] == ["30 %", "0.0", "50.0"] and loose[5:] == ["100.0", "6 of 6"]
    assert strict[6] == "3 of 6" and strict[4].endswith("to 100.0")
    least = {"components.ner_student.min_confidence": float(strict[2])}
    sure = spacy.load(student, config=least).pipe(doc.text for doc in docs)
    assert [ent.text for doc in sure for ent in doc.ents] == [surest.text] * 3


def test_each_label_has_a_threshold(uncertain, tmp_path):
    student, dev = uncertain
    docs = list(DocBin().from_disk(dev).get_docs(spacy.blank("en").vocab))
    docs[1].set_ents([Span(docs[1], 0, 1, label="SHIP")])
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    result = run(student, tmp_path / "dev.spacy", "--by-label", "--precision", "50,99.5")
    labels = [row[0].strip() for row in table(result)]
    assert labels == ["all", "all", "PER", "PER", "SHIP", "SHIP"]
    # The student does not know this label.
    assert "[D913]" in result.output and table(result)[-1][-1].strip() == "0 of 0"


def test_percentages_are_exact():
    for tenths in range(10, 1001):
        assert parse_percentages(f"{tenths / 10}") == [tenths / 1000]
    assert parse_percentages("90, 99.95") == [0.9, 0.9995]


def test_one_of_several_students_is_chosen(uncertain, tmp_path):
    student, dev = uncertain
    nlp = spacy.load(student)
    config = nlp.get_pipe_config("ner_student")
    config.pop("factory")
    nlp.add_pipe("ner_student", name="second", config=config, first=True)
    nlp.get_pipe("second").from_bytes(nlp.get_pipe("ner_student").to_bytes())
    nlp.to_disk(tmp_path / "two")
    assert "[D020]" in run(tmp_path / "two", dev).output
    # The second one is the first in the pipeline, so the other finds nothing on its own.
    assert (
        table(run(tmp_path / "two", dev, "--component", "second", "--precision", "1"))[0][0]
        == "all"
    )
    assert "[D523]" in run(tmp_path / "two", dev, "--component", "ner_student").output


def test_errors_are_reported_in_one_line(uncertain, tmp_path):
    student, dev = uncertain
    for wrong in ("high", "", "101", "-5", "0.95", "90;95", "nan", "inf"):
        result = run(student, dev, "--precision", wrong)
        assert result.exit_code == 1 and "[D524]" in result.output, wrong
    nlp = spacy.blank("en")
    DocBin(docs=[nlp.make_doc("Anna sails")]).to_disk(tmp_path / "text.spacy")
    result = run(student, tmp_path / "text.spacy")
    assert result.exit_code == 1 and "[D523]" in result.output
