import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam

from spacy_distill import kernels
from spacy_distill.models.bilstm_stack import BiLSTMStack

ODD = ["", " ", "\n\n \t", "Oslo", "Anna Berg\n\nsails  to\tOslo", "\u00a0", "Berg\u2029"]


def test_predict_does_not_change_documents(newsroom, learned):
    pipe = learned.get_pipe("ner_student")
    docs = [learned.make_doc(words) for words, _ in newsroom.sentences]
    before = [doc.to_bytes() for doc in docs]
    found = pipe.predict(docs)
    pipe.posteriors(docs)
    assert [doc.to_bytes() for doc in docs] == before
    assert found.tags.shape == (sum(map(len, docs)),)
    pipe.set_annotations(docs, found)
    assert [newsroom.entities(doc) for doc in docs] == [spans for _, spans in newsroom.sentences]
    # Other tokens are annotated as O, not as unknown.
    assert all(doc.has_annotation("ENT_IOB", require_complete=True) for doc in docs)


def test_posteriors_are_distributions_in_the_order_of_the_tags(newsroom, learned):
    pipe = learned.get_pipe("ner_student")
    docs = [learned.make_doc(words) for words, _ in newsroom.sentences]
    for doc, rows, (_, spans) in zip(docs, pipe.posteriors(docs), newsroom.sentences, strict=True):
        assert rows.shape == (len(doc), len(pipe.tags.names))
        assert rows.dtype == numpy.float32
        numpy.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
        gold = Example(doc, newsroom.doc(doc.vocab, [t.text for t in doc], spans))
        names = [pipe.tags.names[number] for number in rows.argmax(axis=1)]
        assert names == gold.get_aligned_ner()


def test_batches_and_processes_do_not_change_the_predictions(newsroom, learned):
    texts = [words for words, _ in newsroom.sentences] * 3 + ODD
    alone = [newsroom.entities(learned(text)) for text in texts]
    assert any(alone)
    for options in ({"batch_size": 7}, {"batch_size": 64}, {"n_process": 2, "batch_size": 8}):
        assert [newsroom.entities(doc) for doc in learned.pipe(texts, **options)] == alone


def test_threads_do_not_change_the_predictions(newsroom, learned, tmp_path):
    learned.to_disk(tmp_path / "student")
    config = {"components.ner_student.threads": 3}
    nlp = spacy.load(tmp_path / "student", config=config)
    pipe, docs = nlp.get_pipe("ner_student"), []
    assert (pipe.threads, learned.get_pipe("ner_student").threads) == (3, 1)
    texts = [words for words, _ in newsroom.sentences] * 10 + ODD
    for options in ({"batch_size": 64}, {"n_process": 2, "batch_size": 64}):
        docs = list(nlp.pipe(texts, **options))
        expected = [newsroom.entities(learned(text)) for text in texts]
        assert any(expected) and [newsroom.entities(doc) for doc in docs] == expected
    # The threads of other predictions do not change.
    assert kernels.prediction_threads.get() == 1


def test_kernels_get_the_threads_of_the_component(learned, newsroom, monkeypatch):
    pipe = newsroom.copy(learned).get_pipe("ner_student")
    pipe.threads, used = 5, []
    predict = BiLSTMStack.predict

    def record(*arguments):
        used.append(kernels.prediction_threads.get())
        return predict(*arguments)

    monkeypatch.setattr(BiLSTMStack, "predict", record)
    pipe.predict([learned.make_doc("Anna Berg sails to Oslo")])
    assert used == [5]


def test_no_threads_are_rejected():
    with pytest.raises(ValueError, match=r"D660.*'ner_student' has threads = 0"):
        spacy.blank("xx").add_pipe("ner_student", config={"threads": 0})


def test_posteriors_do_not_depend_on_the_batch(newsroom, learned):
    pipe = learned.get_pipe("ner_student")
    docs = [learned.make_doc(words) for words, _ in newsroom.sentences]
    for doc, rows in zip(docs, pipe.posteriors(docs), strict=True):
        numpy.testing.assert_allclose(pipe.posteriors([doc])[0], rows, atol=1e-5)


def test_no_documents_and_empty_documents(newsroom, learned):
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    assert not len(pipe.predict([]).tags) and pipe.posteriors([]) == []
    assert list(nlp.pipe([])) == []
    n_tags = len(pipe.tags.names)
    empty = nlp.make_doc("")
    for docs in ([empty], [empty, nlp.make_doc("Oslo"), nlp.make_doc("")]):
        assert [rows.shape for rows in pipe.posteriors(docs)] == [(len(d), n_tags) for d in docs]
        assert len(pipe.predict(docs).tags) == sum(map(len, docs))
    before = nlp.to_bytes()
    nothing = [Example(nlp.make_doc(""), nlp.make_doc(""))]
    assert nlp.update(nothing, sgd=Adam(0.1)) == {"ner_student": 0.0}
    assert pipe.distill(pipe, nothing, sgd=Adam(0.1)) == {"ner_student": 0.0}
    assert nlp.to_bytes() == before


@pytest.mark.parametrize("crf", [True, False], ids=["crf", "softmax"])
def test_training_with_empty_and_unusual_documents(newsroom, crf):
    nlp = newsroom.student(crf=crf)
    examples = newsroom.examples(nlp)
    for text in ODD:
        doc = nlp.make_doc(text)
        doc.set_ents([])
        examples.append(Example(nlp.make_doc(text), doc))
    curve = newsroom.train(nlp, examples, steps=20)
    assert curve[-1] < curve[0] / 2


words = st.lists(st.sampled_from(["Anna", "Oslo", " ", "\n", "\t\t", "\u00a0"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(words=words, wish=st.sampled_from(["B", "I", "L", "U"]), strength=st.floats(0, 50))
def test_no_entity_starts_or_ends_at_white_space(newsroom, eager, words, wish, strength):
    nlp = eager(wish, strength)
    doc = nlp.get_pipe("ner_student")(Doc(nlp.vocab, words=words))
    for ent in doc.ents:
        assert not ent[0].is_space and not ent[-1].is_space
    if strength > 40 and wish == "U":
        assert len(doc.ents) == sum(word.strip() != "" for word in words)


@pytest.fixture(scope="module")
def eager(newsroom):
    """A pipeline that gives high scores to entities at all tokens."""
    nlp = newsroom.student()
    pipe = nlp.get_pipe("ner_student")
    head = pipe.model.get_ref("output_layer")

    def wanting(prefix, strength):
        bias = [strength if name.startswith(prefix) else 0.0 for name in pipe.tags.names]
        head.set_param("b", numpy.asarray(bias, dtype="float32"))
        return nlp

    return wanting


def test_a_document_of_50000_tokens(newsroom):
    nlp = newsroom.student()
    newsroom.train(nlp, newsroom.examples(nlp))
    sentence = newsroom.sentences[4][0].split(" ")
    long = (sentence * (50_000 // len(sentence) + 1))[:50_000]
    long[25_000] = "\n"
    doc = nlp.get_pipe("ner_student")(Doc(nlp.vocab, words=long))
    assert len(doc) == 50_000
    ends = [0, *(ent.end for ent in doc.ents)]
    assert all(ent.start >= end for ent, end in zip(doc.ents, ends, strict=False))
    # Entities are still found near the end.
    found = {(ent.start % len(sentence), len(ent), ent.label_) for ent in doc[-1000:].ents}
    assert (0, 3, "PER") in found and (4, 2, "LOC") in found


def test_earlier_entities_are_kept(newsroom, learned):
    """An `entity_ruler` can come first, as with spaCy's `ner`."""
    text = newsroom.sentences[0][0]
    found = [(ent.start, ent.end) for ent in learned(text).ents]
    assert found
    doc = learned.make_doc(text)
    start, end = found[0]
    doc.set_ents([Span(doc, start, end, label="RULE")])
    pipe = learned.get_pipe("ner_student")
    ents = [(ent.start, ent.end, ent.label_) for ent in pipe(doc).ents]
    assert ents[0] == (start, end, "RULE")
    assert [ent[:2] for ent in ents] == found


def test_a_student_without_vectors_in_a_pipeline_that_has_some(newsroom, learned):
    other = spacy.blank("xx")
    other.vocab.set_vector("Anna", numpy.ones(7, dtype="float32"))
    before = [(ent.text, ent.label_) for ent in learned(newsroom.sentences[0][0]).ents]
    other.add_pipe("ner_student", source=learned)
    assert [(ent.text, ent.label_) for ent in other(newsroom.sentences[0][0]).ents] == before


def test_posteriors_with_calibration_and_earlier_entities(newsroom, learned):
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    pipe.cfg["temperature"] = 3.0
    doc = newsroom.doc(nlp.vocab, "Anna Berg sails to Oslo .", [(2, 3, "SHIP")], default="missing")
    chain = pipe.predict_chain([doc])
    numpy.testing.assert_allclose(
        pipe.posteriors([doc], calibrated=False)[0], chain.marginals(), atol=1e-6
    )
    (plain,) = pipe.posteriors([doc])
    numpy.testing.assert_allclose(plain, chain.scaled(3.0).marginals(), atol=1e-6)
    (given,) = pipe.posteriors([doc], keep_entities=True)
    assert given[2, 0] == pytest.approx(1) and plain[2, 0] < 0.999
    # Confidences are computed from these probabilities.
    pipe.confidence = True
    (oslo,) = [ent for ent in pipe(doc).ents if ent.text == "Oslo"]
    assert oslo._.confidence == pytest.approx(plain[4, pipe.tags.first_tag("LOC") + 3], abs=1e-5)
    assert pipe.posteriors([], keep_entities=True) == []


def test_posteriors_of_earlier_entities(newsroom, learned):
    pipe = learned.get_pipe("ner_student")
    spans = [(0, 2, "ORG"), (2, 3, "SHIP"), (4, 5, "PER")]
    doc = newsroom.doc(learned.vocab, "Anna Berg sails to Oslo .", spans, default="missing")
    doc.set_ents(list(doc.ents), blocked=[doc[3:4]], default="missing")
    (given,) = pipe.posteriors([doc], keep_entities=True)
    names = [pipe.tags.names[number] for number in given.argmax(axis=1)]
    assert names[:5] == ["B-ORG", "L-ORG", "O", "O", "U-PER"]
    numpy.testing.assert_allclose(given[:5].max(axis=1), 1, atol=1e-5)
