"""A teacher that reads the soft targets of documents."""

from dataclasses import replace

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc, Span

from spacy_distill.chain import BiluoTags
from spacy_distill.corpora.soft_targets import USER_DATA_KEY, pack_marginals
from spacy_distill.teachers import SoftTeacher

LABELS = ("PER", "LOC")
TAGS = BiluoTags(LABELS)


@pytest.fixture
def teacher():
    return SoftTeacher(LABELS)


@pytest.fixture
def with_targets(word_teacher):
    """Store the predictions of the word teacher in documents."""

    def write(doc, top_k=9, known=None, target=None):
        word_teacher.labels = LABELS
        marginals = word_teacher.predict_chain([doc]).marginals()
        targets = pack_marginals(marginals, marginals.argmax(axis=1), top_k, known)
        if target is not None:
            targets = replace(targets, source=doc)
        (doc if target is None else target).user_data[USER_DATA_KEY] = targets
        return doc if target is None else target

    return write


def test_the_marginals_are_those_that_were_written(teacher, with_targets, word_teacher, doc):
    docs = [with_targets(doc(text)) for text in ("Anna sails to Oslo", "", "Oslo")]
    chain = teacher.predict_chain(docs)
    assert chain.lengths.tolist() == [4, 0, 1] and chain.known is None
    assert_allclose(chain.marginals(), word_teacher.predict_chain(docs).marginals(), atol=2e-3)


def test_of_fewer_tags_a_distribution_is_left(teacher, with_targets, doc):
    chain = teacher.predict_chain([with_targets(doc("Anna sails to Oslo"), top_k=2)])
    assert_allclose(chain.marginals().sum(axis=1), 1, atol=1e-5)


def test_unknown_tokens_stay_unknown(teacher, with_targets, doc):
    known = numpy.asarray([True, False, True])
    docs = [doc("Oslo"), doc("Anna sails on")]
    chain = teacher.predict_chain([with_targets(docs[0]), with_targets(docs[1], known=known)])
    assert chain.known.tolist() == [True, True, False, True]


def test_labeled_documents_teach_their_entities(teacher, with_targets, doc):
    gold = doc("Anna Berg sails to Oslo now")
    gold.set_ents([Span(gold, 0, 2, "PER"), Span(gold, 4, 5, "LOC")], missing=[gold[5:6]])
    chain = teacher.predict_chain([with_targets(doc("Oslo")), gold])
    names = [TAGS.names[number] for number in chain.argmax()[1:6]]
    assert names == ["B-PER", "L-PER", "O", "O", "U-LOC"]
    assert_allclose(chain.marginals()[1:6].max(axis=1), 1, atol=1e-4)
    assert chain.known.tolist() == [True] * 6 + [False]


@pytest.mark.parametrize("labels", [("PER",), ("PER", "LOC")])
def test_long_gold_entities_have_a_distribution(doc, labels):
    """In float32, no probability is left for other tags."""
    gold = doc("Maria von der Holm sails")
    gold.set_ents([Span(gold, 0, 4, "PER")])
    chain = SoftTeacher(labels).predict_chain([gold])
    assert numpy.isfinite(chain.marginals()).all()
    names = [BiluoTags(labels).names[number] for number in chain.argmax()]
    assert names == ["B-PER", "I-PER", "I-PER", "L-PER", "O"]


def test_targets_for_other_tokens_are_carried_over(teacher, with_targets, word_teacher):
    vocab = spacy.blank("en").vocab
    source = Doc(vocab, words=["Anna", "sails"])
    target = Doc(vocab, words=["An", "na", "sails"], spaces=[False, True, True])
    plain = with_targets(Doc(vocab, words=["Oslo"]))
    gold = Doc(vocab, words=["Oslo"])
    gold.set_ents([Span(gold, 0, 1, "LOC")])
    chain = teacher.predict_chain([plain, with_targets(source, target=target), gold])
    assert chain.lengths.tolist() == [1, 3, 1]
    expected = word_teacher.predict_chain([source]).marginals()
    assert_allclose(chain.marginals()[3], expected[1], atol=2e-3)
    assert_allclose(chain.marginals()[1:3, 0], expected[0, 0], atol=2e-3)
    assert TAGS.names[chain.argmax()[4]] == "U-LOC"


@pytest.mark.parametrize("known, n_misfits", [(None, 1), ([True, False], 0)])
def test_entities_that_do_not_fit_the_documents_tokens_are_counted(teacher, doc, known, n_misfits):
    """A place becomes a part of a token. Unknown tokens have no entity."""
    vocab = spacy.blank("en").vocab
    source, target = doc("Anna Oslo"), Doc(vocab, words=["Anna Oslo"], spaces=[True])
    marginals = numpy.full((2, 9), 1e-3, dtype="float32")
    marginals[[0, 1], TAGS.tag_ids(["O", "U-LOC"])] = 1
    targets = pack_marginals(marginals, marginals.argmax(axis=1), 9, known and numpy.array(known))
    target.user_data[USER_DATA_KEY] = replace(targets, source=source)
    for passes in (1, 2):
        chain = teacher.predict_chain([target])
        assert chain.known.tolist() == [False]
        assert teacher.n_misfits == passes * n_misfits


def test_a_document_without_anything_is_named(teacher, doc):
    with pytest.raises(ValueError, match=r"'It rains.*neither soft targets nor gold entities"):
        teacher.predict_chain([doc("It rains")])
    assert teacher.predict_chain([doc("")]).lengths.tolist() == [0]


def test_gold_of_another_label_is_named(teacher, doc):
    gold = doc("Anna sails")
    gold.set_ents([Span(gold, 0, 1, "SHIP")])
    with pytest.raises(ValueError, match="label 'SHIP', but the labels are: PER, LOC"):
        teacher.predict_chain([gold])
