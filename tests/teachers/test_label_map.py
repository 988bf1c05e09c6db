"""Teachers with mapped labels."""

import json

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_distill.chain import BiluoTags
from spacy_distill.teachers import MappedTeacher, TeacherOptions, load_teacher
from spacy_distill.teachers.label_map import parse_label_map

TEXTS = ["Anna sails to Oslo", "", "Oslo", "It rains in New York"]


@pytest.fixture
def docs(doc):
    return [doc(text) for text in TEXTS]


def columns(chain, labels, name):
    return chain.marginals()[:, BiluoTags(tuple(labels)).names.index(name)]


def test_renamed_labels_keep_their_probabilities(word_teacher, docs):
    mapped = MappedTeacher(word_teacher, {"PER": "A-PERSON", "LOC": "PLACE"})
    assert mapped.labels == ("A-PERSON", "PLACE")
    before, after = word_teacher.predict_chain(docs), mapped.predict_chain(docs)
    assert after.lengths.tolist() == before.lengths.tolist()
    for prefix in "BILU":
        for old, new in (("PER", "A-PERSON"), ("LOC", "PLACE")):
            expected = columns(before, ("LOC", "PER"), f"{prefix}-{old}")
            assert_allclose(columns(after, mapped.labels, f"{prefix}-{new}"), expected, atol=1e-5)


def test_labels_that_become_one_add_up(word_teacher, docs):
    mapped = MappedTeacher(word_teacher, {"PER": "NAME", "LOC": "NAME"})
    before, after = word_teacher.predict_chain(docs), mapped.predict_chain(docs)
    assert mapped.labels == ("NAME",)
    expected = before.marginals()[:, 1:5] + before.marginals()[:, 5:]
    assert_allclose(after.marginals()[:, 1:], expected, atol=1e-5)
    assert_allclose(after.marginals()[:, 0], before.marginals()[:, 0], atol=1e-5)


def test_of_labels_that_are_left_out_the_probability_goes_to_o(word_teacher, docs):
    mapped = MappedTeacher(word_teacher, {"PER": "PER"})
    before, after = word_teacher.predict_chain(docs), mapped.predict_chain(docs)
    assert mapped.labels == ("PER",)
    assert_allclose(after.marginals()[:, 1:], before.marginals()[:, 5:], atol=1e-5)
    left = before.marginals()[:, 0] + before.marginals()[:, 1:5].sum(axis=1)
    assert_allclose(after.marginals()[:, 0], left, atol=1e-5)


def test_labels_that_are_new_ones_already_stay(word_teacher, docs):
    """So one map works for several teachers, even if some already have the new labels."""
    mapped = MappedTeacher(word_teacher, {"PERSON": "PER", "GPE": "LOC"})
    assert mapped.labels == ("LOC", "PER")
    expected = word_teacher.predict_chain(docs).marginals()
    assert_allclose(mapped.predict_chain(docs).marginals(), expected, atol=1e-5)


def test_labels_may_change_places(word_teacher, docs):
    mapped = MappedTeacher(word_teacher, {"PER": "LOC", "LOC": "PER"})
    before, after = word_teacher.predict_chain(docs), mapped.predict_chain(docs)
    found = columns(after, mapped.labels, "U-PER")
    assert_allclose(found, columns(before, ("LOC", "PER"), "U-LOC"), atol=1e-5)


def test_what_the_teacher_does_not_know_stays_unknown(unsure_teacher, docs):
    known = MappedTeacher(unsure_teacher, {"PER": "NAME"}).predict_chain(docs).known
    numpy.testing.assert_array_equal(known, unsure_teacher.predict_chain(docs).known)


def test_a_map_that_leaves_nothing_is_refused(word_teacher):
    with pytest.raises(
        ValueError, match=r"has the labels GPE, but the teacher's labels are: LOC, PER"
    ):
        MappedTeacher(word_teacher, {"GPE": "PLACE"})


def test_an_ensemble_of_teachers_with_different_labels(word_teacher, docs):
    other = type(word_teacher)(labels=("PERSON", "PLACE", "SHIP"))
    options = TeacherOptions(label_map={"PERSON": "PER", "PLACE": "LOC", "SHIP": "SHIP"})
    # The first teacher has no label that is mapped to SHIP.
    assert load_teacher([word_teacher, other], options).labels == ("LOC", "PER", "SHIP")
    options = TeacherOptions(label_map={"PERSON": "PER", "PLACE": "LOC"})
    teacher = load_teacher([word_teacher, other], options)
    assert teacher.labels == ("LOC", "PER")
    assert_allclose(teacher.predict_chain(docs).marginals().sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", {}),
        ("PERSON=PER", {"PERSON": "PER"}),
        (" PERSON = PER , GPE=LOC,", {"PERSON": "PER", "GPE": "LOC"}),
        ("WORK_OF_ART=WORK-OF-ART", {"WORK_OF_ART": "WORK-OF-ART"}),
    ],
)
def test_a_label_map_is_read_as_it_is_typed(text, expected):
    assert parse_label_map(text) == expected


@pytest.mark.parametrize("text", ["PERSON", "PERSON=", "=PER", "PERSON=PER,LOC", "A:B", "A=B=C"])
def test_what_is_no_label_map_is_refused(text):
    with pytest.raises(ValueError, match="is not a pair of labels: write OLD=NEW"):
        parse_label_map(text)


@pytest.mark.parametrize("text", ["PER=PER,MISC=O", '{"MISC": "O"}'])
def test_no_entity_is_no_new_label(text):
    with pytest.raises(ValueError, match=r"\[D223\] .*Leave 'MISC' out"):
        parse_label_map(text)


@pytest.mark.parametrize(
    "text", ["A=B,A=C", "A=B, A =B", '{"A": "B", "A": "C"}', '{"A": "B", "A ": "B"}']
)
def test_a_label_that_is_mapped_twice_is_refused(text, tmp_path):
    message = r"\[D286\] {} has the label 'A' twice: found 'B' and '[BC]'"
    with pytest.raises(ValueError, match=message.format("The label map")):
        parse_label_map(text)
    if text.startswith("{"):
        path = tmp_path / "map.json"
        path.write_text(text, encoding="utf8")
        with pytest.raises(ValueError, match=message.format("'.*map.json'")):
            parse_label_map(str(path))


def test_blanks_around_labels_in_json_do_not_count():
    assert parse_label_map('{" A": "B ", "C": "B"}') == {"A": "B", "C": "B"}


def test_labels_with_commas_and_equals_signs_are_mapped_by_json(tmp_path):
    expected = {"Person, living": "PER", "a=b": "C, d"}
    text = json.dumps(expected)
    assert parse_label_map(text) == expected
    path = tmp_path / "map.json"
    path.write_text(text, encoding="utf8")
    assert parse_label_map(str(path)) == expected


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"a": }', r"\[D283\] The label map is not valid JSON"),
        ("{}", r"\[D284\] The label map is not a JSON object of labels: found {}"),
        ('{"a": 1}', r"\[D284\]"),
        ('{"a": ""}', r"\[D284\]"),
        ('{"a": {"b": "c"}}', r"\[D284\]"),
    ],
)
def test_json_that_is_no_label_map_is_refused(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        parse_label_map(text)
    path = tmp_path / "map.json"
    path.write_text(text, encoding="utf8")
    with pytest.raises(ValueError, match=r"\[D28[34]\] '.*map.json' is not "):
        parse_label_map(str(path))
    with pytest.raises(ValueError, match=r"\[D281\] .*nowhere.json' cannot be read"):
        parse_label_map(str(tmp_path / "nowhere.json"))
