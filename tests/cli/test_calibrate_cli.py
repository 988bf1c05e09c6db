"""`python -m spacy distill-calibrate`."""

import pytest
import spacy
from spacy.cli import app
from spacy.tokens import DocBin, Span
from typer.testing import CliRunner

import spacy_distill.cli.calibrate  # noqa: F401 - registers the command


def run(*arguments):
    return CliRunner().invoke(app, ["distill-calibrate", *map(str, arguments)])


def test_it_writes_a_pipeline_with_better_confidences(uncertain, tmp_path):
    result = run(*uncertain, "-o", tmp_path / "calibrated")
    assert result.exit_code == 0, result.output
    words = result.output.replace(",", "").split()
    before, after = (float(words[words.index(w) - 1]) for w in ("before", "after"))
    assert after < before and "error on these documents" in " ".join(result.output.split())
    assert [line.split(":")[0] for line in result.stderr.splitlines() if "100%" in line] == [
        "Evaluate",
        "Calibrate",
        "Evaluate",
    ]
    pipe = spacy.load(tmp_path / "calibrated").get_pipe("ner_student")
    assert f"Temperature {pipe.cfg['temperature']:.2f}" in result.output
    assert run(*uncertain, "-o", tmp_path / "calibrated").exit_code == 1
    assert run(*uncertain, "-o", tmp_path / "calibrated", "--force").exit_code == 0


def test_the_error_is_that_of_the_component(uncertain, tmp_path):
    """Another student in the pipeline, whose entities are kept, changes no figure."""
    student, corpus = uncertain
    alone = run(student, corpus, "-o", tmp_path / "alone").output
    nlp = spacy.load(student)
    nlp.add_pipe("ner_student", name="other", source=spacy.load(student), last=True)
    nlp.to_disk(tmp_path / "two")
    result = run(tmp_path / "two", corpus, "-o", tmp_path / "out", "--component", "ner_student")
    assert result.exit_code == 0, result.output
    assert result.output.split("Temperature")[1] == alone.split("Temperature")[1]


def test_labels_that_the_student_lacks_are_reported(uncertain, tmp_path):
    student, corpus = uncertain
    vocab = spacy.blank("en").vocab
    docs = list(DocBin().from_disk(corpus).get_docs(vocab))
    docs[1].set_ents([Span(docs[1], 0, 1, label="SHIP")])
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    result = run(student, tmp_path / "dev.spacy", "-o", tmp_path / "calibrated")
    assert result.exit_code == 0 and "Temperature" in result.output
    assert "[D913]" in result.output and "SHIP: these entities count as missed" in result.output
    DocBin(docs=docs[1:2]).to_disk(tmp_path / "other.spacy")
    result = run(student, tmp_path / "other.spacy", "-o", tmp_path / "no")
    assert result.exit_code == 1 and "[D506]" in result.output


def test_errors_are_reported_in_one_line(uncertain, tmp_path):
    student, corpus = uncertain
    result = run(student, corpus, "-o", tmp_path / "no", "--component", "other")
    assert result.exit_code == 1 and "Expected a ner_student 'other'" in result.output
    result = run(tmp_path / "nothing", corpus, "-o", tmp_path / "no")
    assert result.exit_code == 1 and not (tmp_path / "no").exists()


def test_gold_entities_may_be_spans(uncertain, tmp_path):
    student, dev = uncertain
    nlp = spacy.load(student)
    docs = []
    for doc in DocBin().from_disk(dev).get_docs(nlp.vocab):
        made = nlp.make_doc(doc.text)
        made.spans["gold"] = [Span(made, ent.start, ent.end, ent.label_) for ent in doc.ents]
        docs.append(made)
    DocBin(docs=docs).to_disk(tmp_path / "spans.spacy")
    arguments = (student, tmp_path / "spans.spacy")
    result = run(*arguments, "-o", tmp_path / "spans", "--gold-spans-key", "gold")
    assert result.exit_code == 0, result.output
    assert run(student, dev, "-o", tmp_path / "ents").exit_code == 0
    temperatures = [
        spacy.load(tmp_path / name).get_pipe("ner_student").cfg["temperature"]
        for name in ("spans", "ents")
    ]
    assert temperatures[0] == temperatures[1]
    with pytest.warns(UserWarning, match="D942.*'gold'.*--gold-spans-key"):
        assert run(*arguments, "-o", tmp_path / "none").exit_code == 1
