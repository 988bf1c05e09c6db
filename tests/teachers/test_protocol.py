import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_distill.chain import BiluoTags
from spacy_distill.teachers import CachedTeacher, EnsembleTeacher, MappedTeacher, match_labels
from spacy_distill.teachers.protocol import count_misfits, parts_of
from tests.teachers.conftest import WordTeacher

LABELS = ("LOC", "ORG", "PER", "creative-work")


@given(teacher=st.permutations(LABELS), student=st.permutations(LABELS))
def test_every_tag_of_the_student_finds_its_name_in_the_teacher(teacher, student):
    theirs, ours = BiluoTags(tuple(teacher)).names, BiluoTags(tuple(student)).names
    assert [theirs[number] for number in match_labels(teacher, student)] == list(ours)


def test_reordered_chains_give_the_same_sequences(word_teacher, doc):
    chain = word_teacher.predict_chain([doc("Anna sails to Oslo with Carl Maria Lund")])
    student = ("PER", "LOC")
    order = match_labels(word_teacher.labels, student)
    moved = chain.with_tags(order)
    theirs, ours = BiluoTags(word_teacher.labels), BiluoTags(student)
    assert theirs.spans(chain.argmax()) == ours.spans(moved.argmax()) != []
    assert chain.argmax().tolist() != moved.argmax().tolist()
    numpy.testing.assert_allclose(moved.log_partition, chain.log_partition, rtol=1e-6)
    for number, name in enumerate(ours.names):
        numpy.testing.assert_allclose(
            moved.marginals()[:, number], chain.marginals()[:, theirs.names.index(name)], rtol=1e-5
        )


@pytest.mark.parametrize(
    "teacher, student, text",
    [
        (["PER", "LOC"], ["PER"], "Only the teacher has: LOC. Only the student has: none."),
        (["PER"], ["PER", "LOC"], "Only the teacher has: none. Only the student has: LOC."),
        (["PER", "GPE"], ["PER", "LOC"], "Only the teacher has: GPE. Only the student has: LOC."),
        ([], ["PER"], "Only the teacher has: none. Only the student has: PER."),
    ],
)
def test_labels_that_differ_are_named(teacher, student, text):
    with pytest.raises(ValueError, match=f"need the same labels. {text}"):
        match_labels(teacher, student)


def test_a_teacher_has_parts_and_each_counts_its_misfits_once():
    first, second, third = WordTeacher(), WordTeacher(), WordTeacher()
    first.n_misfits, second.n_misfits = 3, 4
    mapped = MappedTeacher(second, {"LOC": "LOC", "PER": "PER"})
    ensemble = EnsembleTeacher([first, mapped, third])
    cached = CachedTeacher(ensemble)
    assert list(parts_of(cached)) == [cached, ensemble, first, mapped, second, third]
    assert count_misfits([cached]) == 7
    assert count_misfits([cached, first, MappedTeacher(first, {"LOC": "LOC"})]) == 7
    assert count_misfits([third]) == 0
