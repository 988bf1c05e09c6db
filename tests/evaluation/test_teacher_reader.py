"""Teachers of other kinds, evaluated as pipelines."""

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_distill.evaluation.teacher_reader import BATCH_SIZE, reading_pipeline
from spacy_distill.pipeline.confidences import EVALUATION_ATTR, confidence_of, with_confidences
from spacy_distill.teachers.sources import TeacherOptions, load_teacher


def ruler(*patterns):
    nlp = spacy.blank("en")
    found = [{"label": label, "pattern": pattern} for pattern, label in patterns]
    nlp.add_pipe("entity_ruler").add_patterns(found)
    return nlp


@pytest.fixture(scope="module")
def ensemble():
    both = ruler(("Oslo", "LOC"), ("Anna", "PERSON")), ruler(("Oslo", "LOC"), ("Kiel", "PERSON"))
    options = TeacherOptions(label_map={"PERSON": "PER", "LOC": "LOC"}, weights=(3.0, 1.0))
    return reading_pipeline(load_teacher(both, options), "en")


def test_an_ensemble_writes_the_entities_of_its_best_sequence(ensemble):
    texts = ["Anna sails to Oslo", "", "It rains", "Kiel, Oslo and Anna"] * BATCH_SIZE
    docs = list(ensemble.pipe(texts))
    assert len(docs) == len(texts)
    found = [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs[-4:]]
    assert found[0] == [("Anna", "PER"), ("Oslo", "LOC")]
    assert found[1:3] == [[], []] and docs[-2].has_annotation("ENT_IOB")
    # Two of three teachers do not know Kiel.
    assert found[3] == [("Oslo", "LOC"), ("Anna", "PER")]
    assert set(ensemble.get_pipe("distill_teacher_reader").labels) == {"PER", "LOC"}


def test_confidences_are_probabilities_of_the_chain(ensemble):
    doc = Doc(ensemble.vocab, words=["Oslo", "or", "Anna"])
    with with_confidences(ensemble):
        (before, after) = list(ensemble.pipe([doc, ensemble.make_doc("In Oslo")]))
    oslo, anna = before.ents
    sure, less_sure = confidence_of(oslo, EVALUATION_ATTR), confidence_of(anna, EVALUATION_ATTR)
    assert 0.5 < less_sure < sure < 1
    assert confidence_of(after.ents[0], EVALUATION_ATTR) == pytest.approx(sure, abs=0.05)
    # No further call after the end.
    assert not ensemble("Oslo sleeps").user_data


def test_it_is_scored_as_other_pipelines(ensemble):
    gold = ensemble.make_doc("Anna sails to Oslo")
    gold.set_ents([Span(gold, 0, 1, label="PER"), Span(gold, 2, 4, label="LOC")])
    scores = ensemble.evaluate([Example(ensemble.make_doc(gold.text), gold)])
    assert scores["ents_f"] == 0.5 and scores["ents_per_type"]["PER"]["f"] == 1
