"""A development corpus without labels is scored by the agreement with the teacher."""

import io

import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_distill.teachers import AnnotationTeacher
from spacy_distill.training.silver import with_teacher_entities

nlp = spacy.blank("en")


class Capitals(AnnotationTeacher):
    """Says that capitalised words are names, and counts how often it is asked."""

    def __init__(self):
        super().__init__(["NAME"])
        self.calls = 0

    def predict_chain(self, docs):
        self.calls += 1
        copies = []
        for doc in docs:
            copy = Doc(doc.vocab, words=[token.text for token in doc])
            names = [token.i for token in copy if token.is_title]
            copy.set_ents([Span(copy, i, i + 1, label="NAME") for i in names])
            copies.append(copy)
        return super().predict_chain(copies)


def corpus_of(*docs):
    return lambda student: [Example(student.make_doc(doc.text), doc) for doc in docs]


def test_without_labels_the_teacher_entities_are_the_reference():
    teacher = Capitals()
    corpus = corpus_of(nlp.make_doc("today Anna sails"), nlp.make_doc("it rains"))
    stderr = io.StringIO()
    silver = with_teacher_entities(corpus, nlp, teacher, stderr=stderr)
    assert "Teacher reads: 100% 2/2" in stderr.getvalue()
    for _ in range(2):
        first, second = silver(nlp)
        assert [(ent.text, ent.label_) for ent in first.reference.ents] == [("Anna", "NAME")]
        assert second.reference.has_annotation("ENT_IOB") and not second.reference.ents
        assert not first.predicted.ents
    assert teacher.calls == 1


def test_with_a_single_label_the_corpus_stays_as_it_is():
    labeled = nlp.make_doc("today Anna sails")
    labeled.set_ents([Span(labeled, 2, 3, label="NAME")])
    corpus = corpus_of(nlp.make_doc("Carl waits"), labeled)
    assert with_teacher_entities(corpus, nlp, Capitals()) is corpus
