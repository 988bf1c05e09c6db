"""A development corpus without labels is scored by the agreement with the teacher."""

import io

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_distill.teachers import AnnotationTeacher, PipelineTeacher
from spacy_distill.training.silver import with_teacher_entities
from spacy_distill.training.skipped import SkippedDocuments

nlp = spacy.blank("xx")
nlp.add_pipe("ner_student")


NAMED = [
    ("Carl Lund lives in Oslo .", "Oslo"),
    ("Oslo and Turku are cities .", "Turku"),
    ("Kiel is here .", "Kiel"),
    ("Lund is in Kiel .", "Lund"),
]
NARROW = {
    "embed": {"features": {"width": 8}, "characters": {"filters": 8}},
    "encode": {"width": 16, "depth": 1},
}


@pytest.fixture(scope="module")
def trained():
    """Train a student of one label, once for each label, and make pipelines with it."""
    made = {}

    def make(label):
        if label not in made:
            fix_random_seed(0)
            pipeline = spacy.blank("xx")
            pipeline.add_pipe("ner_student", config={"model": NARROW})
            examples = []
            for text, name in NAMED:
                doc = pipeline.make_doc(text)
                start = text.index(name)
                doc.set_ents([doc.char_span(start, start + len(name), label=label)])
                examples.append(Example(pipeline.make_doc(text), doc))
            pipeline.initialize(lambda: examples)
            optimizer = Adam(0.02)
            for _ in range(30):
                pipeline.update(examples, sgd=optimizer)
            made[label] = pipeline
        return spacy.blank("xx").from_config(made[label].config).from_bytes(made[label].to_bytes())

    return make


class Words(AnnotationTeacher):
    """Finds given words as names, whatever the annotation."""

    def __init__(self, label, *words):
        super().__init__([label])
        self.words = words

    def predict_chain(self, docs):
        copies = []
        for doc in docs:
            copy = Doc(doc.vocab, words=[token.text for token in doc])
            names = [token.i for token in copy if token.text in self.words]
            copy.set_ents([Span(copy, i, i + 1, label=self.labels[0]) for i in names])
            copies.append(copy)
        return super().predict_chain(copies)


class Capitals(AnnotationTeacher):
    """Finds capitalised words as names, and counts its calls."""

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
    silver = with_teacher_entities(corpus, nlp, {"ner_student": teacher}, stderr=stderr)
    assert "Teacher reads: 100% 2/2" in stderr.getvalue()
    for _ in range(2):
        first, second = silver(nlp)
        assert [(ent.text, ent.label_) for ent in first.reference.ents] == [("Anna", "NAME")]
        assert second.reference.has_annotation("ENT_IOB") and not second.reference.ents
        assert not first.predicted.ents
    assert teacher.calls == 1


def test_an_empty_document_is_no_label():
    corpus = corpus_of(nlp.make_doc("today Anna sails"), nlp.make_doc(""))
    silver = with_teacher_entities(corpus, nlp, {"ner_student": Capitals()}, stderr=io.StringIO())
    assert [len(example.reference.ents) for example in silver(nlp)] == [1, 0]


def test_with_a_single_label_the_corpus_stays_as_it_is():
    labeled = nlp.make_doc("today Anna sails")
    labeled.set_ents([Span(labeled, 2, 3, label="NAME")])
    corpus = corpus_of(nlp.make_doc("Carl waits"), labeled)
    assert with_teacher_entities(corpus, nlp, {"ner_student": Capitals()}) is corpus


@pytest.mark.parametrize("overwrites", [False, True])
def test_students_with_different_teachers_are_scored_by_all_of_them(overwrites):
    """If two teachers find entities at one place, the pipeline's order decides."""
    students = spacy.blank("xx")
    students.add_pipe("ner_student", name="people")
    students.add_pipe("ner_student", name="places", config={"overwrite_ents": overwrites})
    # Another order than that of the pipeline.
    teachers = {"places": Words("LOC", "Oslo", "Kiel"), "people": Words("PER", "Anna", "Kiel")}
    corpus = corpus_of(nlp.make_doc("Anna sails to Oslo"), nlp.make_doc("Kiel waits"))
    silver = with_teacher_entities(corpus, students, teachers)
    found = [
        [(ent.text, ent.label_) for ent in example.reference.ents] for example in silver(students)
    ]
    assert found == [
        [("Anna", "PER"), ("Oslo", "LOC")],
        [("Kiel", "LOC" if overwrites else "PER")],
    ]


def test_of_several_teachers_one_that_fails_leaves_the_document_out():
    class Failing(Words):
        def predict_chain(self, docs):
            if any("storm" in doc.text for doc in docs):
                raise RuntimeError("bad weather")
            return super().predict_chain(docs)

    students = spacy.blank("xx")
    for name in ("people", "places"):
        students.add_pipe("ner_student", name=name)
    teachers = {"people": Words("PER", "Anna"), "places": Failing("LOC", "Oslo")}
    texts = ["Anna fears storm", "Anna sails to Oslo"]
    corpus = corpus_of(*map(nlp.make_doc, texts))
    with pytest.raises(ValueError, match=r"\[D532\].*all 1 documents of the development"):
        only = corpus_of(nlp.make_doc(texts[0]))
        with_teacher_entities(only, students, teachers, SkippedDocuments(1))
    skipped = SkippedDocuments(1)
    silver = with_teacher_entities(corpus, students, teachers, skipped)
    assert [example.text for example in silver(students)] == ["Anna sails to Oslo"]
    assert len(skipped) == 1
    with pytest.raises(ValueError, match=r"\[D517\] The teacher 'entities' .*'Anna fears"):
        with_teacher_entities(corpus_of(*map(nlp.make_doc, texts)), students, teachers)


@Language.component("spacy_distill_tests_shouter")
def shouter(doc):
    for token in doc:
        token.lemma_ = token.text.upper()
    return doc


@pytest.mark.parametrize(
    "others",
    [
        [],
        [("ruler", "first")],
        [("ruler", "last")],
        [("frozen", "last")],
        [("frozen", "first"), ("ruler", "last")],
        [("merging", "first"), ("ruler", "first"), ("tags", "first")],
    ],
)
def test_a_copy_of_the_teacher_agrees_with_itself_next_to_other_components(trained, others):
    """A ruler and a frozen student write their own entities, as in the pipeline."""
    teacher = PipelineTeacher(trained("LOC"))
    students = trained("LOC")
    for kind, place in others:
        where = {place: True}
        if kind == "ruler":
            patterns = [{"label": "CITY", "pattern": name} for name in ("Kiel", "Lund", "is")]
            students.add_pipe("entity_ruler", **where).add_patterns(patterns)
        elif kind == "frozen":
            other = trained("NAME")
            other.rename_pipe("ner_student", "frozen")
            students.add_pipe("frozen", source=other, **where)
        else:
            factory = {"merging": "merge_entities", "tags": "spacy_distill_tests_shouter"}[kind]
            students.add_pipe(factory, **where)
    corpus = corpus_of(*(students.make_doc(text) for text, _ in NAMED))
    silver = with_teacher_entities(corpus, students, {"ner_student": teacher})
    examples = list(silver(students))
    scores = students.evaluate(examples)
    assert scores["ents_f"] == 1.0
    assert len(set(scores["ents_per_type"])) >= 1 + any(kind == "ruler" for kind, _ in others)
    # Only entities are copied.
    assert not any(example.reference.has_annotation("LEMMA") for example in examples)
