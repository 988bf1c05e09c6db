"""The forward-backward recursion over a packed batch, in probability space and in log space.

`scaled_trellis` works on probabilities that are rescaled at each step (Rabiner 1989, "A Tutorial on
Hidden Markov Models"), so a step is one matrix product. In float64 it is exact if competing scores
differ by less than some hundreds of nats. `log_trellis` works on logarithms and is exact for all
scores, but computes (tags x tags) exponentials per token. It is used if `scaled_trellis` fails.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Optional, Protocol, Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import Floats1d, Floats2d, Floats3d, Ints1d

from .packing import Packing, sum_by_sequence

# Weights below 1e-307 underflow to 0. If no weight is multiplied by more than this to get a
# probability, the probabilities that are lost are negligible.
LARGEST_FACTOR = 1e290


@dataclass(frozen=True)
class Trellis:
    """Forward and backward weights of a packed batch, all arrays float64.

    The joint probability of tag i at the token before a packed row r and tag j at r is
    `forward[before r, i] * links[i, j] * arrivals[r, j]`. Logarithms are added instead, and the log
    partition is subtracted.

    packing (Packing): The order of the batch.
    log_partition (Floats1d): (sequences,) -inf where no tag sequence is possible.
    forward (Floats2d): (tokens, tags) weight of all taggings up to a token that end in a tag.
    backward (Floats2d): (tokens, tags) weight of all taggings after a token that has a tag.
    links (Floats2d): (tags, tags) transition weights.
    arrivals (Floats2d): (tokens, tags) the backward weight times the token's emission weight.
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
        """RETURNS (Floats2d): (tokens, tags) packed marginal probabilities of tags."""
        if not self.logarithmic:
            return self.forward * self.backward
        return self._xp.exp(self.forward + self.backward - self._partition_rows()[:, None])

    def pairwise(self) -> Floats3d:
        """RETURNS (Floats3d): (tokens - sequences, tags, tags) packed probabilities of pairs of
        neighbouring tags, from the second step on."""
        before, after = self._neighbours()
        if not self.logarithmic:
            return before[:, :, None] * self.links * after[:, None, :]
        partition = self._partition_rows()[self.packing.first.stop :, None, None]
        return self._xp.exp(before[:, :, None] + self.links + after[:, None, :] - partition)

    def pair_probability(self, before: Ints1d, here: Ints1d, i: Ints1d, j: Ints1d) -> Floats1d:
        """RETURNS (Floats1d): (pairs,) the joint probabilities of tag i at the packed row `before`
        and tag j at the packed row `here` after it."""
        parts = self.forward[before, i], self.links[i, j], self.arrivals[here, j]
        if not self.logarithmic:
            return parts[0] * parts[1] * parts[2]
        return self._xp.exp(sum(parts) - self._partition_rows()[here])

    def transition_counts(self, weights: Floats1d) -> Floats2d:
        """Compute the expected number of transitions between tags, summed over the batch.

        weights (Floats1d): (tokens,) the weight of each packed row.
        RETURNS (Floats2d): (tags, tags) expected counts.
        """
        later = weights[self.packing.first.stop :]
        if self.logarithmic:
            return (self.pairwise() * later[:, None, None]).sum(axis=0)
        before, after = self._neighbours()
        return (before.T @ (after * later[:, None])) * self.links

    def expected_transition_scores(self, scores: Floats2d) -> Floats1d:
        """Compute the expected transition score of each token after the first.

        scores (Floats2d): (tags, tags) transition scores, finite.
        RETURNS (Floats1d): (tokens - sequences,) the expected score at each packed row from the
            second step on.
        """
        if self.logarithmic:
            return (self.pairwise() * scores).sum(axis=(1, 2))
        before, after = self._neighbours()
        return ((before @ (self.links * scores)) * after).sum(axis=1)

    def conditional_counts(self, weights: Floats2d) -> Tuple[Floats2d, Floats2d]:
        """Compute the expected counts of tags and of pairs of tags, conditioned on the tag of one
        token. Sum them over all tokens and tags that can be the condition.

        weights (Floats2d): (tokens, tags) packed, the weight of each condition; 0 for impossible
            tags.
        RETURNS (Tuple[Floats2d, Floats2d]): The counts of tags, (tokens, tags) packed, and of
            pairs, (tags, tags).
        """
        xp = get_array_module(weights)
        packing, n_first = self.packing, self.packing.first.stop
        unary = self.unary()
        reached = xp.where(unary > 0, unary, 1)
        # `before` carries the weights of earlier conditions forward by p(tag | tag before), and
        # `after` carries those of later conditions back by p(tag before | tag).
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
        # The same as above. It avoids the (tags, tags) array of each token.
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
    """The probabilities of tags and of pairs of tags, in the order of a ragged batch."""

    def unary(self) -> Floats2d:
        """RETURNS (Floats2d): (tokens, tags) marginal probabilities of tags, float64."""
        ...

    def pair_probability(self, rows: Ints1d, before: Ints1d, tags: Ints1d) -> Floats1d:
        """RETURNS (Floats1d): (pairs,) joint probabilities of the tag `tags` at a row and the tag
        `before` at the row before it."""
        ...


@dataclass(frozen=True)
class RaggedTrellis(TokenProbabilities):
    """The weights of `Trellis` in the order of a ragged batch, computed by a kernel. The logarithms
    of the partition function are those of sequences with a token."""

    log_partition: Floats1d
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
    """A `Trellis` whose probabilities are returned in the order of the ragged batch."""

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
    """Run forward-backward on probabilities that are rescaled at each step.

    emissions (Floats2d): (tokens, tags) packed scores, with start and end scores added, float64.
    transitions (Floats2d): (tags, tags), float64.
    packing (Packing): The order of the batch.
    n_sequences (int): The number of sequences in the batch, empty ones included.
    RETURNS (Optional[Trellis]): The trellis; None if the result would not be exact.
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
    """Run forward-backward on logarithms, which is exact for all scores.

    emissions, transitions, packing, n_sequences: The arguments of `scaled_trellis`.
    RETURNS (Trellis): The trellis.
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
    """RETURNS (FloatsXd): `log(sum(exp(scores)))` along an axis; -inf where all scores are -inf."""
    xp = get_array_module(scores)
    peak = scores.max(axis=axis, keepdims=True)
    peak = xp.where(xp.isfinite(peak), peak, 0)
    total = xp.exp(scores - peak).sum(axis=axis)
    with_mass = total > 0
    return xp.where(with_mass, xp.log(xp.where(with_mass, total, 1)) + peak.squeeze(axis), -xp.inf)
