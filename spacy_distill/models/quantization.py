"""Product quantization of word vectors, in the metric of the layer that reads them."""

from typing import List, NamedTuple, Optional

import numpy
from thinc.types import ArrayXd, Floats1d, Floats2d, Ints1d, Ints2d

from ..progress import ProgressBar

# A code is a byte.
N_CENTROIDS = 256
# k-means learns from a sample of the rows. The first rows, those of the most frequent words, are
# drawn more often: their weights are 1 / (row + COMMON). A fifth fewer entities change then.
SAMPLE, COMMON, ITERATIONS = 10_000, 2000, 12
# Directions to which the layer does not react keep this share of the mean weight.
RIDGE = 1e-3


class Quantized(NamedTuple):
    """Quantized vectors. A vector is cut into parts, and a part is replaced with one of 256.

    codes (Ints2d): (rows, parts) uint8, the centroid of each part.
    centroids (ArrayXd): (parts, at most 256, size) float32
    decoder (Floats2d): (parts * size, dimensions) float32, from the parts to the vector.
    """

    codes: Ints2d
    centroids: ArrayXd
    decoder: Floats2d


def quantize(data: Floats2d, size: int, metric: Optional[Floats2d] = None) -> Quantized:
    """Replace vectors with codes of 8 / `size` bits per dimension.

    This is product quantization (Jégou, Douze, Schmid 2011), rotated so that the parts are about
    equally difficult (Ge, He, Ke, Sun 2014, "Optimized Product Quantization", the parametric
    solution). Errors are measured by what they change in the layer that reads the vectors.
    Compared with plain product quantization, half as many entities change.

    data (Floats2d): (rows, dimensions) float32, the vectors of frequent words first.
    size (int): The dimensions of a part.
    metric (Optional[Floats2d]): (dimensions, dimensions) the products of the layer's weights for
        each two dimensions. None for the Euclidean metric.
    RETURNS (Quantized): The codes, and what decodes them.
    """
    n_dims = data.shape[1]
    weights = numpy.eye(n_dims) if metric is None or not metric.any() else metric.astype("float64")
    weights = weights + RIDGE * numpy.trace(weights) / n_dims * numpy.eye(n_dims)
    factor = numpy.linalg.cholesky(weights)
    moments = factor.T @ (data.T @ data / max(len(data), 1)).astype("float64") @ factor
    variances, rotation = numpy.linalg.eigh(moments)
    encoder = (factor @ rotation).astype("float32")
    order = balanced(variances, size)
    # The columns of all parts. The last ones can be empty.
    is_used = order < n_dims
    columns = numpy.zeros((len(data), len(order)), dtype="float32")
    columns[:, is_used] = data @ encoder[:, order[is_used]]
    decoder = numpy.zeros((len(order), n_dims), dtype="float32")
    decoder[is_used] = numpy.linalg.inv(factor @ rotation)[order[is_used]]
    rng = numpy.random.default_rng(0)
    codes, centroids = [], []
    with ProgressBar(desc="Quantize", total=len(order) // size, unit="part") as bar:
        for start in range(0, len(order), size):
            part = numpy.ascontiguousarray(columns[:, start : start + size])
            centroids.append(k_means(part, rng))
            codes.append(nearest(part, centroids[-1]).astype("uint8"))
            bar.update()
    return Quantized(numpy.stack(codes, axis=1), numpy.stack(centroids), decoder)


def dequantize(codes: Ints2d, centroids: ArrayXd, decoder: Floats2d) -> Floats2d:
    """Compute the vectors of codes. The sums of a matrix product depend on the rows next to a row.
    In double precision, this is lost in the rounding: a word has the same vector in every batch.

    codes (Ints2d): (rows, parts) uint8
    centroids (ArrayXd), decoder (Floats2d): As in `Quantized`.
    RETURNS (Floats2d): (rows, dimensions) float32
    """
    parts = centroids[numpy.arange(codes.shape[1]), codes]
    rows = parts.reshape(len(codes), len(decoder)).astype("float64")
    return (rows @ decoder.astype("float64")).astype("float32")


def balanced(variances: Floats1d, size: int) -> Ints1d:
    """Group dimensions so that the products of the groups' variances are about equal.

    variances (Floats1d): (dimensions,)
    size (int): The dimensions of a group.
    RETURNS (Ints1d): The dimensions in the order of the groups. Numbers from `len(variances)` on
        fill the last places.
    """
    n_groups = -(-len(variances) // size)
    logarithms = numpy.log(numpy.maximum(variances, 1e-12))
    lowest = logarithms.min(initial=0)
    groups: List[List[int]] = [[] for _ in range(n_groups)]
    sums = numpy.zeros(n_groups)
    order = [*numpy.argsort(-variances), *range(len(variances), n_groups * size)]
    for dim in order:
        open_groups = [g for g in range(n_groups) if len(groups[g]) < size]
        group = min(open_groups, key=sums.__getitem__)
        groups[group].append(dim)
        # Not negative, so a group with more dimensions has a greater sum.
        sums[group] += logarithms[dim] - lowest if dim < len(variances) else 0
    return numpy.concatenate(groups).astype("int64")


def k_means(points: Floats2d, rng: numpy.random.Generator) -> Floats2d:
    """Find centroids by Lloyd's algorithm on a sample of the points.

    points (Floats2d): (points, size)
    rng (Generator): Draws the sample.
    RETURNS (Floats2d): (at most N_CENTROIDS, size) float32; all points if there are no more.
    """
    if len(points) <= N_CENTROIDS:
        return points.copy()
    weights = 1 / (numpy.arange(len(points)) + COMMON)
    sample = points[rng.choice(len(points), min(SAMPLE, len(points)), p=weights / weights.sum())]
    centroids = sample[:N_CENTROIDS].copy()
    for _ in range(ITERATIONS):
        owner = nearest(sample, centroids)
        counts = numpy.bincount(owner, minlength=N_CENTROIDS)
        sums = [numpy.bincount(owner, column, N_CENTROIDS) for column in sample.T]
        is_used = counts > 0
        centroids[is_used] = numpy.stack(sums, axis=1)[is_used] / counts[is_used, None]
        centroids[~is_used] = rng.choice(sample, N_CENTROIDS - is_used.sum())
    return centroids


def nearest(points: Floats2d, centroids: Floats2d, batch_size: int = 4096) -> Ints1d:
    """Find the nearest centroid of each point.

    points (Floats2d): (points, size)
    centroids (Floats2d): (centroids, size)
    batch_size (int): The number of points compared at once.
    RETURNS (Ints1d): (points,) int64
    """
    found = numpy.zeros(len(points), dtype="int64")
    halves = (centroids**2).sum(axis=1) / 2
    for start in range(0, len(points), batch_size):
        batch = points[start : start + batch_size]
        found[start : start + batch_size] = (batch @ centroids.T - halves).argmax(axis=1)
    return found
