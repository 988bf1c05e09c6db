import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Span
from spacy.training import Example

from spacy_distill import find_thresholds
from spacy_distill.evaluation.reliability import JudgedEntity
from spacy_distill.evaluation.thresholds import lowest_threshold

CONFIDENCES = st.one_of(
    st.sampled_from([0.0, 0.25, 0.5, 0.9, 0.91, 0.999999, 1.0]),
    st.floats(0, 1, allow_subnormal=False, width=32),
)
ENTITIES = st.lists(st.builds(JudgedEntity, st.just("PER"), CONFIDENCES, st.booleans()))


@given(ENTITIES, st.sampled_from([0.0, 0.3, 0.5, 0.55, 0.9, 1.0]))
def test_it_is_the_lowest_of_all_thresholds(entities, precision):
    found = lowest_threshold(entities, len(entities) + 1, precision)

    def kept(value):
        return [entity for entity in entities if entity.confidence >= value]

    enough = []
    for value in {entity.confidence for entity in entities}:
        right = [entity.is_correct for entity in kept(value)]
        if sum(right) / len(right) >= precision:
            enough.append(value)
    if not enough:
        assert found == (None, 0, 0, len(entities), len(entities) + 1)
        assert found.precision == found.recall == 0
        return
    assert kept(found.value) == kept(min(enough))
    assert found.n_kept == len(kept(found.value))
    assert found.n_correct == sum(entity.is_correct for entity in kept(found.value))
    assert found.precision >= precision and found.n_predicted == len(entities)


def test_thresholds_are_short_numbers():
    entities = [
        JudgedEntity("PER", confidence, confidence > 0.8)
        for confidence in (0.98764, 0.8567812, 0.7981)
    ]
    assert lowest_threshold(entities, 3, 1.0).value == 0.8
    assert lowest_threshold(entities, 3, 0.5).value == 0.0
    close = [JudgedEntity("PER", 0.98764, True), JudgedEntity("PER", 0.98761, False)]
    assert lowest_threshold(close, 3, 1.0).value == 0.98764


def test_the_pipelines_own_minimum_has_no_influence(two_names):
    nlp = two_names
    pipe = nlp.get_pipe("ner_student")
    docs = list(nlp.pipe(["Anna Berg sails to Oslo .", "Oslo"]))
    assert sum(len(doc.ents) for doc in docs) >= 2

    def examples():
        return [Example(nlp.make_doc(doc.text), doc) for doc in docs]

    before = find_thresholds(nlp, examples(), [0.9, 1.0])
    pipe.min_confidence = 0.99
    assert find_thresholds(nlp, examples(), [0.9, 1.0]) == before
    assert pipe.min_confidence == 0.99 and not pipe.confidence
    pipe.min_confidence = 0.0
    # The student agrees with itself.
    assert {one.value for thresholds in before.values() for one in thresholds} == {0.0}
    assert before[None][0].recall == 1 and set(before) == {
        None,
        *{e.label_ for d in docs for e in d.ents},
    }


def test_documents_without_entities_have_no_threshold(two_names):
    docs = [two_names.make_doc("Nothing here .")]
    examples = [Example(doc.copy(), doc) for doc in docs]
    with pytest.raises(ValueError, match=r"\[D523\].*no gold entity in 1 documents"):
        find_thresholds(two_names, examples, [0.9])
    nlp = spacy.blank("en")
    gold = nlp.make_doc("Oslo")
    gold.set_ents([Span(gold, 0, 1, label="LOC")])
    with pytest.raises(ValueError, match=r"\[D523\].*no entity with a confidence"):
        find_thresholds(nlp, [Example(nlp.make_doc("Oslo"), gold)], [0.9])
    with pytest.raises(ValueError, match=r"\[D705\] precision"):
        find_thresholds(two_names, [], [95])
