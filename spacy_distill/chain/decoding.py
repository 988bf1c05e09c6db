"""Decode the best tag sequences of a packed batch: Viterbi 1967, and its k-best form."""

from typing import Callable, Optional, Tuple

import numpy
from thinc.api import get_array_module, to_numpy
from thinc.types import ArrayXd, Floats2d, Floats3d, Ints1d, Ints2d

from .biluo import PREFIXES, constraints
from .packing import Packing

# With fewer labels, one maximum over all pairs of tags is faster than skipping the impossible ones.
MIN_LABELS = 6


def viterbi(emissions: Floats2d, transitions: Floats2d, packing: Packing) -> Ints1d:
    """Find the best tag sequence of each sequence in a batch.

    emissions (Floats2d): (tokens, tags) packed scores, with start and end scores added.
    transitions (Floats2d): (tags, tags), from row to column.
    packing (Packing): The order of the batch.
    RETURNS (Ints1d): (tokens,) packed tag ids, int64.
    """
    xp = get_array_module(emissions)
    # (tags, tokens): the sequences of a step are contiguous, which makes the operations fast
    best = emissions.T.copy(order="C")
    find_arrivals = _best_arrivals(transitions)
    for step, before in packing.steps():
        at_step = best[:, step]
        at_step += find_arrivals(best[:, before])
        # Only differences matter. Scores relative to the peak stay small in long documents.
        peak = at_step.max(axis=0)
        at_step -= xp.where(xp.isfinite(peak), peak, 0)
    best, transitions = to_numpy(best), to_numpy(transitions)
    tags = best.argmax(axis=0)
    for step, before in reversed(list(packing.steps())):
        tags[before] = (best[:, before] + transitions[:, tags[step]]).argmax(axis=0)
    return xp.asarray(tags)


def _best_arrivals(transitions: Floats2d) -> Callable[[Floats2d], Floats2d]:
    """Create the function that takes the best scores of a step, (tags, sequences), to the best
    score of reaching each tag at the next step."""
    xp = get_array_module(transitions)
    n_labels, rest = divmod(len(transitions) - 1, len(PREFIXES))
    is_biluo = n_labels >= MIN_LABELS and not rest
    if is_biluo:
        excluded = xp.asarray(numpy.isinf(constraints(n_labels)[1]))
        is_biluo = bool(xp.isinf(transitions[excluded]).all())
    if not is_biluo:
        return lambda scores: (scores[:, None] + transitions[:, :, None]).max(axis=0)
    # In BILUO, O, B and U follow O, L and U; I-X and L-X follow B-X and I-X. The other pairs, about
    # three quarters of all, are impossible and are skipped.
    prefix = numpy.arange(len(transitions) - 1) % len(PREFIXES)
    opening = numpy.append(True, numpy.isin(prefix, (0, 3))).nonzero()[0]
    closing = numpy.append(True, numpy.isin(prefix, (2, 3))).nonzero()[0]
    outer = transitions[numpy.ix_(closing, opening)][:, :, None]
    first = numpy.arange(1, len(transitions), len(PREFIXES))
    # (B or I, I or L, labels, 1)
    pairs = [transitions[first + i, first + j] for i in (0, 1) for j in (1, 2)]
    inner = xp.stack(pairs).reshape(2, 2, n_labels, 1)

    def find_arrivals(scores: Floats2d) -> Floats2d:
        reached = xp.empty_like(scores)
        reached[opening] = (scores[closing][:, None] + outer).max(axis=0)
        by_label = scores[1:].reshape(n_labels, len(PREFIXES), -1)
        for index in (0, 1):
            from_begin, from_inside = (by_label[:, i] + inner[i, index] for i in (0, 1))
            reached[2 + index :: len(PREFIXES)] = xp.maximum(from_begin, from_inside)
        return reached

    return find_arrivals


def k_best(
    emissions: Floats2d,
    transitions: Floats2d,
    packing: Packing,
    k: int,
    n_sequences: int,
    known: Optional[ArrayXd] = None,
) -> Tuple[Ints2d, Floats2d]:
    """Find the k best tag sequences of each sequence in a batch, the best one first.

    Of tag sequences that have the same tags at all known tokens, only the best one is returned.
    Scores are summed in float64.

    emissions, transitions, packing: The arguments of `viterbi`.
    k (int): The number of tag sequences.
    n_sequences (int): The number of sequences in the batch, empty ones included.
    known (Optional[ArrayXd]): (tokens,) packed, bool; None if all tokens are known.
    RETURNS (Tuple[Ints2d, Floats2d]): (k, tokens) packed tag ids, and (k, sequences) scores. Where
        a sequence has fewer than k possible taggings, the score is -inf and the tags are arbitrary.
    """
    xp = get_array_module(emissions)
    n_tokens, size = emissions.shape
    emissions = emissions.astype("float64")
    # A prefix is a tagging of a sequence's tokens up to some row.
    # best[r, t, i]: the score of the i-th best prefix that ends in tag t at packed row r.
    # sources[r, t * k + i]: the index, t * k + i, of the prefix of the row before that it extends.
    best = xp.full((n_tokens, size, k), -xp.inf)
    best[:, :, 0] = emissions
    sources = xp.zeros((n_tokens, size * k), dtype="int64")
    # groups[r, t * k + i]: prefixes of a row that are in the same group have the same tags at known
    # tokens. A group has several prefixes only if the row's token is unknown.
    unknown = None if known is None or known.all() else ~known
    groups = xp.zeros((0, 0), dtype="int64")
    if unknown is not None:
        groups = xp.tile(xp.arange(size * k), (n_tokens, 1))
        groups[unknown] = 0
    for step, before in packing.steps():
        prefixes = best[before]
        arriving = prefixes[:, None, :, :] + transitions.T[None, :, :, None]
        arriving = arriving.reshape(len(prefixes), size, size * k)
        if unknown is not None:
            rows = xp.flatnonzero(unknown[before])
            arriving[rows] = _best_of_groups(arriving[rows], groups[before][rows])
        chosen = xp.argsort(-arriving, axis=2, kind="stable")[:, :, :k]
        best[step] = xp.take_along_axis(arriving, chosen, axis=2) + emissions[step][:, :, None]
        sources[step] = chosen.reshape(-1, size * k)
        if unknown is not None:
            inherited = xp.take_along_axis(groups[before], sources[step], axis=1)
            groups[step] = xp.where(unknown[step][:, None], inherited, groups[step])
    last = packing.last
    finals = best[last].reshape(len(last), 1, size * k)
    if unknown is not None:
        rows = xp.flatnonzero(unknown[last])
        finals[rows] = _best_of_groups(finals[rows], groups[last][rows])
    finals, sources = to_numpy(finals[:, 0]), to_numpy(sources)
    scores = numpy.full((k, n_sequences), -numpy.inf)
    scores[0, :] = 0.0
    cells = numpy.zeros((n_tokens, k), dtype="int64")
    cells[last] = numpy.argsort(-finals, axis=1, kind="stable")[:, :k]
    scores[:, to_numpy(packing.sequences)[last]] = numpy.take_along_axis(
        finals, cells[last], axis=1
    ).T
    for step, before in reversed(list(packing.steps())):
        cells[before] = numpy.take_along_axis(sources[step], cells[step], axis=1)
    tags = (cells // k).T
    return xp.asarray(numpy.ascontiguousarray(tags)), xp.asarray(scores)


def _best_of_groups(scores: Floats3d, groups: Ints2d) -> Floats3d:
    """RETURNS (Floats3d): (sequences, tags, prefixes) scores, -inf for all but the best prefix of
    each group."""
    xp = get_array_module(scores)
    order = xp.argsort(-scores, axis=2, kind="stable")
    groups = xp.take_along_axis(xp.broadcast_to(groups[:, None], scores.shape), order, axis=2)
    # Sort the prefixes by group, the best one of each group first.
    grouped = xp.argsort(groups, axis=2, kind="stable")
    groups = xp.take_along_axis(groups, grouped, axis=2)
    order = xp.take_along_axis(order, grouped, axis=2)
    values = xp.take_along_axis(scores, order, axis=2)
    values[:, :, 1:][groups[:, :, 1:] == groups[:, :, :-1]] = -xp.inf
    return xp.take_along_axis(values, xp.argsort(order, axis=2), axis=2)
