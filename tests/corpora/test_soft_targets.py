import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_distill.corpora.soft_targets import (
    LEAST_PROBABILITY,
    pack_marginals,
    unpack_marginals,
)


def random_marginals(seed, n_tokens, n_tags, peaked=3.0):
    scores = peaked * numpy.random.default_rng(seed).normal(size=(n_tokens, n_tags))
    odds = numpy.exp(scores - scores.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True)).astype("float32")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 6), min_size=1), st.integers(1, 20))
def test_what_was_packed_comes_back_to_half_precision(seed, lengths, n_tags):
    documents = [random_marginals(seed + i, length, n_tags) for i, length in enumerate(lengths)]
    packed = [pack_marginals(rows, rows.argmax(axis=1), 255) for rows in documents]
    found = unpack_marginals(packed, n_tags)
    expected = numpy.concatenate(documents)
    assert found.dtype == numpy.float32
    numpy.testing.assert_allclose(found, expected, rtol=1e-3, atol=LEAST_PROBABILITY)
    for item, rows in zip(packed, documents, strict=True):
        assert item.best.tolist() == rows.argmax(axis=1).tolist()
        assert len(item.counts) == len(rows)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 6), min_size=1), st.booleans())
def test_targets_of_a_batch_are_cut_into_those_of_its_documents(seed, lengths, all_known):
    marginals = random_marginals(seed, sum(lengths), 9)
    known = numpy.arange(len(marginals)) % 3 > 0 if not all_known else None
    packed = pack_marginals(marginals, marginals.argmax(axis=1), 3, known)
    parts = packed.split(lengths)
    assert [len(part.counts) for part in parts] == lengths
    end = 0
    for part, length in zip(parts, lengths, strict=True):
        rows = slice(end, end + length)
        end += length
        own = None if known is None else known[rows]
        alone = pack_marginals(marginals[rows], marginals[rows].argmax(axis=1), 3, own)
        for name in ("best", "counts", "tags", "probabilities", "rest"):
            numpy.testing.assert_array_equal(getattr(part, name), getattr(alone, name))


@pytest.mark.parametrize("top_k", [1, 2, 5])
def test_the_most_probable_tags_are_kept(top_k):
    marginals = random_marginals(0, 30, 9, peaked=0.5)
    packed = pack_marginals(marginals, marginals.argmax(axis=1), top_k)
    assert packed.counts.tolist() == [top_k] * 30
    found = unpack_marginals([packed], 9)
    kept = marginals >= numpy.sort(marginals, axis=1)[:, -top_k][:, None]
    numpy.testing.assert_allclose(found[kept], marginals[kept], rtol=1e-3)
    # The most probable one first.
    first = packed.tags.reshape(30, top_k)[:, 0]
    assert first.tolist() == marginals.argmax(axis=1).tolist()


@pytest.mark.parametrize("top_k", [1, 2, 5])
def test_the_tags_that_are_cut_share_their_probability(top_k):
    marginals = random_marginals(3, 30, 9, peaked=4.0)
    found = unpack_marginals([pack_marginals(marginals, marginals.argmax(axis=1), top_k)], 9)
    for row, expected in zip(found, marginals, strict=True):
        order = numpy.argsort(-expected)
        cut = [
            tag for n, tag in enumerate(order) if n >= top_k or expected[tag] < LEAST_PROBABILITY
        ]
        share = expected[cut].sum(dtype="float64") / len(cut)
        numpy.testing.assert_allclose(row[cut], share, rtol=4e-3)


def test_what_is_rounded_of_the_kept_tags_is_not_given_to_the_others():
    """In half precision, 1 - 0.9997 is 0.0005, which is as much as 1e-5 for each of 48 tags."""
    marginals = numpy.full((1, 49), 1e-14, dtype="float32")
    marginals[0, :2] = 0.9997, 0.0003
    found = unpack_marginals([pack_marginals(marginals, numpy.asarray([0]), 8)], 49)
    numpy.testing.assert_allclose(found[0, 2:], 1e-14, rtol=4e-3)


def test_tiny_probabilities_are_left_out():
    marginals = numpy.asarray([[1 - 3e-6, 1e-6, 2e-6], [0.5, 0.49998, 2e-5]], dtype="float32")
    packed = pack_marginals(marginals, marginals.argmax(axis=1), 8)
    assert packed.counts.tolist() == [1, 3]
    assert packed.probabilities.dtype == numpy.float16


def test_the_least_probability_that_is_kept_is_one_in_half_precision():
    marginals = numpy.asarray([[1 - LEAST_PROBABILITY, LEAST_PROBABILITY]], dtype="float32")
    found = unpack_marginals([pack_marginals(marginals, numpy.asarray([0]), 2)], 2)
    assert found[0, 1] == pytest.approx(LEAST_PROBABILITY, rel=0.01)


def test_equal_probabilities_are_kept_in_the_order_of_their_tags():
    marginals = numpy.full((2, 5), 0.2, dtype="float32")
    assert pack_marginals(marginals, numpy.zeros(2, int), 3).tags.tolist() == [0, 1, 2, 0, 1, 2]


def test_of_unknown_tokens_nothing_is_kept():
    marginals = random_marginals(1, 3, 5, peaked=0.1)
    known = numpy.asarray([True, False, True])
    packed = pack_marginals(marginals, marginals.argmax(axis=1), 2, known)
    assert packed.counts.tolist() == [2, 0, 2]
    assert not unpack_marginals([packed], 5)[1].any()


def test_many_tags_have_room():
    marginals = random_marginals(2, 4, 700)
    packed = pack_marginals(marginals, marginals.argmax(axis=1), 255)
    found = unpack_marginals([packed], 700)
    assert (found.argmax(axis=1) == marginals.argmax(axis=1)).all()
    assert packed.best.tolist() == marginals.argmax(axis=1).tolist()
