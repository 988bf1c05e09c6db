import numpy
import pytest
import spacy
from spacy.training import Example
from thinc.api import SGD, Adam, RAdam

from spacy_distill.pipeline import labels as module
from spacy_distill.pipeline.chain_ner import SAMPLE_SIZE


def test_the_factory_makes_a_component_that_spacy_can_train(newsroom):
    pipe = newsroom.student().get_pipe("ner_student")
    assert (pipe.name, pipe.is_trainable, pipe.is_resizable) == ("ner_student", True, True)


def test_labels_come_from_the_data(newsroom):
    nlp = newsroom.student()
    pipe = nlp.get_pipe("ner_student")
    assert pipe.labels == ("LOC", "ORG", "PER")
    assert pipe.label_data == pipe.labels
    assert len(pipe.tags.names) == 13


@pytest.mark.parametrize(
    "given", [["PER", "LOC", "ORG", "ANIMAL"], ("PER", "LOC", "ORG", "ANIMAL")]
)
def test_labels_keep_their_order(newsroom, given):
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe("ner_student", config={"model": newsroom.narrow})
    pipe.initialize(lambda: newsroom.examples(nlp), nlp=nlp, labels=given)
    assert pipe.labels == tuple(given)
    assert pipe.posteriors([nlp.make_doc("Anna sails")])[0].shape == (2, 17)


def test_label_data_initializes_an_equal_component(newsroom):
    first = newsroom.student().get_pipe("ner_student")
    nlp = spacy.blank("xx")
    second = nlp.add_pipe("ner_student", config={"model": newsroom.narrow})
    second.initialize(lambda: newsroom.examples(nlp), nlp=nlp, labels=first.label_data)
    assert second.labels == first.labels


def test_labels_added_before_training_join_those_of_the_data(newsroom):
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe("ner_student", config={"model": newsroom.narrow})
    assert pipe.add_label("ANIMAL") == 1
    assert pipe.add_label("ANIMAL") == 0
    nlp.initialize(lambda: newsroom.examples(nlp))
    assert pipe.labels == ("ANIMAL", "LOC", "ORG", "PER")
    assert "ANIMAL" in nlp.vocab.strings
    newsroom.train(nlp, newsroom.examples(nlp), steps=2)


@pytest.mark.parametrize("label", ["", None, 7])
def test_a_label_that_is_not_a_string_is_rejected(newsroom, label):
    with pytest.raises(ValueError, match=r"A label has to be a string that is not empty: found"):
        newsroom.student().get_pipe("ner_student").add_label(label)


def test_the_error_without_labels(newsroom):
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner_student", name="names", config={"model": newsroom.narrow})
    plain = [(words, []) for words, _ in newsroom.sentences]
    with pytest.raises(ValueError, match=r"'names' has no labels.*\[initialize.components.names\]"):
        nlp.initialize(lambda: newsroom.examples(nlp, plain))


def test_the_error_without_tokens(newsroom):
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe("ner_student", config={"model": newsroom.narrow})
    pipe.add_label("PER")
    empty = newsroom.examples(nlp)[:1]
    empty[0].predicted = nlp.make_doc("")
    empty[0].reference = nlp.make_doc("")
    with pytest.raises(ValueError, match=r"cannot be initialized: the training corpus has no"):
        nlp.initialize(lambda: empty)


def test_prediction_before_initialization_is_an_error(newsroom):
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner_student", config={"model": newsroom.narrow}).add_label("PER")
    with pytest.raises(ValueError, match="initialize"):
        nlp("Anna sails to Oslo .")


def test_initialization_with_labels_reads_a_few_documents():
    """A corpus may be larger than memory, and a pass over it takes hours."""
    n_read = 0

    def read():
        nonlocal n_read
        while True:
            n_read += 1
            doc = nlp.make_doc("Anna sails")
            yield Example(doc, doc.copy())

    nlp = spacy.blank("xx")
    nlp.add_pipe("ner_student").initialize(read, nlp=nlp, labels=["PER"])
    assert 0 < n_read <= 2 * SAMPLE_SIZE
    with pytest.raises(TypeError, match="E930"):
        nlp.get_pipe("ner_student").initialize(None, nlp=nlp, labels=["PER"])


def test_a_trained_component_can_be_initialized_for_other_data(newsroom):
    nlp = newsroom.student()
    newsroom.train(nlp, newsroom.examples(nlp), steps=10)
    trained = nlp.get_pipe("ner_student").model.get_ref("output_layer").get_param("W").copy()
    pandas = newsroom.examples(nlp, [("The red panda sleeps .", [(1, 3, "ANIMAL")])])
    nlp.initialize(lambda: pandas)
    pipe = nlp.get_pipe("ner_student")
    assert "ANIMAL" in pipe.labels
    fresh = pipe.model.get_ref("output_layer").get_param("W")
    assert not numpy.isin(trained, fresh).any()
    newsroom.train(nlp, pandas, steps=30)
    assert newsroom.entities(nlp("The red panda sleeps .")) == [(1, 3, "ANIMAL")]


def test_a_label_added_after_training_leaves_the_scores_of_the_others(newsroom, learned):
    nlp = newsroom.copy(learned)
    pipe = nlp.get_pipe("ner_student")
    docs = [example.predicted for example in newsroom.examples(nlp)]
    before = pipe.predict_chain(docs)
    assert pipe.add_label("ANIMAL") == 1
    after = pipe.predict_chain(docs)
    n = len(before.start)
    assert len(after.start) == n + 4
    # Matrix products of other shapes have other rounding errors.
    numpy.testing.assert_allclose(after.emissions[:, :n], before.emissions, atol=1e-4)
    numpy.testing.assert_array_equal(after.transitions[:n, :n], before.transitions)
    numpy.testing.assert_array_equal(after.start[:n], before.start)
    numpy.testing.assert_array_equal(after.end[:n], before.end)


def test_further_training_teaches_an_added_label_and_keeps_the_others(newsroom, learned):
    nlp = newsroom.copy(learned)
    nlp.get_pipe("ner_student").add_label("ANIMAL")
    more = [*newsroom.sentences, ("The red panda sleeps .", [(1, 3, "ANIMAL")])]
    examples = newsroom.examples(nlp, more)
    nlp.resume_training()
    newsroom.train(nlp, examples, steps=40)
    scores = nlp.evaluate(newsroom.examples(nlp, more))
    assert set(scores["ents_per_type"]) == {"ANIMAL", "LOC", "ORG", "PER"}
    assert scores["ents_f"] == 1.0
    assert newsroom.copy(nlp).get_pipe("ner_student").labels == ("LOC", "ORG", "PER", "ANIMAL")


@pytest.mark.parametrize("make", [Adam, RAdam, SGD])
def test_an_optimizer_can_be_used_after_a_label_was_added(newsroom, learned, make):
    """It works for updates, distillation, rehearsal and averages, as with spaCy's ner."""
    nlp, teacher = newsroom.copy(learned), newsroom.copy(learned).get_pipe("ner_student")
    pipe = nlp.get_pipe("ner_student")
    examples = newsroom.examples(nlp)
    optimizer = make(0.01)
    nlp.resume_training(sgd=optimizer)
    for labels in ([], ["ANIMAL"], ["SHIP", "RIVER"]):
        for label in labels:
            pipe.add_label(label)
            teacher.add_label(label)
        with nlp.use_params(optimizer.averages):
            nlp("The red panda sleeps .")
        nlp.update(examples, sgd=optimizer)
        pipe.distill(teacher, examples, sgd=optimizer)
        nlp.rehearse(examples, sgd=optimizer)
        nlp.update(examples, sgd=None)
        with nlp.use_params(optimizer.averages):
            nlp("The red panda sleeps .")
    assert pipe.model.get_ref("output_layer").get_param("W").shape[0] == 25


def test_averages_include_a_label_that_was_added_late(newsroom):
    nlp = newsroom.student()
    optimizer = Adam(0.01)
    examples = newsroom.examples(nlp)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    nlp.get_pipe("ner_student").add_label("ANIMAL")
    more = newsroom.examples(
        nlp, [*newsroom.sentences, ("The red panda sleeps .", [(1, 3, "ANIMAL")])]
    )
    for _ in range(60):
        nlp.update(more, sgd=optimizer)
    with nlp.use_params(optimizer.averages):
        assert newsroom.entities(nlp("The red panda sleeps .")) == [(1, 3, "ANIMAL")]


def test_no_more_labels_than_can_be_loaded(newsroom, monkeypatch):
    pipe = newsroom.student().get_pipe("ner_student")
    monkeypatch.setattr(module, "MOST_LABELS", len(pipe.labels) + 1)
    pipe.add_label("ANIMAL")
    with pytest.raises(ValueError, match=r"\[D016\].*'PLANT' cannot be added"):
        pipe.add_label("PLANT")
    assert pipe.add_label("ANIMAL") == 0 and "PLANT" not in pipe.labels
