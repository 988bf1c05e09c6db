import numpy
import spacy

from spacy_distill.chain import chain_from_marginals
from spacy_distill.teachers import CachedTeacher

TEXTS = ["Anna sails to Oslo", "Oslo", "", "It rains", "Oslo", "Anna sails to Oslo"]


def assert_equal(first, second):
    numpy.testing.assert_array_equal(first.lengths, second.lengths)
    for name in ("emissions", "transitions", "start", "end"):
        numpy.testing.assert_array_equal(getattr(first, name), getattr(second, name), name)


def test_it_gives_what_its_teacher_gives(word_teacher, doc):
    cached = CachedTeacher(word_teacher, batch_size=2)
    docs = [doc(text) for text in TEXTS]
    expected = word_teacher.predict_chain(docs)
    for batch in (docs, docs[::-1], docs[2:4], docs[:1]):
        assert_equal(cached.predict_chain(batch), word_teacher.predict_chain(batch))
    numpy.testing.assert_array_equal(cached.predict_chain(docs).marginals(), expected.marginals())
    assert cached.labels == word_teacher.labels


def test_the_teacher_reads_each_document_once(word_teacher, doc):
    cached = CachedTeacher(word_teacher, batch_size=2)
    for _ in range(3):
        cached.predict_chain([doc(text) for text in TEXTS])
        cached.predict_chain([doc("It rains")])
    assert sorted(text for call in word_teacher.calls for text in call) == sorted(
        {doc(text).text for text in TEXTS if text}
    )
    assert max(len(call) for call in word_teacher.calls) == 2
    assert len(cached) == 3


def test_reading_ahead_reports_each_batch(word_teacher, doc):
    cached = CachedTeacher(word_teacher, batch_size=2)
    docs = [doc(text) for text in TEXTS]
    assert [d.text for d in cached.unread(docs)] and len(cached.unread(docs)) == 3
    batches = []
    cached.read(docs, batches.append)
    assert sum(batches) == 3 and len(batches) == 2
    assert cached.unread(docs) == []
    cached.predict_chain(docs)
    assert word_teacher.n_read == 3


def test_the_same_words_are_known_in_another_vocabulary(word_teacher, doc):
    cached = CachedTeacher(word_teacher)
    cached.predict_chain([doc("Anna sails")])
    cached.predict_chain([spacy.blank("en").make_doc("Anna sails")])
    assert word_teacher.n_read == 2  # "sails" has no space after it here, and one there
    cached.predict_chain([spacy.blank("de").make_doc("Anna sails")])
    assert word_teacher.n_read == 2


def test_other_words_or_spaces_make_another_document(word_teacher, doc):
    cached = CachedTeacher(word_teacher)
    docs = [doc("a b"), doc("b a"), doc("a b c"), doc("a b", spaces=[False, False])]
    cached.predict_chain(docs)
    assert word_teacher.n_read == 4


def test_empty_documents_are_not_sent_to_the_teacher(word_teacher, doc):
    cached = CachedTeacher(word_teacher)
    assert_equal(cached.predict_chain([doc("Oslo")]), word_teacher.predict_chain([doc("Oslo")]))
    n_calls = len(word_teacher.calls)
    chain = cached.predict_chain([doc(""), doc("")])
    assert chain.lengths.tolist() == [0, 0] and chain.emissions.shape == (0, 9)
    assert len(word_teacher.calls) == n_calls


def test_nothing_but_empty_documents(word_teacher, doc):
    chain = CachedTeacher(word_teacher).predict_chain([doc(""), doc("")])
    assert chain.emissions.shape == (0, 9)
    assert chain.log_partition.tolist() == [0, 0]


def test_what_was_given_out_may_be_changed(word_teacher, doc):
    cached = CachedTeacher(word_teacher)
    first = cached.predict_chain([doc("Anna sails")])
    before = first.emissions.copy()
    first.emissions[:] = 7
    numpy.testing.assert_array_equal(cached.predict_chain([doc("Anna sails")]).emissions, before)


def test_what_the_teacher_does_not_know_is_kept(unsure_teacher, doc):
    cached = CachedTeacher(unsure_teacher, batch_size=2)
    docs = [doc(text) for text in TEXTS]
    for batch in (docs, docs[::-1]):
        expected = unsure_teacher.predict_chain(batch).known
        numpy.testing.assert_array_equal(cached.predict_chain(batch).known, expected)
    assert cached.predict_chain([doc("Oslo")]).known is None


def test_chains_with_other_transitions_are_not_mixed_up(word_teacher, doc):
    """As of a student that teaches: its own transition scores where the tokens are the same, and
    none where its chain had to be carried over."""
    texts = [text for text in TEXTS if text]

    class TwoKinds:
        labels = word_teacher.labels

        def predict_chain(self, docs):
            chain = word_teacher.predict_chain(docs)
            if all(len(doc) == 1 for doc in docs):
                return chain
            return chain_from_marginals(chain.marginals(), chain.lengths)

    cached = CachedTeacher(TwoKinds(), batch_size=1)
    docs = [doc(text) for text in texts]
    expected = word_teacher.predict_chain(docs).marginals()
    numpy.testing.assert_allclose(cached.predict_chain(docs).marginals(), expected, atol=1e-4)
    for one in docs:
        expected = word_teacher.predict_chain([one]).marginals()
        numpy.testing.assert_allclose(cached.predict_chain([one]).marginals(), expected, atol=1e-4)
