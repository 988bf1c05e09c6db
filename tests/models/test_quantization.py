"""Product quantization of vectors."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spacy_distill.models.quantization import balanced, dequantize, k_means, nearest, quantize


@pytest.fixture(scope="module")
def data():
    """Vectors whose dimensions have different variances and depend on each other."""
    rng = numpy.random.default_rng(1)
    scales = 2.0 ** -numpy.arange(6)
    mixed = rng.normal(size=(3000, 6)) * scales @ rng.normal(size=(6, 6))
    return mixed.astype("float32")


def error(data, weights=None, **settings):
    difference = dequantize(*quantize(data, **settings)) - data
    return numpy.square(difference if weights is None else difference @ weights).mean()


def test_fewer_bits_have_larger_errors(data):
    errors = [error(data, size=size) / data.var() for size in (1, 2, 3, 6)]
    assert errors == sorted(errors) and errors[0] < 1e-3 and errors[-1] < 0.5
    for size, parts in ((1, 6), (2, 3), (4, 2), (6, 1), (8, 1)):
        codes, centroids, decoder = quantize(data, size)
        assert codes.shape == (len(data), parts) and codes.dtype == "uint8"
        assert centroids.shape == (parts, 256, size) and decoder.shape == (parts * size, 6)


def test_the_metric_is_what_errors_are_measured_with(data):
    weights = numpy.random.default_rng(2).normal(size=(6, 2)).astype("float32")
    metric = weights @ weights.T
    assert error(data, weights, size=3, metric=metric) < 0.2 * error(data, weights, size=3)
    # A metric that knows nothing is the Euclidean one.
    no_weights = numpy.zeros((6, 6), dtype="float32")
    assert error(data, size=3, metric=no_weights) == pytest.approx(error(data, size=3), rel=0.05)


@pytest.mark.parametrize("n_rows", [0, 1, 7, 256])
def test_few_vectors_are_kept(n_rows, data):
    assert_allclose(dequantize(*quantize(data[:n_rows], 2)), data[:n_rows], atol=1e-4)


def test_groups_have_products_of_about_the_same_size():
    variances = numpy.asarray([64.0, 1.0, 2.0, 32.0])
    groups = balanced(variances, 2).reshape(-1, 2)
    assert {tuple(sorted(group)) for group in groups.tolist()} == {(0, 1), (2, 3)}
    # Five dimensions need three groups of two, with one empty place.
    assert sorted(balanced(numpy.ones(5), 2).tolist()) == [0, 1, 2, 3, 4, 5]


def test_each_point_gets_the_nearest_centroid(data):
    points = data[:, :2]
    centroids = k_means(points, numpy.random.default_rng(0))
    distances = numpy.square(points[:, None] - centroids).sum(axis=2)
    found = nearest(points, centroids, batch_size=1000)
    best = distances.min(axis=1)
    assert_allclose(distances[numpy.arange(len(data)), found], best, atol=1e-4)
    spread = points.var(axis=0).sum()
    assert best.mean() < 0.02 * spread


def test_a_vector_does_not_depend_on_the_others(rng):
    quantized = quantize(rng.normal(size=(300, 150)).astype("float32"), 4)
    every = dequantize(*quantized)
    for n_rows in (1, 2, 3, 5, 17):
        for start in range(0, 60, n_rows):
            codes = quantized.codes[start : start + n_rows]
            found = dequantize(codes, quantized.centroids, quantized.decoder)
            assert_array_equal(found, every[start : start + n_rows])
