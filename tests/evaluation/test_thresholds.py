import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Span
from spacy.training import Example

from spacy_distill import find_thresholds
from spacy_distill.evaluation.reliability import JudgedEntity
from spacy_distill.evaluation.thresholds import Threshold, lowest_threshold

CONFIDENCES = st.one_of(
    st.sampled_from([0.0, 0.25, 0.5, 0.9, 0.91, 0.999999, 1.0]),
    st.floats(0, 1, allow_subnormal=False, width=32),
)
ENTITIES = st.lists(st.builds(JudgedEntity, st.just("PER"), CONFIDENCES, st.booleans()))


@given(ENTITIES, st.sampled_from([0.0, 0.3, 0.5, 0.55, 0.9, 1.0]))
def test_it_is_the_lowest_of_all_thresholds(entities, wanted):
    found = lowest_threshold(entities, len(entities) + 1, wanted)

    def kept(value):
        return [entity for entity in entities if entity.confidence >= value]

    enough = []
    for value in [0.0, *(number / 10_000 for number in range(10_000))]:
        right = [entity.is_correct for entity in kept(value)]
        if right and sum(right) / len(right) >= wanted:
            enough.append(value)
    assert found.n_predicted == len(entities) and found.n_gold == len(entities) + 1
    assert found.wanted_precision == wanted
    if not enough:
        assert found.min_confidence is None and found.n_kept == found.precision == found.recall == 0
        assert found.precision_interval == (0, 1)
        return
    assert kept(found.min_confidence) == kept(min(enough))
    assert found.n_kept == len(kept(found.min_confidence))
    assert found.n_correct == sum(entity.is_correct for entity in kept(found.min_confidence))
    assert found.precision >= wanted
    low, high = found.precision_interval
    assert 0 <= low < high <= 1 and low - 1e-9 <= found.precision <= high + 1e-9


def entities(*confidences, wrong=()):
    return [
        JudgedEntity("PER", confidence, number not in wrong)
        for number, confidence in enumerate(confidences)
    ]


def test_thresholds_are_short_numbers():
    found = entities(0.98764, 0.8567812, 0.7981, wrong=[2])
    assert lowest_threshold(found, 3, 1.0).min_confidence == 0.8
    assert lowest_threshold(found, 3, 0.5).min_confidence == 0.0
    # Differences after the fourth decimal are those of machines.
    close = entities(0.9876, 0.98761, 0.5, wrong=[0, 2])
    assert lowest_threshold(close, 3, 1.0).min_confidence is None
    assert lowest_threshold(close, 3, 0.5) == (None, 0.5, 0.9, 2, 1, 3, 3)
    assert lowest_threshold(entities(1.0, 0.9999, wrong=[1]), 2, 1.0).min_confidence is None


def test_the_interval_is_that_of_wilson():
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I
    for n_correct, n_kept, expected in ((81, 263, (0.2553, 0.3662)), (0, 20, (0.0, 0.1611))):
        found = Threshold(None, 0.0, 0.0, n_kept, n_correct, n_kept, n_kept)
        assert found.precision_interval == pytest.approx(expected, abs=1e-4)


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
    assert {one.min_confidence for one in before} == {0.0} and before[0].recall == 1
    labels = sorted({ent.label_ for doc in docs for ent in doc.ents})
    assert [one.label for one in before[::2]] == [None, *labels]


def test_entities_of_other_components_do_not_count(two_names):
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Oslo"}])
    nlp.add_pipe("ner_student", source=two_names)
    gold = two_names("Anna Berg sails to Oslo .")
    (found, *_) = find_thresholds(nlp, [Example(nlp.make_doc(gold.text), gold)], [1.0])
    assert (found.n_predicted, found.n_gold, found.recall) == (1, 1, 1.0)


def test_documents_without_entities_have_no_threshold(two_names):
    docs = [two_names.make_doc("Nothing here .")]
    examples = [Example(doc.copy(), doc) for doc in docs]
    with pytest.raises(ValueError, match=r"\[D523\].*1 documents have no gold entities"):
        find_thresholds(two_names, examples, [0.9])
    nothing = two_names.make_doc("Nothing .")
    nothing.set_ents([Span(nothing, 0, 1, label="LOC")])
    with pytest.raises(ValueError, match=r"\[D020\]"):
        find_thresholds(spacy.blank("en"), [], [0.9])
    with pytest.raises(ValueError, match=r"\[D020\]"):
        find_thresholds(two_names, [], [0.9], component="ner_studnet")
    with pytest.raises(ValueError, match=r"\[D523\].*no predicted entities with a confidence"):
        find_thresholds(two_names, [Example(two_names.make_doc("Nothing ."), nothing)], [0.9])
    with pytest.raises(ValueError, match=r"\[D705\] precision"):
        find_thresholds(two_names, [], [95])
    with pytest.raises(ValueError, match=r"\[D705\] precision"):
        find_thresholds(two_names, [], [float("nan")])
