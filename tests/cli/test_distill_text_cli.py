"""`python -m spacy distill TEACHER --text INPUT`."""

import json
import re

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_distill.cli import distill as distill_cli
from spacy_distill.evaluation import speed

CITIES = ["Oslo", "Kiel", "Turku"]
# Settings of the package's config that make a training short.
SHORT = {
    "distillation.max_steps": 2,
    "training.eval_frequency": 1,
    "components.ner_student.model.encode.width": 16,
    "components.ner_student.model.encode.depth": 1,
    "distillation.calibrate": "false",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a teacher of rules, and text in JSON."""
    folder = tmp_path_factory.mktemp("text")
    nlp = spacy.blank("nb")
    patterns = [{"label": "GPE", "pattern": city} for city in CITIES]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.to_disk(folder / "rules")
    texts = [f"Anna seiler til {city} {day} ganger" for city in CITIES for day in range(8)]
    rows = [json.dumps({"body": text}) for text in texts]
    (folder / "articles.jsonl").write_text("\n".join(rows))
    return folder


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """Run the command with the text."""
    monkeypatch.setattr(speed, "LEAST_SECONDS", 0.0)
    text = ["--text", str(folder / "articles.jsonl"), "--output", str(tmp_path / "output")]

    def invoke(*more):
        return CliRunner().invoke(app, ["distill", str(folder / "rules"), *more, *text])

    return invoke


@pytest.fixture
def passed(monkeypatch):
    """What the command gives to the function, which does nothing."""
    found = {}

    def distill(teacher, student, output, **settings):
        found.update(settings, student=student)

    monkeypatch.setattr(distill_cli, "distill", distill)
    return found


def said(result):
    """RETURNS (str): The output without colours and line breaks."""
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


def test_text_becomes_a_student(run, tmp_path):
    settings = [part for name, value in SHORT.items() for part in (f"--{name}", str(value))]
    result = run(*settings, "--text-field", "body", "--limit", "20", "--label-map", "GPE=LOC")
    assert result.exit_code == 0, result.output
    output = tmp_path / "output"
    for name, n_documents in (("train", 18), ("dev", 2)):
        assert len(DocBin().from_disk(output / "text" / f"{name}.spacy")) == n_documents
    nlp = spacy.load(output / "student")
    assert nlp.lang == "nb" and nlp.get_pipe("ner_student").labels == ("LOC",)
    assert (output / "student" / "README.md").is_file()
    message = said(run("--text-field", "body"))
    assert "[D721]" in message and "--force" in message


def test_a_wrong_column_is_named(run, tmp_path):
    result = run()
    assert result.exit_code == 1
    assert "[D310]" in said(result) and "--text-field" in said(result)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    "more, student, overrides",
    [
        ([], None, {}),
        (["--paths.vectors", "words"], None, {"paths.vectors": "words"}),
        (["--system.seed=3", "--limit", "2"], None, {"system.seed": 3}),
        (["CONFIG", "--system.seed", "3"], "CONFIG", {"system.seed": 3}),
        (["-"], "-", {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_config_may_be_left_out(run, passed, folder, more, student, overrides):
    config = folder / "student.cfg"
    config.touch()
    result = run(*(str(config) if part == "CONFIG" else part for part in more))
    assert result.exit_code == 0, result.output
    assert passed["student"] == (str(config) if student == "CONFIG" else student)
    assert passed["overrides"] == overrides


def test_options_of_the_text(run, passed):
    assert run("--text-field", "body", "--limit", "3").exit_code == 0
    assert [document.text[:15] for document in passed["text"]] == ["Anna seiler til"] * 3
    assert passed["text"].columns.text == "body"


@pytest.mark.parametrize(
    "option",
    [["--text-field", "body"], ["--split", "test"], ["--quoting", "none"], ["--limit", "2"]],
    ids=lambda option: option[0],
)
def test_options_of_the_text_need_a_text(folder, passed, tmp_path, option):
    arguments = ["distill", str(folder / "rules"), "--output", str(tmp_path / "output"), *option]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1 and "[D711]" in said(result) and not passed


@pytest.mark.parametrize(
    "more, code",
    [
        (["--paths.unlabeled", "corpus.spacy"], "D117"),
        (["--max_steps", "3"], "D709"),
        (["--quoting", "none"], "D362"),
        (["--compact"], "D612"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_be_combined(run, tmp_path, more, code):
    result = run(*more, "--text-field", "body")
    assert result.exit_code == 1 and f"✘ [{code}]" in said(result)
    assert not (tmp_path / "output" / "model-last").exists()
