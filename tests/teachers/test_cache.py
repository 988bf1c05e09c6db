import gc
import tempfile
from dataclasses import replace

import numpy
import pytest
import spacy

from spacy_distill.chain import chain_from_marginals
from spacy_distill.encoders.feature_cache import FEATURES, FOLDER_VARIABLE
from spacy_distill.teachers import CachedTeacher
from spacy_distill.teachers.cache import TOLERANCE
from tests.teachers.conftest import WordTeacher

TEXTS = ["Anna sails to Oslo", "Oslo", "", "It rains", "Oslo", "Anna sails to Oslo"]


def assert_equal(first, second, temperature=1.0):
    """Require the same distributions up to half precision, and exactly the same transition
    scores."""
    numpy.testing.assert_array_equal(first.lengths, second.lengths)
    for name in ("transitions", "start", "end"):
        numpy.testing.assert_array_equal(getattr(first, name), getattr(second, name), name)
    assert first.emissions.dtype == second.emissions.dtype == numpy.float32
    first, second = first.scaled(temperature), second.scaled(temperature)
    numpy.testing.assert_allclose(first.marginals(), second.marginals(), atol=TOLERANCE)
    assert numpy.abs(second.kl(first)).max(initial=0) < 1e-5


def test_it_gives_what_its_teacher_gives(word_teacher, doc):
    cached = CachedTeacher(word_teacher, batch_size=2)
    docs = [doc(text) for text in TEXTS]
    expected = word_teacher.predict_chain(docs)
    for batch in (docs, docs[::-1], docs[2:4], docs[:1]):
        assert_equal(cached.predict_chain(batch), word_teacher.predict_chain(batch))
    for temperature in (0.5, 1.0, 2.0, 5.0):
        assert_equal(cached.predict_chain(docs), expected, temperature)
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
    """A student that teaches has its own transition scores, or none if its chain was carried over
    to other tokens."""
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
    numpy.testing.assert_allclose(cached.predict_chain(docs).marginals(), expected, atol=TOLERANCE)
    for one in docs:
        expected = word_teacher.predict_chain([one]).marginals()
        numpy.testing.assert_allclose(
            cached.predict_chain([one]).marginals(), expected, atol=TOLERANCE
        )


def sharp_texts(n_docs=40, length=25, seed=0):
    rng = numpy.random.default_rng(seed)
    return [" ".join(f"w{n}" for n in rng.integers(10_000, size=length)) for _ in range(n_docs)]


class SharpTeacher(WordTeacher):
    """RETURNS: Scores as certain as those of a good model, with 18 labels."""

    def __init__(self, scale=4.0):
        super().__init__(tuple(f"LABEL{number}" for number in range(18)))
        self.scale = scale

    def predict_chain(self, docs):
        chain = super().predict_chain(docs)
        return replace(chain, emissions=chain.emissions * numpy.float32(self.scale))


def test_memory_is_bounded_and_the_rest_is_on_disk(doc):
    docs = [doc(text) for text in sharp_texts()]
    n_tokens = sum(map(len, docs))
    whole = CachedTeacher(SharpTeacher(), batch_size=8)
    whole.read(docs)
    # Two bytes per tag.
    assert whole.store.n_bytes_in_memory == 2 * 73 * n_tokens and whole.store.n_bytes_on_disk == 0
    limit = whole.store.n_bytes_in_memory // 3
    for max_bytes in (limit, 0):
        teacher = SharpTeacher()
        cached = CachedTeacher(teacher, batch_size=8, max_bytes=max_bytes)
        cached.read(docs)
        assert cached.store.n_bytes_in_memory <= max_bytes
        assert (
            cached.store.n_bytes_in_memory + cached.store.n_bytes_on_disk
            == whole.store.n_bytes_in_memory
        )
        for batch in (docs, docs[::-3]):
            numpy.testing.assert_array_equal(
                cached.predict_chain(batch).emissions, whole.predict_chain(batch).emissions
            )
        assert teacher.n_read == len(docs)


def test_no_file_is_left(doc, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cached = CachedTeacher(WordTeacher(), max_bytes=0)
    cached.read([doc("Anna sails")])
    file = cached.store._file
    cached.close()
    assert file.closed and not list(tmp_path.iterdir())
    forgotten = CachedTeacher(WordTeacher(), max_bytes=0)
    forgotten.read([doc("Anna sails")])
    file = forgotten.store._file
    del forgotten
    gc.collect()
    assert file.closed and not list(tmp_path.iterdir())


def test_a_disk_that_is_full_is_told(doc, monkeypatch):
    class Full:
        def __getattr__(self, name):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(OSError, match=r"\[D279\].*in the temporary folder.*No space"):
        CachedTeacher(WordTeacher(), max_bytes=0).read([doc("Anna sails")])


@pytest.mark.parametrize("scale", [1.0, 4.0, 40.0, 4e4, 1e9])
def test_no_probability_is_far_from_the_teachers(doc, scale):
    """Also if the range of the scores is larger than that of half precision."""
    teacher = SharpTeacher(scale)
    docs = [doc(text) for text in sharp_texts(20)]
    found, expected = CachedTeacher(teacher).predict_chain(docs), teacher.predict_chain(docs)
    numpy.testing.assert_allclose(found.marginals(), expected.marginals(), atol=TOLERANCE)
    assert numpy.isfinite(found.log_partition).all()


def test_scores_that_half_precision_cannot_tell_apart_are_kept_as_they_are(doc):
    class Forced(WordTeacher):
        """All tags that the transitions allow have much lower scores than a tag that they
        exclude."""

        def predict_chain(self, docs):
            chain = super().predict_chain(docs)
            emissions = chain.emissions - numpy.float32(3000)
            emissions[:, 0] = -numpy.inf
            emissions[:, 2] = 0
            end = chain.end.copy()
            return replace(chain, emissions=emissions, end=end)

    docs = [doc("Oslo"), doc("Kiel")]
    expected = Forced().predict_chain(docs)
    assert_equal(CachedTeacher(Forced()).predict_chain(docs), expected)


def test_what_is_impossible_stays_impossible(doc):
    class Without(WordTeacher):
        def predict_chain(self, docs):
            chain = super().predict_chain(docs)
            chain.emissions[:, 4] = -numpy.inf
            return chain

    docs = [doc("Anna sails"), doc("Oslo")]
    found = CachedTeacher(Without()).predict_chain(docs)
    assert numpy.isneginf(found.emissions[:, 4]).all()
    assert numpy.isfinite(numpy.delete(found.emissions, 4, axis=1)).all()


@pytest.mark.parametrize("keeps_features", [True, False])
def test_features_of_a_transformer_are_kept_if_others_need_them(monkeypatch, keeps_features):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(FEATURES, "max_recent_bytes", 40)
    FEATURES.clear()

    class Reader(WordTeacher):
        def predict_chain(self, docs):
            for doc in docs:
                array = numpy.zeros((1, 1, 16), dtype="float16")
                FEATURES.set_all("reader", {doc.text.encode(): array})
            return super().predict_chain(docs)

    docs = [spacy.blank("xx").make_doc(name) for name in ("Oslo", "Kiel", "Turku")]
    CachedTeacher(Reader(), keeps_features=keeps_features).predict_chain(docs)
    kept = FEATURES.get_all("reader", [doc.text.encode() for doc in docs])
    assert len(kept) == (3 if keeps_features else 1)
    FEATURES.clear()
