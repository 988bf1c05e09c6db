"""The forward-backward recursion over a packed batch, in two arithmetics with one interface.

`scaled_trellis` works on probabilities, rescaled at each step (Rabiner 1989, "A Tutorial on Hidden
Markov Models"), so that a step is one matrix product; in float64 it is exact as long as competing
scores lie within some hundreds of nats. `log_trellis` works on logarithms at any distance and costs
(tags x tags) exponentials a token; it is used where the first one says that it cannot be trusted.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Optional, Protocol, Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import Floats1d, Floats2d, Floats3d, Ints1d

from .packing import Packing, sum_by_sequence

# Weights below 1e-307 are rounded to nothing. As long as no weight is multiplied by more than this
# on its way to a probability, nothing that counts was lost.
LARGEST_FACTOR = 1e290


@dataclass(frozen=True)
class Trellis:
    """Forward and backward weights of a packed batch, all arrays float64.

    The joint probability of the tags i, j at a packed row r and the row before is
    `before[r, i] * links[i, j] * after[r, j]`, up to the arithmetic's own form of it.

    packing (Packing): The batch's order.
    log_partition (Floats1d): (sequences,) -inf where no tag sequence is possible.
    forward (Floats2d): (tokens, tags) weight of all beginnings that end in a tag at a token.
    backward (Floats2d): (tokens, tags) weight of all continuations of a tag at a token.
    links (Floats2d): (tags, tags) transition weights.
    arrivals (Floats2d): (tokens, tags) backward weight joined with the token's own weight.
    logarithmic (bool): Whether the weights are logarithms.
    """

    packing: Packing
    log_partition: Floats1d
    forward: Floats2d
    backward: Floats2d
    links: Floats2d
    arrivals: Floats2d
    logarithmic: bool

    def unary(self) -> Floats2d:
        """RETURNS (Floats2d): (tokens, tags) packed probabilities of each tag."""
        if not self.logarithmic:
            return self.forward * self.backward
        return self._xp.exp(self.forward + self.backward - self._partition_rows()[:, None])

    def pairwise(self) -> Floats3d:
        """RETURNS (Floats3d): (tokens - sequences, tags, tags) packed probabilities of each pair of
        neighbouring tags, from the second step on."""
        before, after = self._neighbours()
        if not self.logarithmic:
            return before[:, :, None] * self.links * after[:, None, :]
        partition = self._partition_rows()[self.packing.first.stop :, None, None]
        return self._xp.exp(before[:, :, None] + self.links + after[:, None, :] - partition)

    def pair_probability(self, before: Ints1d, here: Ints1d, i: Ints1d, j: Ints1d) -> Floats1d:
        """RETURNS (Floats1d): (pairs,) the probabilities of the tags i, j at single pairs of
        neighbouring packed rows."""
        parts = self.forward[before, i], self.links[i, j], self.arrivals[here, j]
        if not self.logarithmic:
            return parts[0] * parts[1] * parts[2]
        return self._xp.exp(sum(parts) - self._partition_rows()[here])

    def transition_counts(self, weights: Floats1d) -> Floats2d:
        """Sum the probabilities of neighbouring tags over the batch.

        weights (Floats1d): (tokens,) what each packed row counts.
        RETURNS (Floats2d): (tags, tags) expected transitions.
        """
        later = weights[self.packing.first.stop :]
        if self.logarithmic:
            return (self.pairwise() * later[:, None, None]).sum(axis=0)
        before, after = self._neighbours()
        return (before.T @ (after * later[:, None])) * self.links

    def expected_transition_scores(self, scores: Floats2d) -> Floats1d:
        """Weigh transition scores by the probabilities of the pairs.

        scores (Floats2d): (tags, tags), finite.
        RETURNS (Floats1d): (tokens - sequences,) the expected score at each packed row from the
            second step on.
        """
        if self.logarithmic:
            return (self.pairwise() * scores).sum(axis=(1, 2))
        before, after = self._neighbours()
        return ((before @ (self.links * scores)) * after).sum(axis=1)

    def conditional_counts(self, weights: Floats2d) -> Tuple[Floats2d, Floats2d]:
        """Expect tags and pairs of tags, given one token's tag, summed over all that are given.

        weights (Floats2d): (tokens, tags) packed, what each tag counts as the one that is given; 0
            where it is impossible.
        RETURNS (Tuple[Floats2d, Floats2d]): (tokens, tags) packed, and (tags, tags).
        """
        xp = get_array_module(weights)
        packing, n_first = self.packing, self.packing.first.stop
        unary = self.unary()
        reached = xp.where(unary > 0, unary, 1)
        # The weights of tokens up to each token, and of tokens from it on, carried to it by
        # p(tag | tag before) and by p(tag before | tag).
        before, after = weights.copy(), weights.copy()
        steps = list(packing.steps())
        if self.logarithmic:
            pairs = self.pairwise()
            onward = pairs / reached[packing.previous][:, :, None]
            back = pairs / reached[n_first:][:, None, :]
            for step, previous in steps:
                links = onward[step.start - n_first : step.stop - n_first]
                before[step] += (before[previous][:, :, None] * links).sum(axis=1)
            for step, previous in reversed(steps):
                links = back[step.start - n_first : step.stop - n_first]
                after[previous] += (after[step][:, None, :] * links).sum(axis=2)
            transitions = (before[packing.previous][:, :, None] * onward).sum(axis=0)
            transitions += (after[n_first:][:, None, :] * back).sum(axis=0)
            return before + after - weights, transitions
        # The same without an array of pairs for each token.
        to_come = xp.where(self.backward > 0, self.backward, 1)
        share = self.arrivals / reached
        for step, previous in steps:
            before[step] += ((before[previous] / to_come[previous]) @ self.links) * (
                self.arrivals[step]
            )
        for step, previous in reversed(steps):
            after[previous] += ((after[step] * share[step]) @ self.links.T) * self.forward[previous]
        forward, arrivals = self._neighbours()
        leaving = (before / to_come)[packing.previous]
        transitions = leaving.T @ arrivals + forward.T @ (after * share)[n_first:]
        return before + after - weights, transitions * self.links

    @property
    def _xp(self):
        return get_array_module(self.forward)

    def _neighbours(self):
        return self.forward[self.packing.previous], self.arrivals[self.packing.first.stop :]

    def _partition_rows(self) -> Floats1d:
        rows = self.log_partition[self.packing.sequences]
        return self._xp.where(self._xp.isfinite(rows), rows, self._xp.inf)


class TokenProbabilities(Protocol):
    """Probabilities of single tags and of pairs, in the order of a ragged batch."""

    def unary(self) -> Floats2d:
        """RETURNS (Floats2d): (tokens, tags) probabilities of each tag, float64."""
        ...

    def pair_probability(self, rows: Ints1d, before: Ints1d, tags: Ints1d) -> Floats1d:
        """RETURNS (Floats1d): (pairs,) probabilities of tags at rows and at the rows before."""
        ...


@dataclass(frozen=True)
class RaggedTrellis(TokenProbabilities):
    """The weights of `Trellis` in the order of a ragged batch, as a kernel computes them."""

    forward: Floats2d
    backward: Floats2d
    arrivals: Floats2d
    links: Floats2d

    def unary(self) -> Floats2d:
        return self.forward * self.backward

    def pair_probability(self, rows: Ints1d, before: Ints1d, tags: Ints1d) -> Floats1d:
        arriving = self.forward[rows - 1, before] * self.links[before, tags]
        return arriving * self.arrivals[rows, tags]


@dataclass(frozen=True)
class PackedTrellis(TokenProbabilities):
    """A packed trellis, read in the order of the ragged batch."""

    trellis: Trellis

    @cached_property
    def packed_rows(self) -> Ints1d:
        """(tokens,) The packed row of each row of the batch."""
        return get_array_module(self.trellis.forward).argsort(self.trellis.packing.rows)

    def unary(self) -> Floats2d:
        return self.trellis.unary()[self.packed_rows]

    def pair_probability(self, rows: Ints1d, before: Ints1d, tags: Ints1d) -> Floats1d:
        here, previous = self.packed_rows[rows], self.packed_rows[rows - 1]
        return self.trellis.pair_probability(previous, here, before, tags)


def scaled_trellis(
    emissions: Floats2d, transitions: Floats2d, packing: Packing, n_sequences: int
) -> Optional[Trellis]:
    """Run forward-backward on rescaled probabilities.

    emissions (Floats2d): (tokens, tags) packed scores with start and end scores added in, float64.
    transitions (Floats2d): (tags, tags), float64.
    packing (Packing): The batch's order.
    n_sequences (int): Sequences in the batch, empty ones included.
    RETURNS (Optional[Trellis]): The trellis, or None where this arithmetic cannot be trusted.
    """
    xp = get_array_module(emissions)
    peak = emissions.max(axis=1)
    link_peak = transitions.max()
    if not (xp.isfinite(peak).all() and xp.isfinite(link_peak)):
        return None
    weights = xp.exp(emissions - peak[:, None])
    links = xp.exp(transitions - link_peak)
    forward = xp.empty_like(weights)
    scale = xp.empty_like(peak)
    first = packing.first
    forward[first] = weights[first]
    scale[first] = forward[first].sum(axis=1)
    forward[first] /= scale[first][:, None]
    for step, before in packing.steps():
        arriving = forward[before] @ links
        arriving *= weights[step]
        total = arriving.sum(axis=1)
        scale[step] = total
        total[total == 0] = 1
        xp.divide(arriving, total[:, None], out=forward[step])
    if not scale.all():
        return None
    backward = xp.ones_like(weights)
    with numpy.errstate(over="ignore", invalid="ignore"):
        weights /= scale[:, None]
        for step, before in reversed(list(packing.steps())):
            weights[step] *= backward[step]
            xp.matmul(weights[step], links.T, out=backward[before])
        weights[first] *= backward[first]
        factors = backward.max(axis=1) / scale
    if not (factors < LARGEST_FACTOR).all():
        return None
    steps = xp.log(scale) + peak
    steps[first.stop :] += link_peak
    log_partition = sum_by_sequence(steps, packing.sequences, n_sequences)
    return Trellis(packing, log_partition, forward, backward, links, weights, False)


def log_trellis(
    emissions: Floats2d, transitions: Floats2d, packing: Packing, n_sequences: int
) -> Trellis:
    """Run forward-backward on logarithms: exact at any distance between scores.

    Takes what `scaled_trellis` takes. RETURNS (Trellis): The trellis.
    """
    xp = get_array_module(emissions)
    forward = emissions.copy()
    for step, before in packing.steps():
        forward[step] += log_sum_exp(forward[before][:, :, None] + transitions, axis=1)
    backward = xp.zeros_like(emissions)
    arrivals = emissions.copy()
    for step, before in reversed(list(packing.steps())):
        arrivals[step] += backward[step]
        backward[before] = log_sum_exp(transitions + arrivals[step][:, None, :], axis=2)
    first = packing.first
    arrivals[first] += backward[first]
    log_partition = xp.zeros(n_sequences, dtype="float64")
    log_partition[packing.sequences[first]] = log_sum_exp(arrivals[first], axis=1)
    return Trellis(packing, log_partition, forward, backward, transitions, arrivals, True)


def log_sum_exp(scores, axis: int):
    """RETURNS (FloatsXd): `log(sum(exp(scores)))` along an axis; -inf for rows of nothing else."""
    xp = get_array_module(scores)
    peak = scores.max(axis=axis, keepdims=True)
    peak = xp.where(xp.isfinite(peak), peak, 0)
    total = xp.exp(scores - peak).sum(axis=axis)
    with_mass = total > 0
    return xp.where(with_mass, xp.log(xp.where(with_mass, total, 1)) + peak.squeeze(axis), -xp.inf)
