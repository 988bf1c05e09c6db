"""One vector for each word: from its contexts, from its written form, or from both."""

from typing import Iterator

import numpy
from thinc.types import Floats1d, Floats2d, Ints1d


def contextual_from_isolated(
    isolated: Floats2d, means: Floats2d, counts: Ints1d, ridge: float = 0.01
) -> None:
    """Map the encodings of words that stand alone to their expected means over contexts.

    The map is the best linear one for the words of the text, as in Khodak et al. 2018, "A La Carte
    Embedding", for n-grams and rare words. The encoding of a word alone is of another kind, and
    cannot be mixed or compared with the mean over contexts.

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
    for block in blocks(len(means)):
        inputs = own[block] - center
        weighted = (inputs * weights[block, None]).T
        squares += weighted @ inputs
        products += weighted @ (means[block] - target)
    # Words that all have one encoding leave nothing to map: the deviations from the mean are zero.
    penalty = ridge * numpy.trace(squares) / width or 1.0
    mapping = numpy.linalg.solve(squares + penalty * numpy.eye(width), products)
    for block in blocks(len(isolated)):
        isolated[block] = (isolated[block] - center) @ mapping + target


def blend(expected: Floats2d, means: Floats2d, counts: Ints1d, prior: float) -> None:
    """Average each word's contexts with the vector that its written form lets expect.

    expected (Floats2d): Expected vectors, (words, width) float32; replaced in place. The text's
        words come first.
    means (Floats2d): Means over contexts of the text's words, (text words, width).
    counts (Ints1d): Their counts, (text words,).
    prior (float): The number of contexts that the expected vector counts for.
    """
    for block in blocks(len(means)):
        count = counts[block, None].astype("float64")
        expected[block] = (count * means[block] + prior * expected[block]) / (count + prior)


def weighted_mean(vectors: Floats2d, weights: Floats1d) -> Floats1d:
    """RETURNS (Floats1d): The weighted mean of vectors (rows, width), in float64 (width,)."""
    total = numpy.zeros(vectors.shape[1])
    for block in blocks(len(vectors)):
        total += weights[block] @ vectors[block].astype("float64")
    return total / weights.sum()


def blocks(n_rows: int, size: int = 8192) -> Iterator[slice]:
    """YIELDS (slice): Blocks of rows, so that a table is in float64 only in part."""
    return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))
