"""The compact table of word vectors, compared with the vectors of the vocabulary."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.vectors import Vectors

from spacy_distill.models.vector_table import BITS, look_up, quantized, vector_table
from spacy_distill.models.word_forms import distinct_word_forms
from spacy_distill.models.word_vectors import WordVectors
from tests.models.batches import add_vectors, make_docs


def create_table(vectors, bits, rows=None):
    table = vector_table(vectors, rows=rows)
    return table if bits == 16 else quantized(table, bits)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("words", [("Anna", "anna", "in", "1998"), ("in", "anna")])
def test_forms_have_the_vectors_of_the_vocabulary(bits, words, vocab):
    add_vectors(vocab, words=words, width=5)
    forms, _ = distinct_word_forms(make_docs(vocab))
    model = WordVectors()
    model.initialize(X=forms)
    expected = model.predict(forms)
    assert expected.any(axis=1).sum() >= 3
    model.attrs["vector_table"] = create_table(vocab.vectors, bits)
    vocab.vectors = Vectors()
    found = model.predict(forms)
    assert found.dtype == "float32"
    # With at most 256 vectors, codes are as precise as half precision.
    assert_allclose(
        found, expected, atol=(0.005 if bits == 8 else 1e-3) * numpy.abs(expected).max()
    )
    again = WordVectors().from_bytes(model.to_bytes())
    assert_array_equal(again.predict(forms), found)
    # The table is kept at initialization, unless the vocabulary has vectors.
    model.initialize(X=forms)
    assert_array_equal(model.predict(forms), found)
    add_vectors(vocab, words=words, width=2)
    with pytest.raises(ValueError, match=r"\[D632\]"):
        model.initialize(X=forms)
    assert_array_equal(model.predict(forms), found)
    add_vectors(vocab, words=words, width=5)
    model.initialize(X=forms)
    assert not model.attrs["vector_table"]
    assert_array_equal(model.predict(forms), expected)


def test_words_of_dropped_rows_get_the_most_similar_row():
    data = numpy.asarray([[1, 0], [0, 2], [0, 0], [0.1, 9], [-3, 0.1], [5, 1]], dtype="float32")
    vectors = Vectors(data=data, keys=[40, 10, 60, 20, 50, 30])
    vectors.add(70, row=3)
    table = vector_table(vectors, rows=2)
    assert len(table["data"]) == 2 and table["rows"].dtype == "uint16"
    found = look_up(table, numpy.asarray([40, 10, 20, 70, 30, 99], dtype="uint64"))
    assert_allclose(found, [[1, 0], [0, 2], [0, 2], [0, 2], [1, 0], [0, 0]])


@pytest.mark.parametrize("rows", range(1, 12))
def test_any_number_of_vectors_can_be_kept(rows, rng):
    data = rng.normal(size=(10, 4)).astype("float32")
    table = vector_table(Vectors(data=data, keys=range(1, 11)), rows=rows)
    assert len(table["data"]) == min(rows, 10)
    found = look_up(table, numpy.arange(1, 11, dtype="uint64"))
    data = data.astype("float16").astype("float32")
    assert_array_equal(found[:rows], data[:rows])
    for vector, kept in zip(data[rows:], found[rows:], strict=True):
        similarity = data[:rows] @ vector / numpy.linalg.norm(data[:rows], axis=1)
        assert_array_equal(kept, data[similarity.argmax()])


def test_large_tables_have_32_bit_rows():
    data = numpy.zeros((70000, 1), dtype="float32")
    data[-1] = 7
    table = vector_table(Vectors(data=data, keys=range(1, 70001)))
    assert look_up(table, numpy.asarray([70000, 3], dtype="uint64")).tolist() == [[7.0], [0.0]]


def test_an_empty_batch_has_no_vectors(vocab):
    add_vectors(vocab)
    table = vector_table(vocab.vectors)
    none = numpy.zeros(0, dtype="uint64")
    assert look_up(table, none, none).shape == (0, 3)


def test_vectors_without_keys_are_rejected(vocab):
    with pytest.raises(ValueError, match="has no vectors"):
        vector_table(vocab.vectors)
    floret = Vectors(
        data=numpy.ones((10, 2), dtype="float32"), mode="floret", minn=1, maxn=2, hash_count=1
    )
    with pytest.raises(ValueError, match="has floret vectors"):
        vector_table(floret)


def test_spacys_symbols_and_other_words_have_different_keys(vocab):
    # The hash of a symbol is a small number.
    words = ["ORG", "PERSON", "NOUN", "Oslo", "Anna"]
    add_vectors(vocab, words=words, width=5)
    table = vector_table(vocab.vectors)
    assert len(set(table["keys"].tolist())) == len(words)
    keys = numpy.asarray([vocab.strings[word] for word in words], dtype="uint64")
    expected = numpy.stack([vocab.get_vector(word) for word in words])
    assert_allclose(look_up(table, keys), expected, atol=1e-2)
