"""`python -m spacy distill-report`."""

import json

import pytest
import spacy
from spacy.cli import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

import spacy_distill.cli.report  # noqa: F401 - registers the command
from tests.scripted_systems import gold_doc

pytest.importorskip("matplotlib", reason="the report extra is not installed")


def run(*arguments):
    result = CliRunner().invoke(app, ["distill-report", *(str(argument) for argument in arguments)])
    return result.exit_code, " ".join(result.output.split())


def ruler(folder, patterns):
    nlp = spacy.blank("en")
    found = [{"label": label, "pattern": pattern} for pattern, label in patterns]
    nlp.add_pipe("entity_ruler").add_patterns(found)
    nlp.meta.update(name=folder.name, version="1.2.3")
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two pipelines of rules, a test set and a log."""
    folder = tmp_path_factory.mktemp("report")
    ruler(folder / "rules", [("Oslo", "LOC"), ("Anna", "PERSON")])
    ruler(folder / "others", [("Oslo", "LOC"), ("Kiel", "LOC")])
    docs = [
        gold_doc("Anna sails to Oslo", [("Anna", "PER"), ("Oslo", "LOC")]),
        gold_doc("Kiel or Oslo", [("Kiel", "LOC"), ("Oslo", "LOC")]),
    ]
    DocBin(docs=docs).to_disk(folder / "test.spacy")
    line = {"step": 10, "seconds": 3.0, "score": 0.5, "scores": {"ents_f": 0.5}}
    (folder / "run.jsonl").write_text(json.dumps(line))
    return folder


def test_a_report_is_written(folder, tmp_path, files):
    output = tmp_path / "new" / "report"
    arguments = [folder / "rules", folder / "test.spacy", "--teacher", folder / "others"]
    arguments += ["--baseline", files["teacher"], "--runs", folder / "run.jsonl"]
    arguments += ["--output", output, "--rounds", 1, "--data", "Two lines", "--resamples", 100]
    code, said = run(*arguments)
    assert code == 0, said
    assert "words/s" in said and "baseline" in said
    assert "Wrote" in said and "PERSON, which the test set does not have" in said
    numbers = json.loads((output / "report.json").read_text())
    assert [system["role"] for system in numbers["systems"]] == ["student", "teacher", "baseline"]
    student, teacher, baseline = numbers["systems"]
    assert (student["name"], student["version"]) == ("en_rules", "1.2.3")
    assert student["scores"]["f1"]["value"] == pytest.approx(2 * 2 / 7)
    assert teacher["scores"]["recall"]["value"] == 0.75
    assert baseline["parameters"] > 1000 and baseline["megabytes"] > 0
    assert baseline["calibration"] is None or baseline["calibration"]["error"] <= 1
    pictures = {path.stem for path in output.glob("*.png")}
    assert pictures >= {"f1", "speed", "learning", "confusion"}
    page = (output / "index.html").read_text()
    assert "Two lines" in page and "en_rules" in page
    # A second report needs --force, and removes the first one's other pictures.
    code, said = run(*arguments)
    assert code == 1 and "replace an earlier report with --force" in said
    code, said = run(folder / "rules", folder / "test.spacy", "-o", output, "--rounds", 0, "-F")
    assert code == 0, said
    assert {path.stem for path in output.glob("*.png")} == {"f1"}
    assert (
        json.loads((output / "report.json").read_text())["systems"][0]["words_per_second"] is None
    )


def test_teachers_are_read_as_the_other_commands_read_them(folder, tmp_path):
    teachers = f"{folder / 'rules'},{folder / 'others'}"
    options = ["--label-map", "PERSON=PER,LOC=LOC", "--partial-labels", "--rounds", 0]
    code, said = run(
        *(folder / "rules", folder / "test.spacy", "--teacher", teachers),
        *("-o", tmp_path / "report", *options),
    )
    assert code == 0, said
    numbers = json.loads((tmp_path / "report" / "report.json").read_text())
    teacher = numbers["systems"][1]
    assert teacher["name"] == teachers and teacher["labels"] == ["LOC", "PER"]
    assert teacher["scores"]["f1"]["value"] == 1
    assert teacher["megabytes"] is None and teacher["parameters"] is None


def test_a_teacher_with_options_is_described_as_it_is(folder, tmp_path):
    options = ["--label-map", "PERSON=PER,LOC=LOC", "--partial-labels", "--rounds", 0]
    code, said = run(
        *(folder / "rules", folder / "test.spacy", "--teacher", folder / "rules"),
        *("-o", tmp_path / "report", *options),
    )
    assert code == 0, said
    student, teacher = json.loads((tmp_path / "report" / "report.json").read_text())["systems"]
    for key in ("name", "version", "lang", "pipeline", "parameters", "megabytes"):
        assert teacher[key] == student[key], key


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["{folder}/nothing", "{folder}/test.spacy"], "Can't find model"),
        (["{folder}/rules", "{folder}/run.jsonl"], "has no .spacy file"),
        (["{folder}/rules", "{folder}/broken.spacy"], "cannot be read as a .spacy file"),
        (
            ["{folder}/rules", "{folder}/test.spacy", "--label-map", "A=B"],
            "Options for a teacher need a teacher: found none. Name it with --teacher",
        ),
        (
            ["{folder}/rules", "{folder}/test.spacy", "--teacher", "./none"],
            "There is no teacher './none'",
        ),
        (
            ["{folder}/rules", "{folder}/test.spacy", "--runs", "{folder}/test.spacy"],
            "is no log of training",
        ),
    ],
)
def test_wrong_arguments_are_reported_in_one_line(folder, tmp_path, arguments, expected):
    (folder / "broken.spacy").write_bytes(b"nothing")
    arguments = [argument.format(folder=folder) for argument in arguments]
    code, said = run(*arguments, "-o", tmp_path / "report", "--rounds", 0)
    assert code == 1 and expected in said and "Traceback" not in said
    assert not (tmp_path / "report").exists()


def test_folders_with_other_files_are_not_changed(folder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    code, said = run(folder / "rules", folder / "test.spacy", "-o", tmp_path, "--force")
    assert code == 1 and "a folder that is not empty. Name a new folder" in said
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_gold_entities_may_be_spans(folder, tmp_path):
    docs = list(DocBin().from_disk(folder / "test.spacy").get_docs(spacy.blank("en").vocab))
    for doc in docs:
        doc.spans["gold"] = [ent for ent in doc.ents if ent.label_ == "LOC"]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "spans.spacy")
    arguments = (folder / "rules", tmp_path / "spans.spacy", "--rounds", 0, "--resamples", 100)
    recalls = []
    for name, options in (("ents", ()), ("spans", ("--gold-spans-key", "gold"))):
        code, said = run(*arguments, "--output", tmp_path / name, *options)
        assert code == 0, said
        (system,) = json.loads((tmp_path / name / "report.json").read_text())["systems"]
        recalls.append(system["scores"]["recall"]["value"])
    # The rules label Anna as PERSON, but she is no gold entity of the spans.
    assert recalls == [0.5, pytest.approx(2 / 3)]
