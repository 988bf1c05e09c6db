import numpy
import pytest
import spacy
from spacy.tokens import Doc

from spacy_distill.chain import BiluoTags, LinearChain, constraints
from spacy_distill.teachers import EnsembleTeacher


class FixedTeacher:
    """Gives every token the same emissions."""

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
    """One token leaves O and the U tags, so that the average can be worked out by hand."""
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


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0]])
def test_weights_have_to_fit(weights):
    teacher = FixedTeacher(("A",), [0.0] * 5)
    with pytest.raises(ValueError, match="a weight above 0 for each"):
        EnsembleTeacher([teacher, teacher], weights)


def test_labels_have_to_be_the_same():
    with pytest.raises(ValueError, match="Only the teacher has: B"):
        EnsembleTeacher([FixedTeacher(("A",), [0.0] * 5), FixedTeacher(("B",), [0.0] * 5)])
