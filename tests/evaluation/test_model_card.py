"""The scores of a model card agree with those of a report."""

import io

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_distill.evaluation import measure
from spacy_distill.evaluation.card import write_card
from spacy_distill.evaluation.model_card import model_card
from spacy_distill.reports.comparison import compare
from tests.scripted_systems import corpora_for, gold_doc, scripted_system


def test_a_card_has_the_scores_of_a_report():
    """Neither counts a predicted entity on a token without annotation."""
    gold = [
        gold_doc("Anna sails to Oslo", [("Anna", "PER"), ("Oslo", "LOC")]),
        gold_doc("Bergen, Oslo", [("Oslo", "LOC")], missing=["Bergen"]),
    ]
    found = [["Oslo", "LOC", None], ["Bergen", "FAR", None], ["Anna", "LOC", None]]
    student = scripted_system("student", found)
    (examples,) = corpora_for([student], gold)
    card = measure(student.nlp, examples)
    report = compare(
        [student], corpora_for([student], gold), data="a", rounds=0, stderr=io.StringIO()
    )
    (system,) = report["systems"]
    assert set(card) == {"ents_p", "ents_r", "ents_f", "ents_per_type"}
    for key, name in (("ents_p", "precision"), ("ents_r", "recall"), ("ents_f", "f1")):
        assert card[key] == pytest.approx(system["scores"][name]["value"]) == pytest.approx(2 / 3)
    assert card["ents_per_type"] == {
        "LOC": {"p": pytest.approx(2 / 3), "r": 1.0, "f": pytest.approx(0.8)},
        "PER": {"p": 0.0, "r": 0.0, "f": 0.0},
    }


def test_settings_of_schedules_are_formatted():
    alpha = {"@schedules": "warmup_linear.v1", "initial_rate": 0.1 + 0.2, "total_steps": 1234567.0}
    meta = {"lang": "en", "name": "x", "distillation": {"loss": {"alpha": alpha, "beta": None}}}
    card = model_card(meta)
    assert "`alpha.schedules = warmup_linear.v1`, `alpha.initial_rate = 0.3`" in card
    assert "`alpha.total_steps = 1234567`" in card and "beta" not in card


def test_what_a_pipeline_needs_is_told():
    meta = {"lang": "en", "name": "x"}
    assert "spacy-distill, no torch." in model_card(meta)
    assert "spacy-distill[train], with torch." in model_card(meta, needs_torch=True)


def test_a_minimum_confidence_is_named(two_names):
    gold = two_names("Anna Berg sails to Oslo .")
    pipe = two_names.get_pipe("ner_student")
    examples = [Example(two_names.make_doc(gold.text), gold)]
    assert "ents_min_confidence" not in measure(two_names, examples)
    pipe.min_confidence = 0.25
    try:
        found = measure(two_names, examples)
    finally:
        pipe.min_confidence = 0.0
    assert found["ents_min_confidence"] == 0.25
    card = model_card({"lang": "en", "name": "x", "performance": found})
    assert "Entities with a confidence below 0.25 are left out" in card


def test_a_card_lists_the_labels_of_entities_alone(two_names, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger").add_label("NN")
    nlp.add_pipe("ner_student", source=two_names)
    nlp.initialize()
    gold = two_names("Anna Berg sails to Oslo .")
    DocBin(docs=[gold]).to_disk(tmp_path / "test.spacy")
    meta = write_card(nlp, tmp_path / "test.spacy", tmp_path / "card")
    labels = list(two_names.get_pipe("ner_student").labels)
    assert meta["evaluation"]["labels"] == labels
    assert meta["description"].startswith(f"Finds {', '.join(labels)}: ")
    assert "`NN`" not in (tmp_path / "card" / "README.md").read_text()


def test_a_new_evaluation_has_a_new_summary(two_names, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_student", source=two_names)
    gold = two_names("Anna Berg sails to Oslo .")
    DocBin(docs=[gold]).to_disk(tmp_path / "test.spacy")
    for data in ("news", "letters"):
        write_card(nlp, tmp_path / "test.spacy", tmp_path / "card", data=data, overwrite=True)
        nlp = spacy.load(tmp_path / "card")
        assert f" on {data}," in nlp.meta["description"]
    write_card(nlp, tmp_path / "test.spacy", tmp_path / "card", description="Mine", overwrite=True)
    nlp = spacy.load(tmp_path / "card")
    meta = write_card(nlp, tmp_path / "test.spacy", tmp_path / "card", overwrite=True)
    assert meta["description"] == "Mine"
