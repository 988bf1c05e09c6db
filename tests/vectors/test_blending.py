import numpy
import pytest

from spacy_distill.vectors.blending import blend, contextual_from_isolated


def test_the_map_is_found_and_carries_to_words_without_contexts(rng):
    isolated = rng.normal(size=(300, 5)).astype("float32")
    mapping = rng.normal(size=(5, 5))
    contextual = isolated @ mapping + 7
    contextual_from_isolated(isolated, contextual[:200], numpy.full(200, 3), ridge=1e-6)
    assert isolated == pytest.approx(contextual, abs=1e-2)


def test_frequent_words_matter_more_to_the_map(rng):
    isolated = rng.normal(size=(400, 3)).astype("float32")
    counts = numpy.repeat([10_000, 1], 200)
    contextual = numpy.where(counts[:, None] > 1, isolated * 2, isolated)
    inputs = isolated.copy()
    contextual_from_isolated(isolated, contextual, counts)
    slope = (isolated * inputs).sum() / (inputs**2).sum()
    # Weights of log 10,001 and log 2.
    assert slope == pytest.approx((2 * 9.21 + 0.69) / (9.21 + 0.69), abs=0.05)


def test_a_text_without_words_changes_nothing(rng):
    isolated = rng.normal(size=(3, 2)).astype("float32")
    before = isolated.copy()
    contextual_from_isolated(isolated, numpy.zeros((0, 2)), numpy.zeros(0, dtype="int64"))
    blend(isolated, numpy.zeros((0, 2)), numpy.zeros(0, dtype="int64"), 1.0)
    assert numpy.array_equal(isolated, before)


def test_words_that_are_all_alike_do_not_break_the_map():
    isolated = numpy.ones((4, 2), dtype="float32")
    contextual_from_isolated(isolated, numpy.full((2, 2), 5.0), numpy.array([1, 2]))
    assert numpy.array_equal(isolated, numpy.full((4, 2), 5))


def test_rare_words_lean_on_their_form():
    expected = numpy.zeros((3, 1), dtype="float32")
    blend(expected, numpy.ones((2, 1)), numpy.array([1, 9]), 1.0)
    assert expected[:, 0].tolist() == pytest.approx([0.5, 0.9, 0])
