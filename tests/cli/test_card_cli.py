"""`python -m spacy distill-card`, and the package of its result."""

import json

import pytest
import spacy
from spacy.cli import app
from spacy.tokens import Doc, DocBin, Span
from typer.testing import CliRunner

import spacy_distill.cli.card  # noqa: F401 - registers the command
from spacy_distill import distill
from spacy_distill.configs import make_config
from spacy_distill.evaluation import model_card


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A distilled student, and a test set."""
    folder = tmp_path_factory.mktemp("card")
    vocab = spacy.blank("en").vocab
    docs = []
    for words in ("Anna lives in Oslo", "It rains", "Kiel or Oslo"):
        doc = Doc(vocab, words.split(" "))
        doc.set_ents([Span(doc, i, i + 1, "LOC") for i, t in enumerate(doc) if t.text in CITIES])
        docs.append(doc)
    DocBin(docs=docs[:1]).to_disk(folder / "train.spacy")
    DocBin(docs=docs).to_disk(folder / "test.spacy")
    teacher = spacy.blank("en")
    teacher.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": c} for c in CITIES])
    teacher.meta.update(name="gazetteer", version="1.2.3")
    (folder / "student.cfg").write_text(make_config("student", size="small"))
    overrides = {
        "paths.train": str(folder / "train.spacy"),
        "paths.unlabeled": str(folder / "test.spacy"),
        "paths.dev": str(folder / "test.spacy"),
        "distillation.max_steps": 50,
        "training.logger.progress_bar": False,
    }
    distill(teacher, folder / "student.cfg", folder / "training", overrides=overrides)
    return folder


CITIES = ("Oslo", "Kiel")


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_meta_of_a_student_describes_its_training(folder):
    made = spacy.load(folder / "training" / "model-best").meta["distillation"]
    assert made["teachers"] == ["en_gazetteer 1.2.3"]
    last = spacy.load(folder / "training" / "model-last").meta["distillation"]
    assert made["steps"] == made["best_step"] == last["best_step"] <= last["steps"] == 50
    assert made["documents"] == {"labeled": 1, "unlabeled": 3}
    assert made["batcher"]["size"] == 1000 and made["settings"]["max_steps"] == 50
    assert made["loss"]["@losses"] == "spacy-distill.ChainDistillation.v1" and made["version"]


def test_the_card_goes_into_the_package(folder, tmp_path):
    model = folder / "training" / "model-best"
    options = [
        "--name",
        "places",
        "--version",
        "0.3.0",
        "--license",
        "MIT",
        "--data",
        "Three lines",
    ]
    options += ["--sources", "Our own (CC0); A list | of cities", "--notes", "Knows two cities."]
    output = run("distill-card", model, folder / "test.spacy", "-o", tmp_path / "model", *options)
    for step in ("Evaluate: 100% 3/3", "Speed: 100%"):
        assert step in output
    made_of, model = model, tmp_path / "model"
    meta = json.loads((model / "meta.json").read_text())
    nlp = spacy.load(made_of)
    scores = nlp.evaluate(list(spacy.training.Corpus(folder / "test.spacy")(nlp)))
    assert meta["performance"]["ents_f"] == pytest.approx(scores["ents_f"])
    assert scores["ents_f"] > 0.5
    assert meta["performance"]["ents_per_type"].keys() == {"LOC"}
    assert meta["performance"]["speed"] > 100
    assert 0 <= meta["performance"]["ents_calibration_error"] < 1
    card = (model / "README.md").read_text()
    for text in (
        "# en_places",
        'spacy.load("en_places")',
        "| Version | `0.3.0` |",
        r"| Sources | Our own (CC0); A list \| of cities |",
        f"| all | {100 * scores['ents_p']:.2f} |",
        "On Three lines:",
        "| Teachers | en_gazetteer 1.2.3 |",
        "| Documents | 1 labeled, 3 unlabeled |",
        "| Batches | `batchers = spacy.batch_by_words.v1`, `size = 1000`, ",
        "| Settings | `dropout = 0.4`, `labeled_share = 0.1`, `seed = 0`, `max_steps = 50` |",
        "Knows two cities.",
    ):
        assert text in card, text
    run("package", model, tmp_path, "--build", "none")
    package = tmp_path / "en_places-0.3.0"
    assert (package / "README.md").read_text() == card
    assert json.loads((package / "meta.json").read_text())["performance"] == meta["performance"]
    info = run("info", package / "en_places" / "en_places-0.3.0")
    assert all(text in info for text in ("Three lines", "en_gazetteer", "CC0", "Finds LOC: F1"))


def test_a_card_leaves_out_unknown_values():
    meta = {"lang": "en", "name": "pipeline", "evaluation": {"labels": ["LOC"]}}
    card = model_card(meta)
    assert "LOC" in card and "License" not in card and "##" not in card
    performance = {"ents_p": 0.5, "ents_r": 0.5, "ents_f": 0.5, "ents_per_type": None}
    card = model_card({**meta, "performance": performance})
    assert "On the development set" in card and "| all | 50.00 | 50.00 | 50.00 |" in card


def test_a_card_lists_licenses_of_sources_in_spacys_form():
    sources = [{"name": "News", "url": "", "license": "CC0"}, {"name": "Old"}, "roberta-base (MIT)"]
    card = model_card({"lang": "en", "name": "pipeline", "sources": sources})
    assert "| Sources | News (CC0); Old; roberta-base (MIT) |" in card


def test_a_card_lists_streamed_documents():
    made = {"documents": {"labeled": 1500, "unlabeled": None}}
    made["settings"] = {"labeled_share": 0.1 + 0.2}
    card = model_card({"lang": "en", "name": "pipeline", "distillation": made})
    assert "| Documents | 1,500 labeled, unlabeled ones streamed |" in card
    assert "| Settings | `labeled_share = 0.3` |" in card


def test_a_card_lists_the_number_of_steps():
    meta = {"lang": "en", "name": "pipeline", "distillation": {"steps": 4000, "best_step": 4000}}
    assert "| Steps | 4,000 |" in model_card(meta)
    meta["distillation"]["best_step"] = 1200
    assert "| Steps | 4,000; best on the development set at 1,200 |" in model_card(meta)


def test_a_test_set_without_labels_is_refused(folder, tmp_path):
    doc = Doc(spacy.blank("en").vocab, ["Oslo"])
    DocBin(docs=[doc]).to_disk(tmp_path / "unlabeled.spacy")
    student = folder / "training" / "model-best"
    arguments = ["distill-card", student, tmp_path / "unlabeled.spacy", "-o", tmp_path / "output"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 1 and "[D511]" in result.output
    assert not (tmp_path / "output").exists()


def test_gold_entities_may_be_spans(folder, tmp_path):
    student = folder / "training" / "model-best"
    nlp = spacy.load(student)
    docs = []
    for doc in DocBin().from_disk(folder / "test.spacy").get_docs(nlp.vocab):
        made = Doc(nlp.vocab, [token.text for token in doc])
        made.spans["gold"] = [Span(made, ent.start, ent.end, ent.label_) for ent in doc.ents]
        docs.append(made)
    DocBin(docs=docs).to_disk(tmp_path / "spans.spacy")
    run("distill-card", student, folder / "test.spacy", "-o", tmp_path / "ents")
    run(
        *("distill-card", student, tmp_path / "spans.spacy", "-o", tmp_path / "spans"),
        *("--gold-spans-key", "gold"),
    )
    scores = [spacy.load(tmp_path / name).meta["performance"] for name in ("ents", "spans")]
    assert scores[0]["ents_f"] == scores[1]["ents_f"] > 0
