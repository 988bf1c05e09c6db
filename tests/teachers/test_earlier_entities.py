"""Entities that a ruler sets before the teaching component runs."""

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Span, SpanGroup
from thinc.api import Adam, fix_random_seed

from spacy_distill.chain import BiluoTags
from spacy_distill.teachers import PipelineTeacher
from tests.teachers.conftest import named_examples

PATTERNS = [
    {"label": "PER", "pattern": "Oslo"},
    {"label": "LOC", "pattern": [{"LOWER": "it"}, {"LOWER": "rains"}]},
    {"label": "SHIP", "pattern": "Carl"},
    {"label": "PER", "pattern": "sails"},
    {"label": "LOC", "pattern": "In"},
]
NARROW = {
    "embed": {"features": {"width": 8}, "characters": {"filters": 8}},
    "encode": {"width": 16, "depth": 1},
}
TEXTS = [
    "Anna sails to Oslo .",
    "In Kiel Carl Lund read A Song .",
    "",
    "It rains .",
    "Oslo Oslo",
    "New York sails In Oslo .",
    "Maria von der Holm sails to New York .",
]


@pytest.fixture(scope="module", params=[True, False], ids=["crf", "softmax"])
def student(request):
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    head = {"@architectures": f"spacy-distill.{'CRF' if request.param else 'Softmax'}.v1"}
    nlp.add_pipe("ner_student", config={"model": {**NARROW, "head": head}})
    examples = named_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    head = nlp.get_pipe("ner_student").model.get_ref("output_layer")
    if request.param:
        # Transition scores matter, also next to entities.
        rng = numpy.random.default_rng(0)
        for name in ("transitions", "start", "end"):
            values = head.get_param(name)
            values += rng.normal(scale=2, size=values.shape).astype("float32")
    return nlp


@pytest.fixture
def nlp(student):
    nlp = type(student).from_config(student.config).from_bytes(student.to_bytes())
    nlp.add_pipe("entity_ruler", first=True).add_patterns(PATTERNS)
    return nlp


def best_entities(teacher, docs):
    """RETURNS (List[List]): The entities in the best sequence of each document."""
    chain = teacher.predict_chain(docs)
    tags = BiluoTags(teacher.labels)
    ends = numpy.cumsum([len(doc) for doc in docs])[:-1]
    return [tags.spans(part) for part in numpy.split(chain.argmax(), ends)]


def test_the_best_sequence_is_what_the_pipeline_finds(nlp):
    teacher = PipelineTeacher(nlp)
    docs = [nlp.make_doc(text) for text in TEXTS]
    expected = [
        [(ent.start, ent.end, ent.label_) for ent in nlp(text).ents if ent.label_ != "SHIP"]
        for text in TEXTS
    ]
    assert best_entities(teacher, docs) == expected
    assert (0, 2, "LOC") in expected[3] and (3, 4, "PER") in expected[0]
    assert not any(doc.ents for doc in docs)


def test_what_is_around_them_has_the_probabilities_of_prediction(nlp):
    """The student predicts with O at fixed tokens, so the fixed tags must not affect their
    neighbours."""
    docs = [nlp.make_doc("New York sails In Oslo .")]
    pipe = nlp.get_pipe("ner_student")
    chain = PipelineTeacher(nlp).predict_chain(docs)
    taken = numpy.asarray([False, False, True, True, True, False])
    allowed = ~taken[:, None] | (numpy.arange(len(pipe.tags)) == 0)
    alone = pipe.predict_chain(docs).restricted(allowed)
    numpy.testing.assert_allclose(chain.marginals()[~taken], alone.marginals()[~taken], atol=1e-5)
    names = [pipe.tags.names[number] for number in chain.marginals()[taken].argmax(axis=1)]
    assert names == ["U-PER", "U-LOC", "U-PER"]
    numpy.testing.assert_allclose(chain.marginals()[taken].max(axis=1), 1, atol=1e-6)


def test_labels_that_it_does_not_have_and_blocked_tokens_are_outside(nlp):
    chain = PipelineTeacher(nlp).predict_chain([nlp.make_doc("In Kiel Carl Lund read A Song .")])
    assert chain.marginals()[2, 0] == pytest.approx(1)


def test_with_overwrite_ents_the_component_teaches_what_it_predicts(nlp):
    pipe = nlp.get_pipe("ner_student")
    pipe.overwrite_ents = True
    docs = [nlp.make_doc(text) for text in TEXTS]
    found = PipelineTeacher(nlp).predict_chain(docs)
    numpy.testing.assert_array_equal(found.emissions, pipe.predict_chain(docs).emissions)


def test_gold_entities_are_no_teachers_entities(student):
    """A component that is used directly as the teacher gets documents with gold entities."""
    pipe = student.get_pipe("ner_student")
    plain, gold = (student.make_doc("Anna sails to Oslo .") for _ in range(2))
    gold.set_ents([Span(gold, 1, 3, label="PER")], default="outside")
    for teacher in (pipe, PipelineTeacher(student)):
        numpy.testing.assert_array_equal(
            teacher.predict_chain([gold]).emissions, teacher.predict_chain([plain]).emissions
        )


@pytest.mark.parametrize("factory", ["ner", "beam_ner", "ner_student", "ner_teacher"])
def test_all_kinds_of_components_teach_them(factory):
    nlp = spacy.blank("xx")
    nlp.add_pipe(factory)
    examples = named_examples(nlp)
    nlp.initialize(lambda: examples)
    nlp.update(examples)
    nlp.add_pipe("entity_ruler", first=True).add_patterns(PATTERNS)
    (found, *_) = best_entities(PipelineTeacher(nlp, factory), [nlp.make_doc("It rains in Oslo")])
    assert {(0, 2, "LOC"), (3, 4, "PER")} <= set(found)


@Language.component("spacy_distill_tests_boats")
def boats(doc):
    doc.spans["sc"] = SpanGroup(doc, spans=[Span(doc, 0, 1, label="SHIP")])
    return doc


def test_with_a_spans_key_only_spans_count():
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "SHIP", "pattern": "Oslo"}])
    nlp.add_pipe("spacy_distill_tests_boats")
    teacher = PipelineTeacher(
        nlp, "spacy_distill_tests_boats", spans_key="sc", labels=["SHIP"], confidence=0.75
    )
    chain = teacher.predict_chain([nlp.make_doc("Turku Oslo")])
    outside = chain.marginals()[:, 0]
    numpy.testing.assert_allclose(outside, [0.25, 1], atol=1e-4)
