"""The best tag sequences of a packed batch: Viterbi 1967, and its k-best form."""

from typing import Callable, Optional, Tuple

import numpy
from thinc.api import get_array_module, to_numpy
from thinc.types import ArrayXd, Floats2d, Floats3d, Ints1d, Ints2d

from .biluo import PREFIXES, constraints
from .packing import Packing

# With fewer labels, looking at all pairs of tags at once takes less time than choosing among them.
MIN_LABELS = 6


def viterbi(emissions: Floats2d, transitions: Floats2d, packing: Packing) -> Ints1d:
    """Find the best tag sequence of each sequence in a batch.

    emissions (Floats2d): (tokens, tags) packed scores with start and end scores added in.
    transitions (Floats2d): (tags, tags), from row to column.
    packing (Packing): The batch's order.
    RETURNS (Ints1d): (tokens,) packed tag numbers, int64.
    """
    xp = get_array_module(emissions)
    # (tags, tokens): sequences last, so that each operation runs over all of a step at once
    best = emissions.T.copy(order="C")
    arriving_best = _best_arrivals(transitions)
    for step, before in packing.steps():
        at_step = best[:, step]
        at_step += arriving_best(best[:, before])
        # Only differences count; so scores stay small in documents of any length.
        peak = at_step.max(axis=0)
        at_step -= xp.where(xp.isfinite(peak), peak, 0)
    best, transitions = to_numpy(best), to_numpy(transitions)
    tags = best.argmax(axis=0)
    for step, before in reversed(list(packing.steps())):
        tags[before] = (best[:, before] + transitions[:, tags[step]]).argmax(axis=0)
    return xp.asarray(tags)


def _best_arrivals(transitions: Floats2d) -> Callable[[Floats2d], Floats2d]:
    """RETURNS (Callable[[Floats2d], Floats2d]): From the best scores (tags, sequences) of one step,
    the best with which each tag is reached at the next one."""
    xp = get_array_module(transitions)
    n_labels, rest = divmod(len(transitions) - 1, len(PREFIXES))
    is_biluo = n_labels >= MIN_LABELS and not rest
    if is_biluo:
        excluded = xp.asarray(numpy.isinf(constraints(n_labels)[1]))
        is_biluo = bool(xp.isinf(transitions[excluded]).all())
    if not is_biluo:
        return lambda scores: (scores[:, None] + transitions[:, :, None]).max(axis=0)
    # Of BILUO tags, O, B and U follow O, L and U; I-X and L-X follow B-X and I-X. The other pairs,
    # three of four, need not be looked at.
    prefix = numpy.arange(len(transitions) - 1) % len(PREFIXES)
    opening = numpy.append(True, numpy.isin(prefix, (0, 3))).nonzero()[0]
    closing = numpy.append(True, numpy.isin(prefix, (2, 3))).nonzero()[0]
    outer = transitions[numpy.ix_(closing, opening)][:, :, None]
    first = numpy.arange(1, len(transitions), len(PREFIXES))
    # (B or I, I or L, labels, 1)
    pairs = [transitions[first + i, first + j] for i in (0, 1) for j in (1, 2)]
    inner = xp.stack(pairs).reshape(2, 2, n_labels, 1)

    def arriving(scores: Floats2d) -> Floats2d:
        reached = xp.empty_like(scores)
        reached[opening] = (scores[closing][:, None] + outer).max(axis=0)
        by_label = scores[1:].reshape(n_labels, len(PREFIXES), -1)
        for number in (0, 1):
            goes_on = xp.maximum(
                by_label[:, 0] + inner[0, number], by_label[:, 1] + inner[1, number]
            )
            reached[2 + number :: len(PREFIXES)] = goes_on
        return reached

    return arriving


def k_best(
    emissions: Floats2d,
    transitions: Floats2d,
    packing: Packing,
    k: int,
    n_sequences: int,
    known: Optional[ArrayXd] = None,
) -> Tuple[Ints2d, Floats2d]:
    """Find the k best tag sequences of each sequence in a batch, the best one first.

    Takes what `viterbi` takes, how many sequences there are, and which tokens count: of sequences
    that have the same tags at these, only the best one is found. Scores are summed in float64.

    known (Optional[ArrayXd]): (tokens,) packed, bool; None if all tokens count.
    RETURNS (Tuple[Ints2d, Floats2d]): (k, tokens) packed tag numbers, and (k, sequences) scores:
        -inf (and tags without a meaning) where a sequence has fewer than k possible taggings.
    """
    xp = get_array_module(emissions)
    n_tokens, size = emissions.shape
    emissions = emissions.astype("float64")
    # best[r, t, i]: score of the i-th best beginning that ends in tag t at packed row r;
    # sources[r, t * k + i]: which beginning of the row before it goes on, by the same number.
    best = xp.full((n_tokens, size, k), -xp.inf)
    best[:, :, 0] = emissions
    sources = xp.zeros((n_tokens, size * k), dtype="int64")
    # groups[r, t * k + i]: beginnings of one row in the same group have the same tags at known
    # tokens. There are several in a group only where the token is unknown.
    unknown = None if known is None or known.all() else ~known
    groups = xp.zeros((0, 0), dtype="int64")
    if unknown is not None:
        groups = xp.tile(xp.arange(size * k), (n_tokens, 1))
        groups[unknown] = 0
    for step, before in packing.steps():
        beginnings = best[before]
        arriving = beginnings[:, None, :, :] + transitions.T[None, :, :, None]
        arriving = arriving.reshape(len(beginnings), size, size * k)
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
    """RETURNS (Floats3d): (sequences, tags, beginnings) scores, -inf for all but the best beginning
    of each group."""
    xp = get_array_module(scores)
    order = xp.argsort(-scores, axis=2, kind="stable")
    groups = xp.take_along_axis(xp.broadcast_to(groups[:, None], scores.shape), order, axis=2)
    # Beginnings of a group next to each other, the best one first.
    grouped = xp.argsort(groups, axis=2, kind="stable")
    groups = xp.take_along_axis(groups, grouped, axis=2)
    order = xp.take_along_axis(order, grouped, axis=2)
    values = xp.take_along_axis(scores, order, axis=2)
    values[:, :, 1:][groups[:, :, 1:] == groups[:, :, :-1]] = -xp.inf
    return xp.take_along_axis(values, xp.argsort(order, axis=2), axis=2)
