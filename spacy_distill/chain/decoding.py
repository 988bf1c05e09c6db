"""The best tag sequences of a packed batch: Viterbi 1967, and its k-best form."""

from typing import Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import Floats2d, Ints1d, Ints2d

from .packing import Packing


def viterbi(emissions: Floats2d, transitions: Floats2d, packing: Packing) -> Ints1d:
    """Find the best tag sequence of each sequence in a batch.

    emissions (Floats2d): (tokens, tags) packed scores with start and end scores added in.
    transitions (Floats2d): (tags, tags), from row to column.
    packing (Packing): The batch's order.
    RETURNS (Ints1d): (tokens,) packed tag numbers, int64.
    """
    xp = get_array_module(emissions)
    sources = xp.zeros(emissions.shape, dtype="int16")
    best = emissions.copy()
    arriving_from = xp.ascontiguousarray(transitions.T)
    for step, before in packing.steps():
        # (sequences, tag, tag before): the tag before is last, where reductions are fastest
        arriving = best[before][:, None, :] + arriving_from
        sources[step] = arriving.argmax(axis=2)
        best[step] += arriving.max(axis=2)
        # Only differences count; so scores stay small in documents of any length.
        best[step] -= _finite(best[step].max(axis=1, keepdims=True))
    sources, best = _to_numpy(sources), _to_numpy(best)
    tags = best.argmax(axis=1)
    for step, before in reversed(list(packing.steps())):
        tags[before] = numpy.take_along_axis(sources[step], tags[step][:, None], axis=1)[:, 0]
    return xp.asarray(tags)


def k_best(
    emissions: Floats2d, transitions: Floats2d, packing: Packing, k: int, n_sequences: int
) -> Tuple[Ints2d, Floats2d]:
    """Find the k best tag sequences of each sequence in a batch, the best one first.

    Takes what `viterbi` takes, and how many sequences there are. Scores are summed in float64.
    RETURNS (Tuple[Ints2d, Floats2d]): (k, tokens) packed tag numbers, and (k, sequences) scores:
        -inf (and tags without a meaning) where a sequence has fewer than k possible taggings.
    """
    xp = get_array_module(emissions)
    n_tokens, size = emissions.shape
    emissions = emissions.astype("float64")
    # best[r, t, i]: score of the i-th best beginning that ends in tag t at packed row r;
    # sources[r, t, i]: which (tag, rank) of the row before it comes from, as tag * k + rank.
    best = xp.full((n_tokens, size, k), -xp.inf)
    best[:, :, 0] = emissions
    sources = xp.zeros((n_tokens, size, k), dtype="int64")
    for step, before in packing.steps():
        beginnings = best[before]
        arriving = beginnings[:, None, :, :] + transitions.T[None, :, :, None]
        arriving = arriving.reshape(len(beginnings), size, size * k)
        chosen = xp.argsort(-arriving, axis=2, kind="stable")[:, :, :k]
        sources[step] = chosen
        best[step] = xp.take_along_axis(arriving, chosen, axis=2) + emissions[step][:, :, None]
    best, sources = _to_numpy(best), _to_numpy(sources)
    scores = numpy.full((k, n_sequences), -numpy.inf)
    scores[0, :] = 0.0
    tags = numpy.zeros((k, n_tokens), dtype="int64")
    cells = numpy.zeros((n_tokens, k), dtype="int64")
    later = numpy.zeros(n_tokens, dtype=bool)
    for _, before in packing.steps():
        later[before] = True
    last = numpy.flatnonzero(~later)
    finals = best[last].reshape(len(last), size * k)
    cells[last] = numpy.argsort(-finals, axis=1, kind="stable")[:, :k]
    scores[:, _to_numpy(packing.sequences)[last]] = numpy.take_along_axis(
        finals, cells[last], axis=1
    ).T
    for step, before in reversed(list(packing.steps())):
        flat = sources[step].reshape(-1, size * k)
        cells[before] = numpy.take_along_axis(flat, cells[step], axis=1)
    tags = (cells // k).T
    return xp.asarray(numpy.ascontiguousarray(tags)), xp.asarray(scores)


def _finite(values):
    xp = get_array_module(values)
    return xp.where(xp.isfinite(values), values, 0)


def _to_numpy(array) -> numpy.ndarray:
    return array.get() if hasattr(array, "get") else array
