"""Scores of spans must be probabilities; otherwise an error is raised."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc, Span, SpanGroup

from spacy_distill.teachers import AnnotationTeacher
from spacy_distill.teachers.failures import DocumentsError, TeacherError

VOCAB = spacy.blank("en").vocab
MISSING = object()


def spans(scores, *, n=2):
    """RETURNS (Doc): "Anna sails to Oslo" with up to two spans and the scores."""
    doc = Doc(VOCAB, words=["Anna", "sails", "to", "Oslo"])
    found = [Span(doc, 0, 1, label="PER"), Span(doc, 3, 4, label="LOC")][:n]
    attrs = {} if scores is MISSING else {"scores": scores}
    doc.spans["sc"] = SpanGroup(doc, spans=found, attrs=attrs)
    return doc


def outside(doc):
    """RETURNS (Floats1d): The probability of O at the two spans."""
    teacher = AnnotationTeacher(["LOC", "PER"], spans_key="sc", confidence=0.9)
    return teacher.predict_chain([doc]).marginals()[[0, 3], 0]


def torch_scores(values):
    torch = pytest.importorskip("torch", reason="the train extra is not installed")
    return torch.tensor(values, requires_grad=True)


class OfAnotherDevice:
    """A stand-in for a cupy array, which numpy cannot convert."""

    def __init__(self, values):
        self._values = list(values)

    def tolist(self):
        return self._values


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        lambda values: numpy.asarray(values, dtype="float32"),
        lambda values: numpy.asarray(values, dtype="float16"),
        lambda values: [numpy.float32(value) for value in values],
        lambda values: [numpy.asarray(value) for value in values],
        torch_scores,
        lambda values: list(torch_scores(values)),
        OfAnotherDevice,
    ],
)
def test_arrays_of_all_kinds_are_read(make):
    assert_allclose(outside(spans(make([0.7, 0.25]))), [0.3, 0.75], atol=1e-3)


@pytest.mark.parametrize("scores", [[1.0000001, -1e-9], [1, 0], [True, False], [1.0005, -0.0005]])
def test_what_is_rounded_is_right(scores):
    assert_allclose(outside(spans(scores)), [0, 1], atol=1e-4)


@pytest.mark.parametrize("scores", [MISSING, None])
def test_without_scores_the_confidence_counts(scores):
    assert_allclose(outside(spans(scores)), [0.1, 0.1], atol=1e-4)


@pytest.mark.parametrize("scores", [[], numpy.zeros(0), None])
def test_without_spans_there_is_nothing_to_read(scores):
    assert_allclose(outside(spans(scores, n=0)), [1, 1], atol=1e-4)


@pytest.mark.parametrize(
    "scores, told",
    [
        ([7.3, -2.0], r"'Anna' \(PER\) has the score 7.3 "),
        ([0.5, -2.0], r"'Oslo' \(LOC\) has the score -2 "),
        ([0.5, 87], r"'Oslo' \(LOC\) has the score 87 "),
        (numpy.asarray([0.5, numpy.inf]), r"'Oslo' \(LOC\) has the score inf "),
        ([1.01, 0.5], r"'Anna' \(PER\) has the score 1.01 "),
    ],
)
def test_scores_that_are_no_probabilities(scores, told):
    with pytest.raises(
        TeacherError,
        match=rf"\[D278\] The span {told}.*number from 0 to 1.*percentage by 100.*sigmoid",
    ):
        outside(spans(scores))


@pytest.mark.parametrize(
    "scores, told",
    [
        ([0.5], "found 1 number"),
        ([0.5, 0.5, 0.5], "found 3 numbers"),
        (0.5, "found 0.5"),
        (numpy.float64(0.5), "found .*0.5"),
        ([None, 0.5], r"found \[None, 0.5\]"),
        (["0.5", "high"], r"found \['0.5', 'high'\]"),
        ("0.5", "found '0.5'"),
        (numpy.asarray(["0.5", "0.7"]), r"found array\(\['0.5', '0.7'\]"),
        (numpy.full((2, 2), 0.5), r"found array\(\[\[0.5, 0.5\],"),
        ({"PER": 0.5}, r"found \{'PER': 0.5\}"),
        ([[0.5, 0.5], [0.5, 0.5]], "found "),
        ([1j, 0.5], "found "),
        ([numpy.asarray([0.4, 0.2])] * 2, r"found \[array\(\[0.4, 0.2\]\)"),
        ([numpy.zeros(0), 0.5], r"found \[array\(\[\]"),
        ([numpy.datetime64("2020-01-01"), 0.5], "found "),
    ],
)
def test_what_is_no_number_for_each_span(scores, told):
    message = rf"\[D277\] Expected one number for each of 2 spans in doc.spans\['sc'\].*{told}"
    with pytest.raises(TeacherError, match=message):
        outside(spans(scores))


def test_a_list_of_tensors_that_are_no_numbers():
    torch = pytest.importorskip("torch", reason="the train extra is not installed")
    with pytest.raises(TeacherError, match=r"\[D277\].*found \[tensor\(\[0.4"):
        outside(spans([torch.tensor([0.4, 0.2])] * 2))


def test_a_score_that_is_nan_is_the_documents_fault():
    docs = [spans([0.5, 0.5]), spans(numpy.asarray([0.5, numpy.nan]))]
    teacher = AnnotationTeacher(["LOC", "PER"], spans_key="sc")
    with pytest.raises(DocumentsError) as found:
        teacher.predict_chain(docs)
    assert found.value.reasons == {1: "the score of the span 'Oslo' (LOC) is NaN"}


def test_scores_that_were_saved_are_read():
    doc = spans(numpy.asarray([0.7, 0.25], dtype="float32"))
    again = Doc(VOCAB).from_bytes(doc.to_bytes())
    assert_allclose(outside(again), [0.3, 0.75], atol=1e-4)


@pytest.fixture
def extension():
    """Registers extensions of spans, and then those of before again."""
    before = {}

    def register(name, **settings):
        before[name] = Span.get_extension(name) if Span.has_extension(name) else None
        Span.set_extension(name, force=True, **(settings or {"default": 0.0}))

    yield register
    for name, former in before.items():
        Span.remove_extension(name)
        if former is not None:
            default, method, getter, setter = former
            functions = {"method": method, "getter": getter, "setter": setter}
            given = {kind: value for kind, value in functions.items() if value is not None}
            Span.set_extension(name, **(given or {"default": default}))


def entities(values, attr="score"):
    """RETURNS (Doc): "Anna sails to Oslo" with two entities and their values of an extension."""
    doc = spans(MISSING)
    doc.ents = list(doc.spans.pop("sc"))
    for ent, value in zip(doc.ents, values, strict=True):
        if value is not MISSING:
            ent._.set(attr, value)
    return doc


def outside_entities(doc, attr=None):
    teacher = AnnotationTeacher(["LOC", "PER"], score_attr=attr, confidence=0.9)
    return teacher.predict_chain([doc]).marginals()[[0, 3], 0]


def test_scores_of_entities_are_probabilities(extension):
    extension("score")
    assert_allclose(outside_entities(entities([0.7, numpy.float32(0.25)])), [0.3, 0.75], atol=1e-4)
    # The default of the extension is not a score: rules write entities without one.
    assert_allclose(outside_entities(entities([0.7, MISSING])), [0.3, 0.1], atol=1e-4)
    assert_allclose(outside_entities(entities([None, 0.0])), [0.1, 1], atol=1e-4)


def test_scores_are_read_from_the_extension_that_is_named(extension):
    extension("score")
    extension("sureness", getter=lambda span: 0.75 if span.label_ == "PER" else 0.5)
    doc = entities([0.1, 0.2])
    assert_allclose(outside_entities(doc, "sureness"), [0.25, 0.5], atol=1e-4)
    assert_allclose(outside_entities(doc), [0.9, 0.8], atol=1e-4)


def test_scores_of_a_group_come_first_unless_an_extension_is_named(extension):
    extension("score")
    doc = spans([0.7, 0.25])
    for span, score in zip(doc.spans["sc"], (0.4, 0.2), strict=True):
        span._.score = score
    assert_allclose(outside(doc), [0.3, 0.75], atol=1e-3)
    named = AnnotationTeacher(["LOC", "PER"], spans_key="sc", score_attr="score")
    assert_allclose(named.predict_chain([doc]).marginals()[[0, 3], 0], [0.6, 0.8], atol=1e-3)
    del doc.spans["sc"].attrs["scores"]
    assert_allclose(outside(doc), [0.6, 0.8], atol=1e-3)


@pytest.mark.parametrize(
    "value, message",
    [
        ("high", r"\[D219\] The score of the span 'Anna' \(PER\) in ent._.score .*found 'high'"),
        ([0.5, 0.5], r"\[D219\]"),
        (87, r"\[D278\] The span 'Anna' \(PER\) has the score 87 in ent._.score of"),
    ],
)
def test_what_an_extension_has_is_checked(extension, value, message):
    extension("score")
    with pytest.raises(TeacherError, match=message):
        outside_entities(entities([value, 0.5]))
    with pytest.raises(DocumentsError, match="NaN"):
        outside_entities(entities([float("nan"), 0.5]))


def test_an_extension_that_is_not_there():
    with pytest.raises(TeacherError, match=r"\[D218\].*`ent\._\.scroe`.*--score-attr"):
        outside_entities(entities([MISSING, MISSING]), "scroe")
