import numpy
import pytest

from spacy_distill.vectors.reduction import reduce_dimensions


@pytest.fixture
def vectors():
    """Vectors in six dimensions, with three strong directions, far from the origin."""
    rng = numpy.random.default_rng(0)
    basis, _ = numpy.linalg.qr(rng.normal(size=(6, 6)))
    return (rng.normal(size=(500, 6)) * [9, 5, 2, 0.01, 0.01, 0.01] @ basis + 100).astype("f")


def test_the_strongest_directions_are_kept_in_order(vectors):
    weights = numpy.ones(500)
    reduced = reduce_dimensions(vectors, weights, 3, scale=1.0, whitening=0.0)
    assert reduced.shape == (500, 3) and reduced.dtype == "float32"
    assert reduced.mean(axis=0) == pytest.approx(0, abs=1e-3)
    covariance = reduced.T @ reduced / 500
    variances = numpy.diag(covariance)
    assert covariance == pytest.approx(numpy.diag(variances), abs=1e-3)
    assert list(variances) == sorted(variances, reverse=True)
    # Distances between words are kept, apart from the scale.
    centred = vectors - vectors.mean(axis=0)
    ratio = numpy.linalg.norm(reduced, axis=1) / numpy.linalg.norm(centred, axis=1)
    assert ratio == pytest.approx(ratio[0], rel=0.05)


def test_the_scale_is_that_of_the_weighted_words(vectors):
    weights = numpy.r_[numpy.full(100, 5.0), numpy.zeros(400)]
    reduced = reduce_dimensions(vectors, weights, 2, scale=0.5)
    assert numpy.sqrt((reduced[:100] ** 2).mean()) == pytest.approx(0.5, rel=1e-3)
    assert reduced[:100].mean(axis=0) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("whitening", [0.5, 1.0])
def test_whitening_evens_out_the_spreads(vectors, whitening):
    plain = reduce_dimensions(vectors, numpy.ones(500), 3, whitening=0.0).std(axis=0)
    evened = reduce_dimensions(vectors, numpy.ones(500), 3, whitening=whitening).std(axis=0)
    expected = plain ** (1 - whitening)
    assert evened / evened[0] == pytest.approx(expected / expected[0], rel=1e-3)


def test_words_that_differ_in_nothing_have_no_vector():
    """Six words have only two directions. The other dimensions must not become noise or NaN."""
    vectors = numpy.zeros((6, 8), dtype="float32")
    vectors[:3, 0], vectors[2:, 1] = 1, 2
    reduced = reduce_dimensions(vectors, numpy.ones(6), 5, whitening=1.0)
    assert numpy.abs(reduced[:, 2:]).max() < 1e-3 < numpy.abs(reduced[:, :2]).min()
    assert not reduce_dimensions(numpy.ones((6, 8)), numpy.ones(6), 5).any()


def test_a_row_that_counts_twice_is_two_rows(vectors):
    weights = numpy.ones(500)
    weights[:200] = 2
    twice = numpy.concatenate([vectors[:200], vectors])
    expected = reduce_dimensions(twice, numpy.ones(700), 3)[200:]
    assert reduce_dimensions(vectors, weights, 3) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("rows, dim", [(500, 7), (3, 4)])
def test_more_dimensions_than_there_are(vectors, rows, dim):
    with pytest.raises(ValueError, match=rf"{rows} words .* cannot be reduced to {dim}"):
        reduce_dimensions(vectors[:rows], numpy.ones(rows), dim)
