"""NaN and infinite scores are detected for each kind of teacher, and the document is named."""

import pickle
import sqlite3
from dataclasses import replace

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Span, SpanGroup

from spacy_distill.losses import ChainDistillation
from spacy_distill.teachers import (
    CachedTeacher,
    EnsembleTeacher,
    MappedTeacher,
    PipelineTeacher,
    TeacherOptions,
    TokenClassificationTeacher,
    load_teacher,
)
from spacy_distill.teachers.failures import (
    DocumentsError,
    TeacherError,
    ends_run,
    is_out_of_memory,
)
from spacy_distill.teachers.predictions import predict, predict_each
from tests.teachers.conftest import WordTeacher

NAN, INF = float("nan"), float("inf")
NARROW = {
    "embed": {"features": {"width": 8}, "characters": {"filters": 8}},
    "encode": {"width": 16, "depth": 1},
}


class StormTeacher(WordTeacher):
    """Predicts a NaN or infinite score for the word "storm", and raises an error for "thunder"."""

    def __init__(self, value=NAN, name="weather"):
        super().__init__()
        self.value = value
        self.name = name
        self.n_misfits = 0

    def predict_chain(self, docs):
        chain = super().predict_chain(docs)
        if any("thunder" in doc.text for doc in docs):
            raise RuntimeError("no teacher for bad weather")
        words = [token.text for doc in docs for token in doc]
        self.n_misfits += words.count("Oslo")
        chain.emissions[[word == "storm" for word in words], 2] = self.value
        return chain


@Language.component("spacy_distill_tests_nan_scores")
def nan_scores(doc):
    spans = [Span(doc, 0, 1, label="LOC"), Span(doc, 0, 1, label="PER")]
    scores = [0.9, NAN if "storm" in doc.text else 0.4]
    doc.spans["sc"] = SpanGroup(doc, spans=spans, attrs={"scores": numpy.asarray(scores)})
    return doc


def spoil(pipe):
    """Overwrite a model's parameters with NaN."""
    for node in pipe.model.walk():
        for name in node.param_names:
            node.set_param(name, numpy.full_like(node.get_param(name), NAN))


def student():
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("ner_student", config={"model": NARROW})
    for label in ("LOC", "PER"):
        pipe.add_label(label)
    nlp.initialize()
    return nlp


@pytest.fixture
def spoilt(train_ner, save, quiet):
    """Teachers of each kind that predict wrong scores for each document."""

    def make(kind):
        if kind == "own class":
            return StormTeacher()
        if kind == "spans":
            nlp = spacy.blank("en")
            nlp.add_pipe("spacy_distill_tests_nan_scores", name="writer")
            return PipelineTeacher(nlp, "writer", labels=["LOC", "PER"], spans_key="sc")
        if kind == "hugging face":
            teacher = TokenClassificationTeacher(save(["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]))
            teacher.encoder.model.classifier.bias.data[:] = NAN
            return teacher
        nlp = student() if kind == "ner_student" else train_ner(kind)
        (pipe,) = (pipe for _, pipe in nlp.pipeline)
        spoil(pipe)
        return PipelineTeacher(nlp)

    return make


@pytest.mark.parametrize("wrap", ["alone", "mapped", "ensemble", "cached"])
@pytest.mark.parametrize("kind", ["own class", "spans", "hugging face", "ner", "ner_student"])
def test_a_teacher_of_each_kind_is_found_out(spoilt, doc, kind, wrap):
    teacher = spoilt(kind)
    teacher.name = "bad day"
    labels = {label: label for label in teacher.labels}
    good = WordTeacher(teacher.labels)
    wraps = {
        "alone": lambda: teacher,
        "mapped": lambda: MappedTeacher(teacher, labels),
        "ensemble": lambda: EnsembleTeacher([good, teacher]),
        "cached": lambda: CachedTeacher(EnsembleTeacher([good, teacher])),
    }
    message = r"\[D273\] The teacher 'bad day' cannot teach the document 'a storm comes ?': .*"
    with pytest.raises(DocumentsError, match=message + "(NaN|infinite)"):
        predict(wraps[wrap](), [doc("a storm comes")])


@pytest.mark.parametrize("where", ["all", "one action", "open entities"])
def test_a_beam_whose_scores_are_none(train_ner, doc, where):
    """spaCy raises an AssertionError without a message. Empty documents are not parsed."""
    nlp = train_ner("beam_ner", beam_width=4, updates=10, beam_update_prob=0.0)
    pipe = nlp.get_pipe("ner")
    teacher = PipelineTeacher(nlp)
    if where == "all":
        spoil(pipe)
    else:
        name, param, index = {
            "one action": ("linear", "b", pipe.moves.n_moves - 1),
            "open entities": ("precomputable_affine", "W", 1),
        }[where]
        nodes = [node for node in pipe.model.walk() if node.name == name]
        node = next(n for n in nodes if where != "one action" or n.get_dim("nO") > 13)
        values = node.get_param(param).copy()
        values[index] = NAN
        node.set_param(param, values)
    docs = [doc(""), doc("Carl Lund sails to New York")]
    message = r"'xx_pipeline' cannot teach .*'Carl Lund.* a score of the token '\w+' is NaN"
    with pytest.raises(DocumentsError, match=message) as found:
        predict(teacher, docs)
    assert list(found.value.reasons) == [1]
    assert [failure.number for failure in predict_each(teacher, docs).failures] == [1]


@pytest.mark.parametrize("value, told", [(NAN, "NaN"), (INF, "infinite")])
def test_the_document_and_the_token_are_named(doc, value, told):
    docs = [doc(text) for text in ("Oslo", "a storm comes", "Kiel", "a storm goes")]
    with pytest.raises(DocumentsError) as found:
        predict(StormTeacher(value), docs)
    reason = f"a score of the token 'storm' is {told}"
    assert found.value.reasons == {1: reason, 3: reason}
    assert pickle.loads(pickle.dumps(found.value)).reasons == found.value.reasons


def test_what_is_impossible_is_no_error(doc):
    docs = [doc(text) for text in ("a storm comes", "Oslo")]
    chain = predict(StormTeacher(-INF), docs)
    assert numpy.isneginf(chain.emissions[1, 2])


def test_a_document_without_a_possible_sequence_is_found(doc):
    class Refusing(WordTeacher):
        def predict_chain(self, docs):
            chain = super().predict_chain(docs)
            words = [token.text for doc in docs for token in doc]
            chain.emissions[[word == "storm" for word in words]] = -INF
            # Not all tokens can be outside, which is allowed.
            chain.emissions[[word == "Oslo" for word in words], 0] = -INF
            return chain

    docs = [doc(text) for text in ("Oslo waits", "a storm comes")]
    with pytest.raises(DocumentsError) as found:
        predict(Refusing(), docs)
    assert found.value.reasons == {1: "no sequence of tags is possible"}


@pytest.mark.parametrize("part", ["transitions", "start", "end"])
def test_transition_scores_that_are_none_spoil_all_documents(doc, part):
    class Spoilt(WordTeacher):
        def predict_chain(self, docs):
            chain = super().predict_chain(docs)
            scores = getattr(chain, part).copy()
            scores[(0,) * scores.ndim] = NAN
            return replace(chain, **{part: scores})

    with pytest.raises(DocumentsError) as found:
        predict(Spoilt(), [doc("Oslo"), doc("Kiel")])
    assert set(found.value.reasons) == {0, 1}


def test_a_chain_of_other_documents_or_labels_is_refused(doc):
    class Short(WordTeacher):
        def predict_chain(self, docs):
            return super().predict_chain(docs[:1])

    class Wide(WordTeacher):
        def predict_chain(self, docs):
            return WordTeacher(("A", "B", "C")).predict_chain(docs)

    docs = [doc("Oslo waits"), doc("Kiel")]
    with pytest.raises(ValueError, match=r"\[D274\].*'Short'.*1 documents of 2 tokens and 9 tags"):
        predict(Short(), docs)
    with pytest.raises(ValueError, match=r"\[D274\].*'Wide'.*13 tags, expected 2 of 3 and 9"):
        predict(Wide(), docs)


def test_other_documents_are_as_without_those_that_fail(doc):
    texts = ["Oslo", "a storm comes", "Kiel Oslo", "thunder", "Turku", "thunder again"]
    teacher = StormTeacher()
    predictions = predict_each(teacher, [doc(text) for text in texts])
    assert predictions.kept == [0, 2, 4]
    assert [(failure.number, failure.teacher) for failure in predictions.failures] == [
        (1, "weather"),
        (3, "weather"),
        (5, "weather"),
    ]
    assert predictions.failures[1].reason == "RuntimeError: no teacher for bad weather"
    alone = WordTeacher().predict_chain([doc(texts[number]) for number in predictions.kept])
    numpy.testing.assert_array_equal(predictions.chain.emissions, alone.emissions)
    # The count does not depend on how often they were read.
    assert teacher.n_misfits == 2


def test_of_several_teachers_the_one_that_fails_is_named(doc):
    ensemble = EnsembleTeacher([WordTeacher(), StormTeacher(name="second")])
    predictions = predict_each(ensemble, [doc("a storm comes"), doc("thunder"), doc("Oslo")])
    assert predictions.kept == [2]
    assert predictions.failures[0].teacher == "second"
    assert "[D276] The teacher 'second' of the ensemble failed" in predictions.failures[1].reason


def test_of_several_teachers_an_error_with_a_code_stays_as_it_is(doc):
    ensemble = EnsembleTeacher([WordTeacher(), Raising(ValueError("[D001] wrong."), name="second")])
    message = r"^\[D001\] wrong. The error comes from the teacher 'second' of the ensemble.$"
    for teacher in (ensemble, EnsembleTeacher([ensemble, WordTeacher()])):
        with pytest.raises(ValueError, match=message):
            predict(teacher, [doc("Oslo")])


def test_all_documents_fail(doc):
    predictions = predict_each(StormTeacher(), [doc("a storm"), doc("thunder")])
    assert predictions.chain is None and predictions.kept == [] and len(predictions.failures) == 2


@pytest.mark.parametrize("differs", [False, True])
def test_a_batch_that_fails_though_no_document_does(doc, differs):
    class Small(WordTeacher):
        def predict_chain(self, docs):
            if len(docs) > 2:
                raise MemoryError("too many")
            chain = super().predict_chain(docs)
            return replace(chain, end=chain.end + (len(docs) if differs else 0))

    docs = [doc(text) for text in ("Oslo", "Kiel waits", "Turku", "Anna", "Lund")]
    with pytest.warns(UserWarning, match=r"\[D275\].*on a batch of 5 documents.*: too many. Use"):
        predictions = predict_each(Small(), docs)
    assert predictions.kept == [0, 1, 2, 3, 4] and not predictions.failures
    expected = WordTeacher().predict_chain(docs)
    assert predictions.chain.lengths.tolist() == expected.lengths.tolist()
    numpy.testing.assert_allclose(predictions.chain.marginals(), expected.marginals(), atol=1e-5)


def test_halves_are_read_so_that_one_failing_document_costs_little(doc):
    teacher = StormTeacher()
    docs = [doc("thunder" if number == 21 else f"boat {number}") for number in range(64)]
    predictions = predict_each(teacher, docs)
    assert [failure.number for failure in predictions.failures] == [21]
    assert predictions.kept == [number for number in range(64) if number != 21]
    # The whole batch is read once, and then only parts of it.
    assert len(teacher.calls) <= 13 and teacher.n_read <= 3 * 64


class Raising(WordTeacher):
    """Raises an error for "thunder" and "Oslo"."""

    def __init__(self, error, name="raising"):
        super().__init__()
        self.error, self.name = error, name

    def predict_chain(self, docs):
        if any(word in doc.text for doc in docs for word in ("thunder", "Oslo")):
            raise self.error
        return super().predict_chain(docs)


def wrapped(error):
    """RETURNS (Exception): An error that was raised from another error."""
    outer = RuntimeError("the component failed")
    outer.__cause__ = error
    return outer


class OutOfMemoryError(RuntimeError):
    """A stand-in for the error of torch."""


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        TeacherError("[D000] settings"),
        MemoryError(),
        OutOfMemoryError("CUDA out of memory"),
        OSError(28, "No space left on device"),
        wrapped(MemoryError()),
        wrapped(OSError(5, "Input/output error")),
        wrapped(sqlite3.OperationalError("database or disk is full")),
    ],
)
def test_what_is_no_documents_fault_ends_the_run(doc, error, several):
    teacher = Raising(error)
    if several:
        teacher = EnsembleTeacher([WordTeacher(), teacher])
    with pytest.raises(type(error)) as found:
        predict_each(teacher, [doc("Kiel"), doc("thunder"), doc("Turku")])
    assert found.value is error


def test_errors_of_torch_are_known_by_their_names():
    torch = pytest.importorskip("torch", reason="the train extra is not installed")
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("another")) and not ends_run(OSError("a web page"))


def test_a_chain_that_does_not_fit_ends_the_run(doc):
    class Short(WordTeacher):
        def predict_chain(self, docs):
            return super().predict_chain(docs[:1])

    with pytest.raises(TeacherError, match=r"\[D274\]"):
        predict_each(Short(), [doc("Oslo waits"), doc("Kiel")])


def test_an_error_of_documents_names_them():
    with pytest.raises(TypeError):
        DocumentsError("late")
    with pytest.raises(ValueError, match=r"\[D237\].*no reasons for 'late'"):
        DocumentsError("late", {})


def test_teachers_have_the_names_that_they_were_given_by(train_ner, tmp_path, doc):
    nlp = train_ner()
    nlp.to_disk(tmp_path / "ner")
    assert load_teacher([tmp_path / "ner"]).name == str(tmp_path / "ner")
    ensemble = load_teacher([nlp, nlp], TeacherOptions(weights=(1, 1)))
    names = [teacher.name for teacher in ensemble.teachers]
    assert names == ["xx_pipeline (teacher 1)", "xx_pipeline (teacher 2)"]


def test_the_cache_asks_a_failing_document_once(doc):
    teacher = StormTeacher()
    cached = CachedTeacher(teacher, batch_size=2)
    docs = [doc(text) for text in ("Oslo", "a storm comes", "Kiel")]
    told = []
    cached.read(docs, on_failure=lambda doc, failure: told.append((doc.text, failure.teacher)))
    assert told == [("a storm comes ", "weather")]
    n_read = teacher.n_read
    with pytest.raises(DocumentsError, match="'weather' cannot teach the document 'a storm"):
        cached.predict_chain(docs)
    assert cached.unread(docs) == [] and teacher.n_read == n_read
    expected = WordTeacher().predict_chain([docs[0], docs[2]]).marginals()
    found = cached.predict_chain([docs[0], docs[2]]).marginals()
    numpy.testing.assert_allclose(found, expected, atol=1e-3)


def test_direct_distillation_names_the_teacher_and_not_the_learning_rate():
    nlp = student()
    pipe = nlp.get_pipe("ner_student")
    example = spacy.training.Example(nlp.make_doc("a storm comes"), nlp.make_doc("a storm comes"))
    with pytest.raises(DocumentsError, match="'weather' cannot teach the document 'a storm comes"):
        pipe.distill(StormTeacher(), [example], loss=ChainDistillation())


@pytest.mark.parametrize("weights", [[1.0, INF], [1.0, NAN]])
def test_weights_that_are_no_numbers_are_refused(weights):
    with pytest.raises(ValueError, match=r"\[D213\]"):
        EnsembleTeacher([WordTeacher(), WordTeacher()], weights)
