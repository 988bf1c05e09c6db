"""Fewer dimensions for word vectors: principal components, scaled for a student."""

import numpy
from thinc.types import Floats1d, Floats2d

from .blending import blocks, weighted_mean

# The root mean square of a vector's values. GloVe's 50 dimensions have 0.6 to 0.7, and the
# student's first LSTM is initialized for inputs of about that size.
SCALE = 0.6
# How far the components' spreads are made equal: 0 leaves them, 1 whitens. The first components of
# a transformer are much wider than those that distinguish words (Mu, Viswanath 2018, "All-but-the-
# Top"). Removing them costs more than it gains: docs/vectors.md has the measurement.
WHITENING = 0.5


def reduce_dimensions(
    vectors: Floats2d,
    weights: Floats1d,
    dim: int,
    *,
    scale: float = SCALE,
    whitening: float = WHITENING,
) -> Floats2d:
    """Project vectors on their principal components, the first one first.

    vectors (Floats2d): Word vectors, (words, width) float32.
    weights (Floats1d): How much each word counts for mean, components and scale, (words,).
    dim (int): Components to keep.
    scale (float): Root mean square of the values of the result, over the weighted words.
    whitening (float): Each component is divided by its standard deviation to this power.
    RETURNS (Floats2d): Centred vectors, (words, dim) float32.
    RAISES (ValueError): There are fewer words or dimensions than `dim`.
    """
    if not 1 <= dim <= min(vectors.shape):
        raise ValueError(
            f"[D622] {dim} dimensions cannot be had from {len(vectors)} words with vectors of "
            f"{vectors.shape[1]}. Ask for fewer (--dim), or give more text or words."
        )
    weights = weights / weights.sum()
    center = weighted_mean(vectors, weights)
    covariance = numpy.zeros((vectors.shape[1], vectors.shape[1]))
    for block in blocks(len(vectors)):
        centred = vectors[block] - center
        covariance += (centred * weights[block, None]).T @ centred
    variances, components = numpy.linalg.eigh(covariance)
    components = components[:, ::-1][:, :dim]
    # An eigenvector's sign is the library's choice. It is fixed, for the same table everywhere.
    strongest = components[numpy.abs(components).argmax(axis=0), numpy.arange(dim)]
    components = components * numpy.where(strongest < 0, -1.0, 1.0)
    spreads = numpy.sqrt(numpy.maximum(variances[::-1][:dim], 0.0))
    # Rounding errors of float32 vectors of this size must not be scaled up.
    known = spreads > 1e-6 * max(spreads[0], numpy.linalg.norm(center))
    factors = numpy.where(known, numpy.where(known, spreads, 1.0) ** -whitening, 0.0)
    size = numpy.sqrt(((spreads * factors) ** 2).mean())
    components = components * factors * (scale / size if size else 1.0)
    reduced = numpy.empty((len(vectors), dim), dtype="float32")
    for block in blocks(len(vectors)):
        reduced[block] = (vectors[block] - center) @ components
    return reduced
