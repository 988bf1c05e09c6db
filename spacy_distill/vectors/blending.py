"""A word's one vector, of what is known of it: its contexts, its written form, or both."""

import numpy
from thinc.types import Floats1d, Floats2d, Ints1d

# Rows that are worked on at once in float64.
BLOCK = 8192


def contextual_from_isolated(
    isolated: Floats2d, means: Floats2d, counts: Ints1d, ridge: float = 0.01
) -> None:
    """Turn the encodings of words that stand alone into what their means over contexts are likely
    to be: by the linear map that does it best for the words of the text, as Khodak et al. 2018, "A
    La Carte Embedding", do for n-grams and rare words. Alone, a word has an encoding of another
    kind, which the mean over contexts cannot be mixed or compared with.

    isolated (Floats2d): Isolated encodings, (words, width) float32; replaced in place. The text's
        words come first.
    means (Floats2d): Means over contexts of the text's words, (text words, width).
    counts (Ints1d): Their counts, (text words,); words weigh by the logarithm.
    ridge (float): Penalty on the map, as a share of the mean variance of the encodings.
    """
    weights = numpy.log1p(counts)
    if not weights.sum() > 0:
        return
    width = isolated.shape[1]
    own = isolated[: len(means)]
    center, target = weighted_mean(own, weights), weighted_mean(means, weights)
    squares, products = numpy.zeros((width, width)), numpy.zeros((width, width))
    for start in range(0, len(means), BLOCK):
        block = slice(start, start + BLOCK)
        inputs = own[block] - center
        weighted = (inputs * weights[block, None]).T
        squares += weighted @ inputs
        products += weighted @ (means[block] - target)
    # Words that are all alike leave nothing to map: their deviations from the mean are zero.
    penalty = ridge * numpy.trace(squares) / width or 1.0
    mapping = numpy.linalg.solve(squares + penalty * numpy.eye(width), products)
    for start in range(0, len(isolated), BLOCK):
        block = slice(start, start + BLOCK)
        isolated[block] = (isolated[block] - center) @ mapping + target


def blend(expected: Floats2d, means: Floats2d, counts: Ints1d, prior: float) -> None:
    """Average a word's contexts with what its written form lets expect.

    expected (Floats2d): Expected vectors, (words, width) float32; replaced in place. The text's
        words come first.
    means (Floats2d): Means over contexts of the text's words, (text words, width).
    counts (Ints1d): Their counts, (text words,).
    prior (float): How many contexts the expected vector counts for: a rare word leans on it.
    """
    for start in range(0, len(means), BLOCK):
        block = slice(start, min(start + BLOCK, len(means)))
        count = counts[block, None].astype("float64")
        expected[block] = (count * means[block] + prior * expected[block]) / (count + prior)


def weighted_mean(vectors: Floats2d, weights: Floats1d) -> Floats1d:
    """RETURNS (Floats1d): The weighted mean of vectors (rows, width), in float64 (width,)."""
    total = numpy.zeros(vectors.shape[1])
    for start in range(0, len(vectors), BLOCK):
        block = slice(start, start + BLOCK)
        total += weights[block] @ vectors[block].astype("float64")
    return total / weights.sum()
