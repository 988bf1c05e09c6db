"""Combine two vectors of a word: the mean over its contexts, and the encoding of the word alone."""

from typing import Iterator

import numpy
from thinc.types import Floats1d, Floats2d, Ints1d

# Rows that are computed with at once.
BLOCK_SIZE = 8192


def contextual_from_isolated(
    isolated: Floats2d, means: Floats2d, counts: Ints1d, ridge: float = 0.01
) -> None:
    """Predict the means over contexts from the encodings of isolated words.

    The prediction is a ridge regression that is fitted to the words of the text. Khodak et al.
    2018, "A La Carte Embedding", do the same for n-grams and rare words. Without this mapping, the
    two kinds of vectors could not be averaged or compared.

    isolated (Floats2d): (words, width) float32, the encodings of isolated words, with the words of
        the text first. They are replaced in place by the predictions.
    means (Floats2d): (text words, width), the means over contexts of the words of the text.
    counts (Ints1d): (text words,), the number of contexts. The weight of a word is log(1 + count).
    ridge (float): The penalty, as a share of the mean variance of the encodings.
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
    # If all words have the same encoding, the variance and so the penalty would be zero.
    penalty = ridge * numpy.trace(squares) / width or 1.0
    mapping = numpy.linalg.solve(squares + penalty * numpy.eye(width), products)
    for block in blocks(len(isolated)):
        isolated[block] = (isolated[block] - center) @ mapping + target


def blend(expected: Floats2d, means: Floats2d, counts: Ints1d, prior: float) -> None:
    """Average the mean over contexts of each word with its predicted vector.

    expected (Floats2d): (words, width) float32, the predicted vectors, with the words of the text
        first. They are replaced in place by the average.
    means (Floats2d): (text words, width), the means over contexts of the words of the text.
    counts (Ints1d): (text words,), the number of contexts.
    prior (float): The weight of the predicted vector, as a number of contexts.
    """
    for block in blocks(len(means)):
        count = counts[block, None].astype("float64")
        expected[block] = (count * means[block] + prior * expected[block]) / (count + prior)


def weighted_mean(vectors: Floats2d, weights: Floats1d) -> Floats1d:
    """RETURNS (Floats1d): (width,) float64, the weighted mean of vectors (rows, width)."""
    total = numpy.zeros(vectors.shape[1])
    for block in blocks(len(vectors)):
        total += weights[block] @ vectors[block].astype("float64")
    return total / weights.sum()


def blocks(n_rows: int) -> Iterator[slice]:
    """YIELDS (slice): Slices of rows, which are converted to float64 one at a time."""
    return (slice(start, min(start + BLOCK_SIZE, n_rows)) for start in range(0, n_rows, BLOCK_SIZE))
