"""A teacher that reads entities and spans."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_distill.chain import BiluoTags
from spacy_distill.teachers import AnnotationTeacher, PipelineTeacher

WORDS = ["Anna", "Berg", "sails", "to", "New", "York", "."]
LABELS = ("LOC", "PER")


@Language.component("spacy_distill_tests_writing_spans", assigns=["doc.spans"])
def writing_spans(doc):
    doc.spans["found"] = [Span(doc, 0, 1, "PER")] if len(doc) else []
    return doc


@pytest.fixture
def doc():
    return Doc(spacy.blank("xx").vocab, words=WORDS)


def names(chain, labels=LABELS):
    return [BiluoTags(tuple(labels)).names[number] for number in chain.argmax()]


def add_spans(doc, spans, scores=None):
    made = [Span(doc, start, end, label) for start, end, label in spans]
    doc.spans["sc"] = made
    if scores is not None:
        doc.spans["sc"].attrs["scores"] = numpy.asarray(scores)


@pytest.mark.parametrize("confidence", [0.6, 0.9, 1.0])
def test_entities_have_the_confidence_and_all_else_is_none(doc, confidence):
    doc.set_ents([Span(doc, 0, 2, "PER"), Span(doc, 4, 5, "LOC")])
    chain = AnnotationTeacher(LABELS, confidence=confidence).predict_chain([doc])
    assert names(chain) == ["B-PER", "L-PER", "O", "O", "U-LOC", "O", "O"]
    expected = [confidence, confidence, 1, 1, confidence, 1, 1]
    assert_allclose(chain.marginals().max(axis=1), expected, atol=1e-4)
    assert_allclose(chain.marginals()[[0, 1, 4], 0], 1 - confidence, atol=1e-4)
    assert chain.known is None


@pytest.mark.parametrize("labels", [("PER",), ("LOC", "PER"), tuple("ABCDEFGHIJKLMNOP") + ("PER",)])
def test_long_certain_entities_have_a_distribution(doc, labels):
    """With few labels, the probability left for O inside an entity is rounded to 0 in float32."""
    doc.set_ents([Span(doc, 0, 6, "PER")])
    chain = AnnotationTeacher(labels, confidence=1.0).predict_chain([doc])
    assert names(chain, labels) == ["B-PER", *["I-PER"] * 4, "L-PER", "O"]
    assert_allclose(chain.marginals().max(axis=1), 1, atol=1e-4)


def test_tokens_without_annotation_are_unknown_in_a_document_that_has_some(doc):
    doc.set_ents([Span(doc, 0, 2, "PER")], missing=[doc[4:6]], default="outside")
    chain = AnnotationTeacher(LABELS).predict_chain([doc])
    assert chain.known.tolist() == [True] * 4 + [False] * 2 + [True]
    bare = Doc(doc.vocab, words=["It", "rains"])
    both = AnnotationTeacher(LABELS).predict_chain([bare, doc, Doc(doc.vocab)])
    assert both.known.tolist() == [True] * 6 + [False] * 2 + [True]
    assert names(both)[:2] == ["O", "O"]


def test_labels_with_dashes_and_in_any_order(doc):
    doc.set_ents([Span(doc, 0, 2, "WORK-OF-ART")])
    teacher = AnnotationTeacher(["WORK-OF-ART", "A-B", "WORK-OF-ART"])
    assert teacher.labels == ("WORK-OF-ART", "A-B")
    found = names(teacher.predict_chain([doc]), teacher.labels)
    assert found[:2] == ["B-WORK-OF-ART", "L-WORK-OF-ART"]


def test_a_label_that_was_not_named_is_told(doc):
    doc.set_ents([Span(doc, 0, 2, "SHIP")])
    with pytest.raises(
        ValueError, match=r"\[D236\] .*'Anna Berg' \(SHIP\) .*but its labels are: LOC, PER\."
    ):
        AnnotationTeacher(LABELS).predict_chain([doc])


@pytest.mark.parametrize("confidence", [0.0, -0.5, 1.1, float("nan")])
def test_a_confidence_that_is_none_is_refused(confidence):
    with pytest.raises(ValueError, match=rf"The confidence {confidence} is not a probability"):
        AnnotationTeacher(LABELS, confidence=confidence)


def test_spans_have_their_scores(doc):
    add_spans(doc, [(0, 2, "PER"), (4, 6, "LOC")], [0.7, 0.95])
    chain = AnnotationTeacher(LABELS, spans_key="sc").predict_chain([doc])
    assert names(chain) == ["B-PER", "L-PER", "O", "O", "B-LOC", "L-LOC", "O"]
    assert_allclose(chain.marginals()[:, 0], [0.3, 0.3, 1, 1, 0.05, 0.05, 1], atol=1e-4)


def test_of_overlapping_spans_the_one_of_the_highest_score_counts_then_the_longest(doc):
    teacher = AnnotationTeacher(LABELS, spans_key="sc")
    add_spans(doc, [(0, 2, "PER"), (1, 3, "LOC"), (2, 4, "PER")], [0.6, 0.9, 0.7])
    assert names(teacher.predict_chain([doc])) == ["O", "B-LOC", "L-LOC", "O", "O", "O", "O"]
    add_spans(doc, [(0, 1, "PER"), (0, 2, "LOC")])
    assert names(teacher.predict_chain([doc]))[:2] == ["B-LOC", "L-LOC"]


def test_an_empty_span_is_no_entity(doc):
    add_spans(doc, [(0, 2, "PER"), (3, 3, "LOC")], [0.7, 0.9])
    chain = AnnotationTeacher(LABELS, spans_key="sc").predict_chain([doc])
    assert names(chain) == ["B-PER", "L-PER", *"OOOOO"]


@pytest.mark.parametrize("single", [False, True])
def test_both_span_categorizers_teach(single):
    nlp = spacy.blank("en")
    factory = "spancat_singlelabel" if single else "spancat"
    pipe = nlp.add_pipe(factory, config={"spans_key": "sc"})
    doc = nlp.make_doc("Anna sails to Oslo .")
    doc.spans["sc"] = [Span(doc, 0, 1, label="PER"), Span(doc, 3, 4, label="LOC")]
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc)])
    chain = PipelineTeacher(nlp, spans_key="sc").predict_chain([nlp.make_doc(doc.text)])
    assert chain.lengths.tolist() == [5] and set(pipe.labels) == {"PER", "LOC"}


def test_entities_of_earlier_components_with_other_labels_are_outside():
    nlp = spacy.blank("en")
    for name, label, word in (("first", "PER", "Anna"), ("second", "LOC", "Oslo")):
        patterns = [{"label": label, "pattern": word}, {"label": label, "pattern": "Kiel"}]
        nlp.add_pipe("entity_ruler", name=name).add_patterns(patterns)
    teacher = PipelineTeacher(nlp, "second")
    docs = [nlp.make_doc("Anna sails to Oslo"), nlp.make_doc("Kiel rains")]
    chain = teacher.predict_chain(docs)
    assert names(chain, ["LOC"]) == ["O", "O", "O", "U-LOC", "O", "O"]


def test_scores_below_a_half_leave_no_entity_as_the_best(doc):
    add_spans(doc, [(0, 1, "PER"), (1, 2, "PER"), (4, 6, "LOC")], [0.0, 1.0, 0.3])
    chain = AnnotationTeacher(LABELS, spans_key="sc").predict_chain([doc])
    assert names(chain) == ["O", "U-PER", "O", "O", "O", "O", "O"]
    # The score stays in the probabilities.
    assert_allclose(chain.marginals()[:, 0], [1, 0, 1, 1, 0.7, 0.7, 1], atol=1e-4)


def test_without_a_group_of_spans_there_is_no_entity(doc):
    doc.set_ents([Span(doc, 0, 2, "PER")])
    chain = AnnotationTeacher(LABELS, spans_key="sc").predict_chain([doc])
    assert names(chain) == ["O"] * len(WORDS)


def test_a_key_that_is_not_among_those_written_is_refused(doc):
    add_spans(doc, [(0, 2, "PER")])
    with pytest.raises(ValueError, match=r"no spans under the key 'ruler': found sc\. Correct"):
        AnnotationTeacher(LABELS, spans_key="ruler").predict_chain([doc])


@pytest.mark.parametrize("key", [None, "sc"])
def test_where_a_part_was_written_the_rest_is_unknown(doc, key):
    if key is None:
        doc.set_ents([Span(doc, 0, 2, "PER")])
    else:
        add_spans(doc, [(0, 2, "PER")])
    chain = AnnotationTeacher(LABELS, spans_key=key, partial=True).predict_chain([doc])
    assert chain.known.tolist() == [True, True, *[False] * (len(WORDS) - 2)]
    assert names(chain)[:2] == ["B-PER", "L-PER"]


def test_a_ruler_teaches_in_a_pipeline():
    nlp = spacy.blank("xx")
    ruler = nlp.add_pipe("entity_ruler")
    for label, pattern in (("LOC", "New York"), ("PER", "Anna")):
        ruler.add_patterns([{"label": label, "pattern": pattern}])
    teacher = PipelineTeacher(nlp, confidence=0.8)
    assert teacher.labels == LABELS
    chain = teacher.predict_chain([nlp.make_doc("Anna sails to New York"), nlp.make_doc("")])
    assert names(chain) == ["U-PER", "O", "O", "B-LOC", "L-LOC"]
    assert chain.marginals()[0].max() == pytest.approx(0.8, abs=1e-4)


def test_what_writes_spans_teaches_in_a_pipeline():
    nlp = spacy.blank("xx")
    nlp.add_pipe("spacy_distill_tests_writing_spans", name="writer")
    with pytest.raises(ValueError, match=r"'writer' does not say which labels"):
        PipelineTeacher(nlp, spans_key="found")
    teacher = PipelineTeacher(nlp, spans_key="found", labels=["PER"])
    assert names(teacher.predict_chain([nlp.make_doc("Anna sails")]), ["PER"]) == ["U-PER", "O"]


def test_a_student_teaches_by_its_spans():
    """Whether the component writes spans depends on its settings."""
    nlp = spacy.blank("xx")
    nlp.add_pipe(
        "ner_student", config={"model": {"encode": {"width": 16, "depth": 1}}, "threshold": 0.0}
    )
    gold = Doc(nlp.vocab, words=WORDS)
    gold.set_ents([Span(gold, 0, 2, "PER"), Span(gold, 4, 6, "LOC")])
    nlp.initialize(lambda: [Example(nlp.make_doc(gold.text), gold)])
    with pytest.raises(ValueError, match=r"\[D222\].*none known to write spans"):
        PipelineTeacher(nlp, spans_key="sc")
    nlp.get_pipe("ner_student").spans_key = "sc"
    teacher = PipelineTeacher(nlp, spans_key="sc")
    assert (teacher.pipe_name, teacher.labels) == ("ner_student", LABELS)
    doc = nlp(gold.text)
    scores = dict(zip(doc.spans["sc"], doc.spans["sc"].attrs["scores"], strict=True))
    best = max(scores, key=scores.get)
    tags = BiluoTags(LABELS).span_tags(len(best), best.label_)
    found = teacher.predict_chain([nlp.make_doc(gold.text)]).marginals()
    assert_allclose(found[range(best.start, best.end), tags], scores[best], atol=1e-4)


@pytest.mark.parametrize("settings, entities", [({}, False), ({"annotate_ents": True}, True)])
def test_a_span_ruler_writes_what_its_settings_say(settings, entities):
    nlp = spacy.blank("xx")
    nlp.add_pipe("span_ruler", config=settings).add_patterns([{"label": "LOC", "pattern": "Oslo"}])
    assert PipelineTeacher(nlp, spans_key="ruler").labels == ("LOC",)
    if entities:
        chain = PipelineTeacher(nlp).predict_chain([nlp.make_doc("In Oslo")])
        assert names(chain, ("LOC",)) == ["O", "U-LOC"]
    else:
        with pytest.raises(ValueError, match=r"none known to find entities"):
            PipelineTeacher(nlp)
