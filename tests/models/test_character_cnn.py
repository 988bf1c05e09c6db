"""The windows of characters, and the output of the character CNN."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spacy_distill.models.character_cnn import MAX_CHARACTERS, CharacterCNN, character_windows
from spacy_distill.models.word_forms import distinct_word_forms, read_word_forms
from tests.models.batches import make_docs

ODD_WORDS = ["\U0001f680n", "\0", " ", "x" * 20, "y" * 21, "Donaudampfschiffahrtsgesellschaft"]


def test_windows_include_word_boundaries():
    windows, lengths = character_windows(["ab", "", "a"], 512)
    a, b = 1 + ord("a"), 1 + ord("b")
    assert windows.T.tolist() == [[0, a, b], [a, b, 0], [0, 0, 0], [0, a, 0]]
    assert lengths.tolist() == [2, 1, 1]


def test_long_words_are_read_at_both_ends():
    half = MAX_CHARACTERS // 2
    limit, longer = "x" * half + "y" * half, "x" * half + "middle" + "y" * half
    windows, lengths = character_windows([limit, longer], 512)
    assert lengths.tolist() == [MAX_CHARACTERS] * 2
    assert_array_equal(windows[:, :MAX_CHARACTERS], windows[:, MAX_CHARACTERS:])


def test_astral_characters_surrogates_and_nul_are_characters():
    texts = ["🚀n", "\ud800n", "\0", "n"]
    windows, lengths = character_windows(texts, 50)
    assert lengths.tolist() == [2, 2, 1, 1]
    assert windows[1].tolist() == [1 + ord(c) % 49 for text in texts for c in text]
    assert windows.max() < 50
    assert (windows[1] > 0).all(), "a character must not pass for a boundary"


def test_no_words_have_no_windows():
    windows, lengths = character_windows([], 512)
    assert (windows.shape, lengths.shape) == ((3, 0), (0,))


@pytest.mark.parametrize("filters, width, rows", [(1, 1, 2), (6, 4, 50), (64, 16, 512)])
def test_inference_equals_training(filters, width, rows, vocab, each_kernel):
    orths = [vocab.strings.add(word) for word in ODD_WORDS]
    forms = read_word_forms(vocab, numpy.asarray([0, *orths], dtype="uint64"))
    model = CharacterCNN(filters, width=width, rows=rows)
    model.initialize(X=forms)
    found, backprop = model(forms, is_train=False)
    expected, _ = model.begin_update(forms)
    assert found.dtype == "float32"
    assert_allclose(found, expected, atol=1e-6)
    backprop(expected)
    assert model.get_grad("b") == pytest.approx(expected.sum(axis=0))


def test_character_cnn_returns_the_best_response_of_all_windows(vocab):
    """The vector of a word does not depend on longer words in the batch."""
    docs = make_docs(vocab)
    forms, _ = distinct_word_forms(docs)
    model = CharacterCNN(6, width=4, rows=50)
    model.initialize(X=forms)
    E, W, b = (model.get_param(name) for name in ("E", "W", "b"))
    b += 1
    vectors = model.predict(forms)
    for text, vector in zip(forms.texts, vectors, strict=True):
        text = text if len(text) <= 20 else text[:10] + text[-10:]
        numbers = [0, *(1 + ord(character) % 49 for character in text), 0]
        windows = [E[numbers[i : i + 3]].ravel() for i in range(len(text))]
        assert_allclose(vector, (numpy.asarray(windows) @ W.T).max(axis=0) + b, rtol=1e-5)
