"""The annotation of documents: new and earlier entities, confidences and likely spans."""

import json
import pickle
import subprocess
import sys

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_distill.chain import BiluoTags, LinearChain, constraints
from spacy_distill.pipeline.entities import set_entities, set_first_entities

TEXT = "Anna Berg sails to Oslo ."
VOCAB = Vocab()


@pytest.fixture
def nlp(newsroom, learned):
    """A pipeline that tests can change."""
    return newsroom.copy(learned)


@pytest.fixture
def student(nlp):
    return nlp.get_pipe("ner_student")


def annotated(nlp, text, **options):
    """A document with earlier annotation, after the component has processed it."""
    doc = Doc(nlp.vocab, words=text.split(" "))
    entities = [Span(doc, *span) for span in options.pop("entities", [])]
    blocked = [doc[start:end] for start, end in options.pop("blocked", [])]
    doc.set_ents(entities, blocked=blocked, default="missing")
    return nlp.get_pipe("ner_student")(doc)


# Earlier entities


def test_earlier_entities_are_kept_and_others_are_found_around_them(nlp, newsroom):
    doc = annotated(nlp, TEXT, entities=[(2, 3, "TITLE")])
    assert newsroom.entities(doc) == [(0, 2, "PER"), (2, 3, "TITLE"), (4, 5, "LOC")]
    # The earlier entity is a part of "Nordic Tea Company". The best of the other sequences is
    # found.
    doc = annotated(nlp, "The Nordic Tea Company hired Anna .", entities=[(1, 2, "ADJ")])
    chain = nlp.get_pipe("ner_student").predict_chain([nlp.make_doc(doc.text)])
    allowed = numpy.ones(chain.emissions.shape, dtype=bool)
    allowed[1, 1:] = False
    best = nlp.get_pipe("ner_student").tags.spans(chain.restricted(allowed).argmax())
    assert newsroom.entities(doc) == sorted([(1, 2, "ADJ"), *best])


def test_blocked_tokens_stay_blocked(nlp, newsroom):
    doc = annotated(nlp, TEXT, blocked=[(4, 5)])
    assert newsroom.entities(doc) == [(0, 2, "PER")]
    assert (doc[4].ent_iob_, doc[4].ent_type_) == ("B", "")


def test_new_entities_replace_earlier_ones_with_overwrite_ents(nlp, student, newsroom):
    student.overwrite_ents = True
    there = [(1, 3, "TITLE"), (5, 6, "DOT")]
    doc = annotated(nlp, TEXT, entities=there, blocked=[(3, 4), (4, 5)])
    assert newsroom.entities(doc) == [(0, 2, "PER"), (4, 5, "LOC"), (5, 6, "DOT")]
    assert (doc[3].ent_iob_, doc[3].ent_type_) == (
        "B",
        "",
    )  # still blocked


def test_entity_ruler_before_and_after(nlp, newsroom):
    patterns = [{"label": "SHIP", "pattern": "Anna"}]
    nlp.add_pipe("entity_ruler", first=True).add_patterns(patterns)
    found = newsroom.entities(nlp(TEXT))
    assert (0, 1, "SHIP") in found and (4, 5, "LOC") in found
    nlp.add_pipe("entity_ruler", name="later", last=True).add_patterns(
        [{"label": "CITY", "pattern": "Oslo"}, {"label": "TIME", "pattern": "sails"}]
    )
    assert (4, 5, "LOC") in newsroom.entities(nlp(TEXT))
    assert (2, 3, "TIME") in newsroom.entities(nlp(TEXT))


@pytest.mark.parametrize("n_labels", [1, 3])
def test_entities_of_plain_documents_are_those_of_set_ents(n_labels, rng):
    tags = BiluoTags(("PER", "New-Label", "LOC")[:n_labels])
    lengths = numpy.asarray([5, 0, 1, 30, 2, 0])
    emissions = rng.normal(size=(38, len(tags))).astype("float32")
    start, transitions, end = constraints(n_labels)
    best = LinearChain(emissions, lengths, transitions, start, end).argmax()
    vocabs = Vocab(), Vocab()
    fast, slow = ([Doc(v, words=["a"] * n) for n in lengths.tolist()] for v in vocabs)
    set_first_entities(fast, best, tags)
    ends = numpy.cumsum(lengths)[:-1]
    for doc, tag_ids in zip(slow, numpy.split(best, ends), strict=True):
        set_entities(doc, tags.spans(tag_ids), None, overwrite=False)
    for mine, theirs in zip(fast, slow, strict=True):
        assert mine.to_bytes() == theirs.to_bytes()
        assert [span.label_ for span in mine.ents] == [span.label_ for span in theirs.ents]


def test_invalid_taggings_are_written_as_entities():
    tags, docs = BiluoTags(("A", "B")), [Doc(VOCAB, words=["a"] * 4) for _ in range(2)]
    names = ["O", "I-A", "I-B", "B-B", "L-B", "O", "B-A", "O"]
    set_first_entities(docs, tags.tag_ids(names), tags)
    spans = [[(span.start, span.end, span.label_) for span in doc.ents] for doc in docs]
    assert spans == [[(1, 2, "A"), (2, 3, "B"), (3, 4, "B")], [(0, 1, "B"), (2, 3, "A")]]


# Confidences


def test_confidence_is_the_probability_of_the_whole_entity(nlp, student):
    assert not nlp(TEXT).user_data
    student.confidence = True
    doc = nlp(TEXT)
    chain = student.predict_chain([nlp.make_doc(TEXT)])
    spans = [(span.start, span.end, span.label_) for span in doc.ents]
    expected = chain.span_marginal(*student.tags.segments(spans)).tolist()
    found = [span._.confidence for span in doc.ents]
    assert found == pytest.approx(expected, abs=1e-6)
    assert all(type(confidence) is float and 0.5 < confidence <= 1 for confidence in found)
    assert doc[2:3]._.confidence is None


def test_confidences_are_the_same_in_batches_and_travel_with_documents(nlp, student, newsroom):
    student.confidence = True
    texts = [words for words, _ in newsroom.sentences] + ["", " "]
    alone = [[ent._.confidence for ent in nlp(text).ents] for text in texts]
    docs = list(nlp.pipe(texts, batch_size=5))
    bytes_data = DocBin(docs=docs, store_user_data=True).to_bytes()
    docs = list(DocBin(store_user_data=True).from_bytes(bytes_data).get_docs(nlp.vocab))
    together = [[ent._.confidence for ent in doc.ents] for doc in docs]
    flat = [[c for confidences in found for c in confidences] for found in (alone, together)]
    assert [len(c) for c in alone] == [len(c) for c in together]
    numpy.testing.assert_allclose(*flat, atol=1e-5)


def test_a_temperature_changes_confidences_alone_and_is_saved(nlp, student, newsroom, tmp_path):
    student.confidence = True
    before = nlp(TEXT)
    student.cfg["temperature"] = 3.0
    nlp.to_disk(tmp_path / "calibrated")
    after = spacy.load(tmp_path / "calibrated", config={"components.ner_student.confidence": True})(
        TEXT
    )
    assert newsroom.entities(after) == newsroom.entities(before)
    assert all(
        softer._.confidence < sure._.confidence
        for softer, sure in zip(after.ents, before.ents, strict=True)
    )


def test_entities_of_other_components_have_no_confidence(nlp, student):
    student.confidence = True
    doc = annotated(nlp, TEXT, entities=[(0, 2, "TITLE")])
    assert [ent._.confidence is None for ent in doc.ents] == [True, False]


def test_an_entity_that_replaces_another_has_no_confidence(nlp, student):
    student.confidence = True
    ruler = nlp.add_pipe("entity_ruler", config={"overwrite_ents": True})
    ruler.add_patterns([{"label": "CITY", "pattern": "Oslo"}])
    found = {ent.label_: ent._.confidence for ent in nlp(TEXT).ents}
    assert found.keys() == {"PER", "CITY"} and found["CITY"] is None and found["PER"] > 0.5


def test_confidence_does_not_depend_on_earlier_entities(nlp, student):
    student.confidence = True
    alone = {ent.text: ent._.confidence for ent in nlp(TEXT).ents}
    doc = annotated(nlp, TEXT, entities=[(2, 3, "TITLE")])
    confidences = {ent.text: ent._.confidence for ent in doc.ents}
    assert confidences.pop("sails") is None
    assert confidences == pytest.approx(alone, abs=1e-5)


READER = """
import pickle, sys
nlp, texts = pickle.load(open(sys.argv[1], "rb"))
print([round(ent._.confidence, 4) for doc in nlp.pipe(texts) for ent in doc.ents])
"""


def test_in_other_processes(nlp, student, newsroom, tmp_path):
    """Unpickling does not call `__init__`, so it has to register the extension itself."""
    student.confidence, student.spans_key = True, "sc"
    texts = [words for words, _ in newsroom.sentences]
    expected = [round(ent._.confidence, 4) for text in texts for ent in nlp(text).ents]
    (tmp_path / "nlp").write_bytes(pickle.dumps((nlp, texts)))
    command = [sys.executable, "-c", READER, str(tmp_path / "nlp")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(result.stdout.splitlines()[-1])
    assert found == pytest.approx(expected, abs=1e-3) and found
    docs = list(nlp.pipe(texts, n_process=2, batch_size=4))
    found = [ent._.confidence for doc in docs for ent in doc.ents]
    assert found == pytest.approx(expected, abs=1e-3)
    assert all(len(doc.spans["sc"]) == len(doc.spans["sc"].attrs["scores"]) for doc in docs)


# Likely spans


def test_likely_spans_have_scores(nlp, student):
    student.spans_key, student.threshold = "sc", 0.02
    student.cfg["temperature"] = 4.0  # a higher temperature gives several likely spans
    docs = list(nlp.pipe([TEXT, "", "Berg met Berg in Berg", "Nobody called ."]))
    chain = student.predict_chain([nlp.make_doc(doc.text) for doc in docs]).scaled(4.0)
    first = 0
    for doc in docs:
        group = doc.spans["sc"]
        spans = [(first + span.start, first + span.end, span.label_) for span in group]
        scores = group.attrs["scores"]
        assert scores.shape == (len(group),) and (scores >= 0.02).all()
        expected = chain.span_marginal(*student.tags.segments(spans))
        numpy.testing.assert_allclose(scores, expected, atol=1e-6)
        best = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
        assert best <= {(span.start, span.end, span.label_) for span in group}
        first += len(doc)
    assert sum(len(doc.spans["sc"]) for doc in docs) > sum(len(doc.ents) for doc in docs)


def test_likely_spans_are_scored_against_the_entities(nlp, student, newsroom):
    examples = newsroom.examples(nlp)
    assert "spans_sc_f" not in nlp.evaluate(examples)
    student.spans_key = "sc"
    scores = nlp.evaluate(newsroom.examples(nlp))
    assert scores["ents_f"] == scores["spans_sc_f"] == 1.0
    student.threshold = 1.0
    assert nlp.evaluate(newsroom.examples(nlp))["spans_sc_r"] < 1.0
    # Gold spans of that key take precedence.
    (example,) = newsroom.examples(nlp)[:1]
    example.reference.spans["sc"] = [Span(example.reference, 4, 5, label="LOC")]
    student.threshold = 0.5
    reference = Example(nlp.make_doc(TEXT), example.reference)
    assert nlp.evaluate([reference])["spans_sc_p"] == 0.5


def test_spans_with_unknown_gold_tags_are_not_scored(nlp, student):
    student.spans_key = "sc"
    reference = nlp.make_doc(TEXT)
    reference.set_ents([Span(reference, 0, 2, label="PER")], missing=[reference[2:]])
    scores = nlp.evaluate([Example(nlp.make_doc(TEXT), reference)])
    assert scores["spans_sc_p"] == scores["ents_p"] == 1.0


@pytest.mark.parametrize("setting", ["threshold", "min_confidence"])
@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_a_minimum_that_is_not_a_probability_is_rejected(setting, value):
    with pytest.raises(ValueError, match=rf"\[D010\].*{setting}"):
        spacy.blank("en").add_pipe("ner_student", config={setting: value})


# The minimum confidence


@pytest.fixture
def confidences(nlp, student):
    """The entities of two documents with their confidences, from which half of them are left out by
    a minimum."""
    student.confidence, student.cfg["temperature"] = True, 4.0
    found = [
        [(ent.start, ent.end, ent.label_, ent._.confidence) for ent in doc.ents]
        for doc in nlp.pipe([TEXT, "Berg met Berg in Berg"])
    ]
    ranked = sorted(confidence for entities in found for *_, confidence in entities)
    below, above = ranked[len(ranked) // 2 - 1 : len(ranked) // 2 + 1]
    student.min_confidence = round((below + above) / 2, 6)
    assert below < student.min_confidence < above
    return found


@pytest.mark.parametrize("with_confidence", [True, False])
@pytest.mark.parametrize("is_annotated", [True, False])
def test_less_probable_entities_are_not_written(
    nlp, student, confidences, with_confidence, is_annotated
):
    student.confidence = with_confidence
    docs = [nlp.make_doc(text) for text in (TEXT, "Berg met Berg in Berg")]
    if is_annotated:
        for doc in docs:
            doc.set_ents([])
    docs = list(nlp.pipe(docs))
    for doc, entities in zip(docs, confidences, strict=True):
        kept = [entity for entity in entities if entity[3] >= student.min_confidence]
        assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == [e[:3] for e in kept]
        expected = [e[3] if with_confidence else None for e in kept]
        assert [ent._.confidence for ent in doc.ents] == expected
        assert doc.has_annotation("ENT_IOB")


def test_a_minimum_of_one_leaves_earlier_entities(nlp, student):
    student.min_confidence, student.cfg["temperature"] = 1.0, 4.0
    doc = nlp.make_doc(TEXT)
    doc.set_ents([Span(doc, 0, 1, label="RULE")], default="outside")
    doc = nlp.get_pipe("ner_student")(doc)
    assert [ent.label_ for ent in doc.ents] == ["RULE"]


def test_an_improbable_entity_does_not_replace_an_earlier_one(nlp, newsroom, student, confidences):
    student.overwrite_ents = True
    for start, end, _, confidence in confidences[0]:
        doc = annotated(nlp, TEXT, entities=[(start, end, "RULE")])
        is_kept = (start, end, "RULE") in newsroom.entities(doc)
        assert is_kept == (confidence < student.min_confidence)


def test_a_copy_has_the_minimum(nlp, student, confidences):
    texts = [TEXT, "Berg met Berg in Berg"]
    expected = [[ent.text for ent in doc.ents] for doc in nlp.pipe(texts)]
    copy = pickle.loads(pickle.dumps(nlp))
    assert copy.get_pipe("ner_student").min_confidence == student.min_confidence
    docs = nlp.pipe(texts, n_process=2, batch_size=1)
    assert [[ent.text for ent in doc.ents] for doc in docs] == expected


def test_without_a_minimum_all_entities_are_written(nlp, newsroom, student, monkeypatch):
    expected = newsroom.entities(nlp(TEXT))
    probabilities = numpy.full(len(expected), numpy.nan, dtype="float32")
    monkeypatch.setattr(LinearChain, "span_marginal", lambda chain, *spans: probabilities)
    student.confidence = True
    assert newsroom.entities(nlp(TEXT)) == expected
    student.min_confidence = 0.1
    assert not nlp(TEXT).ents


def test_the_minimum_is_a_setting_that_is_saved(nlp, student, confidences, tmp_path):
    nlp.to_disk(tmp_path / "student")
    config = {"components.ner_student.min_confidence": student.min_confidence}
    loaded = spacy.load(tmp_path / "student", config=config)
    assert [ent.text for ent in loaded(TEXT).ents] == [ent.text for ent in nlp(TEXT).ents]
    loaded.to_disk(tmp_path / "sure")
    again = spacy.load(tmp_path / "sure").get_pipe("ner_student")
    assert again.min_confidence == student.min_confidence


def test_the_minimum_changes_neither_spans_nor_what_is_taught(nlp, student, confidences):
    chain = student.predict_chain([nlp.make_doc(TEXT)])
    student.spans_key, least = "sc", student.min_confidence
    sure = nlp(TEXT)
    student.min_confidence = 0.0
    assert len(nlp(TEXT).spans["sc"]) == len(sure.spans["sc"])
    student.min_confidence = least
    expected = student.predict_chain([nlp.make_doc(TEXT)]).marginals()
    numpy.testing.assert_array_equal(chain.marginals(), expected)
