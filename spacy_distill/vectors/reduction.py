"""Reduce the dimensions of word vectors to scaled principal components."""

import numpy
from thinc.types import Floats1d, Floats2d

from .blending import blocks, weighted_mean

# The root mean square of the values of the vectors. GloVe's vectors with 50 dimensions have 0.6 to
# 0.7, and the student's first LSTM is initialized for inputs of about this size.
SCALE = 0.6
# The strength of whitening: 0 keeps the standard deviations of the components, 1 makes them equal.
# The first components of a transformer have a much larger variance than those that distinguish
# words (Mu, Viswanath 2018, "All-but-the-Top"). Removing them made results worse.
WHITENING = 0.5


def reduce_dimensions(
    vectors: Floats2d,
    weights: Floats1d,
    dim: int,
    *,
    scale: float = SCALE,
    whitening: float = WHITENING,
) -> Floats2d:
    """Project vectors on their first principal components.

    vectors (Floats2d): (words, width) float32, the word vectors.
    weights (Floats1d): (words,), the words' weights for the mean, components and scale.
    dim (int): The number of components to keep.
    scale (float): The weighted root mean square of the values of the result.
    whitening (float): Each component is divided by its standard deviation to this power.
    RETURNS (Floats2d): (words, dim) float32, the centred vectors.
    RAISES (ValueError): There are fewer words or dimensions than `dim`.
    """
    if not 1 <= dim <= min(vectors.shape):
        raise ValueError(
            f"[D622] {len(vectors)} words with vectors of {vectors.shape[1]} dimensions cannot be "
            f"reduced to {dim} dimensions. Choose fewer dimensions (--dim), or provide more text "
            "or words."
        )
    weights = weights / weights.sum()
    center = weighted_mean(vectors, weights)
    covariance = numpy.zeros((vectors.shape[1], vectors.shape[1]))
    for block in blocks(len(vectors)):
        centred = vectors[block] - center
        covariance += (centred * weights[block, None]).T @ centred
    variances, components = numpy.linalg.eigh(covariance)
    components = components[:, ::-1][:, :dim]
    # The sign of an eigenvector depends on the library. Fixing it makes results reproducible.
    strongest = components[numpy.abs(components).argmax(axis=0), numpy.arange(dim)]
    components = components * numpy.where(strongest < 0, -1.0, 1.0)
    spreads = numpy.sqrt(numpy.maximum(variances[::-1][:dim], 0.0))
    # Components with a tiny standard deviation are rounding errors, which must not be scaled up.
    known = spreads > 1e-6 * max(spreads[0], numpy.linalg.norm(center))
    factors = numpy.where(known, numpy.where(known, spreads, 1.0) ** -whitening, 0.0)
    size = numpy.sqrt(((spreads * factors) ** 2).mean())
    components = components * factors * (scale / size if size else 1.0)
    reduced = numpy.empty((len(vectors), dim), dtype="float32")
    for block in blocks(len(vectors)):
        reduced[block] = (vectors[block] - center) @ components
    return reduced
