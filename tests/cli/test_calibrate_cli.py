"""`python -m spacy distill-calibrate`."""

import pytest
import spacy
from spacy.cli import app
from spacy.tokens import DocBin, Span
from spacy.training import Example
from thinc.api import Adam, fix_random_seed
from typer.testing import CliRunner

import spacy_distill.cli.calibrate  # noqa: F401 - registers the command

TEXTS = ["Anna sails", "Nobody sails", "Carl left", "It rains"] * 3


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A student after a short training, and a corpus on which it makes errors."""
    folder = tmp_path_factory.mktemp("calibration")
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_student", config={"model": {"encode": {"width": 16, "depth": 1}}})
    docs = [nlp.make_doc(text) for text in TEXTS]
    for doc in docs:
        is_name = doc[0].text in ("Anna", "Carl")
        doc.set_ents([Span(doc, 0, 1, label="PER")] if is_name else [])
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(folder / "student")
    for doc in docs[:3]:
        doc.set_ents([])
    DocBin(docs=docs).to_disk(folder / "dev.spacy")
    return folder / "student", folder / "dev.spacy"


def run(*arguments):
    return CliRunner().invoke(app, ["distill-calibrate", *map(str, arguments)])


def test_it_writes_a_pipeline_with_better_confidences(places, tmp_path):
    result = run(*places, "-o", tmp_path / "calibrated")
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
    assert run(*places, "-o", tmp_path / "calibrated").exit_code == 1
    assert run(*places, "-o", tmp_path / "calibrated", "--force").exit_code == 0


def test_labels_that_the_student_lacks_are_reported(places, tmp_path):
    student, corpus = places
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


def test_errors_are_reported_in_one_line(places, tmp_path):
    student, corpus = places
    result = run(student, corpus, "-o", tmp_path / "no", "--component", "other")
    assert result.exit_code == 1 and "Expected a ner_student 'other'" in result.output
    result = run(tmp_path / "nothing", corpus, "-o", tmp_path / "no")
    assert result.exit_code == 1 and not (tmp_path / "no").exists()


def test_gold_entities_may_be_spans(places, tmp_path):
    student, dev = places
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
