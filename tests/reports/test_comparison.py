"""A whole comparison."""

import io
import json

import pytest
from spacy.tokens import Span

from spacy_distill.evaluation.systems import System
from spacy_distill.reports.comparison import compare
from tests.scripted_systems import corpora_for, gold_doc, scripted_system


def compared(systems, gold, **settings):
    settings = {"rounds": 0, "resamples": 100, **settings}
    found = compare(systems, corpora_for(systems, gold), data="a", stderr=io.StringIO(), **settings)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


GOLD = [
    gold_doc("Anna sails to Oslo", [("Anna", "PER"), ("Oslo", "LOC")]),
    gold_doc("Kiel is far", [("Kiel", "LOC")]),
    gold_doc("It rains"),
]


def test_systems_are_compared():
    student = scripted_system(
        "student", [["Anna", "PER", 0.9], ["Oslo", "LOC", 0.8], ["It", "PER", 0.4]]
    )
    teacher = scripted_system("teacher", [["Anna", "LOC", None], ["Kiel", "LOC", None]])
    found = compared([student, teacher], GOLD, rounds=1)
    mine, other = found["systems"]
    assert mine["scores"]["precision"]["value"] == pytest.approx(2 / 3)
    assert mine["scores"]["recall"]["value"] == pytest.approx(2 / 3)
    assert other["scores"]["f1"]["value"] == pytest.approx(2 / 5)
    assert mine["per_label"]["PER"]["precision"]["value"] == 0.5
    (difference,) = found["differences"]
    assert difference["to"] == "teacher"
    assert difference["f1"]["value"] == pytest.approx(2 / 3 - 2 / 5)
    assert difference["per_label"]["PER"]["value"] == pytest.approx(2 / 3)
    assert mine["calibration"]["counts"] == [0, 0, 0, 0, 1, 0, 0, 0, 1, 1]
    assert other["calibration"] is None
    assert mine["words_per_second"] > 0 and len(mine["words_per_second_of_passes"]) >= 1
    disagreements = found["disagreements"]
    assert disagreements["agreed"] == 0 and disagreements["ranked"]
    assert disagreements["kinds"]["type"] == 1 and disagreements["kinds"]["only first"] == 2
    assert disagreements["right"] == {"student": 2, "teacher": 2, "neither": 0, "unknown": 0}
    shown = disagreements["shown"]
    assert [one["confidence"] for one in shown] == [0.9, 0.8, 0.4, None]
    assert [one["right"] for one in shown] == ["student", "student", "teacher", "teacher"]
    assert found["errors"]["student"]["kinds"]["only second"] == 1
    assert any("3 documents" in note for note in found["notes"])


def test_confidences_are_off_again_where_speed_is_measured():
    student = scripted_system("student", [["Anna", "PER", 0.9]])
    compared([student], GOLD)
    assert student.nlp.get_pipe("scripted_entities").confidence is False


def test_extensions_of_apps_do_not_matter():
    """Confidences are written under a name that only the package uses."""
    kept = Span.remove_extension("confidence") if Span.has_extension("confidence") else None
    Span.set_extension("confidence", getter=lambda span: "high")
    try:
        student = scripted_system("student", [["Anna", "PER", 0.9]])
        found = compared([student, scripted_system("teacher", [])], GOLD)
    finally:
        Span.remove_extension("confidence")
        if kept is not None:
            Span.set_extension("confidence", getter=kept[2])
    assert found["systems"][0]["calibration"]["counts"][9] == 1
    assert found["disagreements"]["shown"][0]["confidence"] == 0.9
    assert student.nlp.get_pipe("scripted_entities").confidence_attr == "confidence"


@pytest.mark.parametrize("rounds, held, told", [(1, False, 1), (1, True, 0), (0, False, 0)])
def test_speeds_of_several_threads_have_a_note(monkeypatch, rounds, held, told):
    monkeypatch.setattr("spacy_distill.reports.comparison.holds_one_thread", lambda: held)
    monkeypatch.setattr("spacy_distill.reports.comparison.LEAST_SECONDS", 0.0)
    found = compared([scripted_system("student", [])], GOLD, rounds=rounds)
    assert found["speed"]["one_thread"] is held
    assert sum("threadpoolctl" in note for note in found["notes"]) == told


def test_the_number_of_disagreements_is_limited():
    student = scripted_system("student", [["Anna", "PER", 0.2], ["Oslo", "LOC", 0.9]])
    found = compared([student, scripted_system("teacher", [])], GOLD, shown=1)
    (shown,) = found["disagreements"]["shown"]
    assert shown["student"][0]["label"] == "LOC"
    assert "The teacher finds no entity at all." in found["notes"]


def test_labels_that_the_test_set_does_not_have_are_noted():
    found = compared([scripted_system("student", [["Oslo", "GPE", None]])], GOLD)
    assert "GPE" in found["labels"]
    assert any(
        "which the test set does not have. These entities count as wrong: 1" in n
        for n in found["notes"]
    )
    assert found["systems"][0]["per_label"]["GPE"]["recall"]["value"] is None
    assert found["disagreements"] is None and found["differences"] == []


def test_tokens_without_annotation_do_not_count():
    gold = [*GOLD, gold_doc("Bergen, Oslo", [("Oslo", "LOC")], missing=["Bergen"])]
    student = scripted_system("student", [["Oslo", "LOC", None], ["Bergen", "LOC", None]])
    found = compared([student, scripted_system("teacher", [])], gold)
    assert found["systems"][0]["scores"]["precision"]["value"] == 1
    assert found["errors"]["student"]["kinds"]["only first"] == 0
    assert found["disagreements"]["right"]["unknown"] == 1
    assert any(note.startswith("1 of 12 words are not annotated") for note in found["notes"])


def test_one_document_and_blank_text():
    student = scripted_system("student", [["Oslo", "LOC", None]])
    found = compared([student], [gold_doc("In Oslo", [("Oslo", "LOC")])])
    assert found["systems"][0]["scores"]["f1"] == {"value": 1, "low": None, "high": None}
    assert any("one document" in note for note in found["notes"])
    compared([student], [gold_doc("In Oslo", [("Oslo", "LOC")]), gold_doc(" \n ")])


def test_a_test_set_without_entities_is_refused():
    with pytest.raises(ValueError, match="found no entity in 1 documents"):
        compared([scripted_system("student", [])], [gold_doc("It rains")])


def test_a_tokenizer_that_changes_the_text_is_refused():
    student = scripted_system("student", [])
    real = student.nlp.tokenizer
    student.nlp.tokenizer = lambda text: real(text.lower())
    with pytest.raises(ValueError, match="tokenizer of the student 'student' changes the text"):
        compared([System("student", "student", student.nlp, None)], GOLD)
