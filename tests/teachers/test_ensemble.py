import numpy
import pytest
import spacy
from spacy.tokens import Doc

from spacy_distill.chain import BiluoTags, LinearChain, constraints
from spacy_distill.teachers import EnsembleTeacher


class FixedTeacher:
    """Predicts the same emissions for each token."""

    def __init__(self, labels, emissions):
        self.labels = labels
        self.emissions = emissions

    def predict_chain(self, docs):
        lengths = numpy.asarray([len(doc) for doc in docs])
        start, transitions, end = constraints(len(self.labels))
        emissions = numpy.tile(numpy.asarray(self.emissions, dtype="float32"), (lengths.sum(), 1))
        return LinearChain(emissions, lengths, transitions, start, end)


@pytest.fixture
def docs():
    vocab = spacy.blank("en").vocab
    return [Doc(vocab, words=["Oslo"]), Doc(vocab), Doc(vocab, words=["a"])]


def test_averages_probabilities_by_label_and_weight(docs):
    """With one token, only O and the U tags are possible, so the average is easy to compute."""
    no = -numpy.inf
    tags_ab = [0.0, no, no, no, 2.0, no, no, no, 0.0]
    tags_ba = [0.0, no, no, no, 0.0, no, no, no, 0.0]
    ensemble = EnsembleTeacher(
        [FixedTeacher(("A", "B"), tags_ab), FixedTeacher(("B", "A"), tags_ba)], [3.0, 1.0]
    )
    marginals = ensemble.predict_chain(docs).marginals()
    first = numpy.exp([0.0, 2.0, 0.0]) / numpy.exp([0.0, 2.0, 0.0]).sum()
    expected = 0.75 * first + 0.25 / 3
    names = BiluoTags(ensemble.labels).names
    columns = [names.index(name) for name in ("O", "U-A", "U-B")]
    assert marginals.shape == (2, 9)
    assert numpy.allclose(marginals[:, columns], expected, atol=1e-4)


def test_a_certain_teacher_does_not_silence_the_others(docs):
    no = -numpy.inf
    certain = FixedTeacher(("A",), [no, no, no, no, 0.0])
    opposite = FixedTeacher(("A",), [0.0, no, no, no, no])
    marginals = EnsembleTeacher([certain, opposite]).predict_chain(docs).marginals()
    assert numpy.allclose(marginals[:, [0, 4]], 0.5, atol=1e-4)


@pytest.mark.parametrize("partial", [False, True])
def test_of_a_confident_teacher_a_temperature_makes_the_same(docs, partial):
    """Small probabilities have no lower bound, also where a teacher's O is divided: the label of
    the other teacher has 1e-13 there, and 0.001 at a temperature of 4."""
    teacher = FixedTeacher(("A",), [0.0, -30, -30, -30, -30])
    other = FixedTeacher(("B",) if partial else ("A",), teacher.emissions)
    ensemble = EnsembleTeacher([teacher, other], partial=partial)
    expected = FixedTeacher(ensemble.labels, [0.0, *[-30] * 4 * len(ensemble.labels)])
    found, wanted = (
        one.predict_chain(docs).scaled(4.0).marginals() for one in (ensemble, expected)
    )
    numpy.testing.assert_allclose(found, wanted, rtol=1e-3)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0]])
def test_weights_have_to_fit(weights):
    teacher = FixedTeacher(("A",), [0.0] * 5)
    with pytest.raises(ValueError, match="a weight above 0 for each"):
        EnsembleTeacher([teacher, teacher], weights)


def test_one_teacher_has_to_have_all_labels():
    teachers = [FixedTeacher((label,), [0.0] * 5) for label in "AB"]
    with pytest.raises(ValueError, match=r"have all labels: found A; B\. .*--partial-labels"):
        EnsembleTeacher(teachers)
    assert EnsembleTeacher(teachers, partial=True).labels == ("A", "B")
    teachers.append(FixedTeacher(("B", "A"), [0.0] * 9))
    assert EnsembleTeacher(teachers).labels == ("B", "A")


def one_token(labels, **probabilities):
    """A teacher for documents with one token, which predicts these probabilities for O and U-X."""
    names = BiluoTags(labels).names
    given = {"O": 1 - sum(probabilities.values())}
    given |= {f"U-{label}": value for label, value in probabilities.items()}
    with numpy.errstate(divide="ignore"):
        return FixedTeacher(labels, numpy.log([given.get(name, 0) for name in names]))


def test_teachers_of_different_labels_do_not_speak_against_each_other(docs):
    teachers = [one_token(("A",), A=0.6), one_token(("B",), B=0.3)]
    ensemble = EnsembleTeacher(teachers, partial=True)
    marginals = ensemble.predict_chain(docs).marginals()
    assert numpy.allclose(marginals[:, [0, 4, 8]], [0.1, 0.6, 0.3], atol=1e-4)


def test_what_one_takes_for_an_entity_is_taken_from_the_labels_that_it_lacks(docs):
    """The first teacher is certain of A, which the second lacks. B gets only a part of the rest."""
    ensemble = EnsembleTeacher([one_token(("A",), A=0.9), one_token(("A", "B"), A=0.1, B=0.8)])
    marginals = ensemble.predict_chain(docs).marginals()
    # The average of A is 0.5, so that B gets 0.8 of at least 0.8 of the first teacher's 0.1.
    assert numpy.allclose(marginals[:, [0, 4, 8]], [0.05, 0.5, 0.45], atol=1e-4)


def test_rules_for_one_label_leave_the_others_alone(word_teacher, doc):
    class NoShips:
        labels = ("SHIP",)

        def predict_chain(self, docs):
            return FixedTeacher(self.labels, [0.0, *[-numpy.inf] * 4]).predict_chain(docs)

    docs = [doc("Anna sails to Oslo on Monday"), doc("")]
    ensemble = EnsembleTeacher([word_teacher, NoShips()], partial=True)
    marginals = ensemble.predict_chain(docs).marginals()
    expected = word_teacher.predict_chain(docs).marginals()
    assert ensemble.labels == (*word_teacher.labels, "SHIP")
    assert numpy.allclose(marginals[:, : expected.shape[1]], expected, atol=1e-4)
    assert numpy.allclose(marginals[:, expected.shape[1] :], 0, atol=1e-4)


def test_who_has_no_opinion_on_a_token_does_not_count_there(word_teacher, unsure_teacher, doc):
    docs = [doc("Anna sails"), doc("sails"), doc("")]
    ensemble = EnsembleTeacher([word_teacher, unsure_teacher], [1.0, 3.0])
    chain = ensemble.predict_chain(docs)
    # Both teachers agree where both know the token.
    expected = word_teacher.predict_chain(docs).marginals()
    assert chain.known is None
    assert numpy.allclose(chain.marginals(), expected, atol=1e-5)


def test_tokens_that_no_teacher_knows_are_unknown(unsure_teacher, doc):
    docs = [doc("Anna sails"), doc(""), doc("To Oslo on foot")]
    chain = EnsembleTeacher([unsure_teacher, unsure_teacher]).predict_chain(docs)
    assert chain.known.tolist() == [True, False, True, True, False, False]


def test_documents_without_tokens_only(word_teacher, doc):
    chain = EnsembleTeacher([word_teacher, word_teacher]).predict_chain([doc(""), doc("")])
    assert chain.lengths.tolist() == [0, 0] and chain.known is None
