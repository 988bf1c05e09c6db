"""How characters are numbered, and what the CNN makes of a word."""

import numpy
from numpy.testing import assert_allclose, assert_array_equal

from spacy_distill.models.character_cnn import MAX_CHARACTERS, character_cnn, character_rows
from spacy_distill.models.word_forms import distinct_word_forms
from tests.models.batches import make_docs


def test_character_rows_frame_words_with_boundaries():
    rows, lengths = character_rows(["ab", "", "a"], 512)
    a, b = 1 + ord("a"), 1 + ord("b")
    assert rows.tolist() == [[0, a, b, 0], [0, 0, 0, 0], [0, a, 0, 0]]
    assert lengths.tolist() == [2, 0, 1]


def test_character_rows_take_the_ends_of_long_words():
    half = MAX_CHARACTERS // 2
    limit, longer = "x" * half + "y" * half, "x" * half + "middle" + "y" * half
    rows, lengths = character_rows([limit, longer], 512)
    assert rows.shape == (2, MAX_CHARACTERS + 2)
    assert lengths.tolist() == [MAX_CHARACTERS] * 2
    assert_array_equal(rows[0], rows[1])


def test_character_rows_count_astral_characters_and_surrogates_as_one():
    texts = ["🚀n", "\ud800n", "n"]
    rows, lengths = character_rows(texts, 50)
    assert lengths.tolist() == [2, 2, 1]
    expected = [[0, *(1 + ord(c) % 49 for c in text)] for text in texts]
    assert [row[: len(e)].tolist() for row, e in zip(rows, expected, strict=True)] == expected
    assert rows.max() < 50
    assert (rows[:, 1] > 0).all(), "a character must not pass for a boundary"


def test_character_rows_of_nothing():
    rows, lengths = character_rows([], 512)
    assert (rows.shape, lengths.shape) == ((0, 3), (0,))


def test_character_cnn_is_the_best_response_of_the_words_windows(vocab):
    """A word's vector is its own, whatever longer words stand beside it."""
    docs = make_docs(vocab)
    forms, _ = distinct_word_forms(docs)
    model = character_cnn(6, width=4, rows=50)
    model.initialize(X=forms)
    E, W, b = (model.get_param(name) for name in ("E", "W", "b"))
    b += 1
    vectors = model.predict(forms)
    for text, vector in zip(forms.texts, vectors, strict=True):
        text = text if len(text) <= 20 else text[:10] + text[-10:]
        numbers = [0, *(1 + ord(character) % 49 for character in text), 0]
        windows = [E[numbers[i : i + 3]].ravel() for i in range(len(text))]
        assert_allclose(vector, (numpy.asarray(windows) @ W.T).max(axis=0) + b, rtol=1e-5)
