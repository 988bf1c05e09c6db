import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_distill.vectors.word_means import WordMeans


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=20), max_size=6))
def test_means_do_not_depend_on_how_the_text_is_cut(batches):
    rng = numpy.random.default_rng(0)
    means = WordMeans(3)
    seen = {}
    for words in batches:
        vectors = rng.normal(size=(len(words), 3)).astype("float32")
        means.add(words, vectors)
        for word, vector in zip(words, vectors, strict=True):
            seen.setdefault(word, []).append(vector)
    assert means.words == list(seen)
    assert list(means.counts) == [len(vectors) for vectors in seen.values()]
    for word, mean in zip(means.words, means.means, strict=True):
        assert mean == pytest.approx(numpy.mean(seen[word], axis=0), abs=1e-5)


def test_a_million_small_vectors_are_not_lost():
    """A sum in float32 would stop growing long before."""
    means = WordMeans(1)
    ones = numpy.full((100_000, 1), 1.001, dtype="float32")
    for _ in range(200):
        means.add(["the"] * len(ones), ones)
    assert means.means[0, 0] == pytest.approx(1.001, abs=1e-6)


def test_room_is_made_for_more_words():
    means = WordMeans(2)
    words = [str(number) for number in range(3000)]
    vectors = numpy.arange(6000, dtype="float32").reshape(3000, 2)
    for start in range(0, 3000, 700):
        means.add(words[start : start + 700], vectors[start : start + 700])
    assert means.words == words
    assert numpy.array_equal(means.means, vectors)


def test_lower_forms_are_added_where_they_are_not_seen():
    means = WordMeans(1)
    means.add(["Oslo", "OSLO", "OSLO", "US", "us"], numpy.array([[1], [4], [4], [7], [9]]))
    means.add_lower_forms()
    found = dict(zip(means.words, means.means[:, 0].tolist(), strict=True))
    assert found == {"Oslo": 1, "OSLO": 4, "US": 7, "us": 9, "oslo": 3}
    assert list(means.counts) == [1, 2, 1, 1, 3]


def test_selected_words_keep_their_means():
    means = WordMeans(1)
    means.add(["a", "b", "b", "c"], numpy.array([[1], [2], [4], [8]]))
    kept = means.select(lambda word, count: count > 1 or word == "c")
    assert (kept.words, kept.means.tolist(), kept.counts.tolist()) == (
        ["b", "c"],
        [[3], [8]],
        [2, 1],
    )


def test_selected_words_are_in_the_order_of_their_frequency():
    means = WordMeans(1)
    words = ["once", "often", "twice", "often", "alone", "twice", "often"]
    means.add(words, numpy.arange(7, dtype="float32").reshape(7, 1))
    kept = means.select(lambda word, count: word != "alone")
    assert kept.words == ["often", "twice", "once"]
    assert kept.counts.tolist() == [3, 2, 1]
    assert kept.means[:, 0].tolist() == pytest.approx([10 / 3, 3.5, 0])
