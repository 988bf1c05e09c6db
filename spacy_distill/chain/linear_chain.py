"""`LinearChain`: a probability distribution over the tag sequences of a batch of sentences."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Optional, Sequence, Tuple

import numpy
from thinc.api import get_array_module, to_numpy
from thinc.types import ArrayXd, Floats1d, Floats2d, Floats3d, Ints1d, Ints2d

from ..kernels import kernels
from .decoding import k_best, viterbi
from .forward_backward import (
    LARGEST_FACTOR,
    PackedTrellis,
    RaggedTrellis,
    TokenProbabilities,
    Trellis,
    log_trellis,
    scaled_trellis,
)
from .packing import Packing, pack, sum_by_sequence


@dataclass(frozen=True, eq=False)
class ChainCounts:
    """One value for each score of a chain: expected counts of its use, or a gradient.

    emissions (Floats2d): (tokens, tags)
    transitions (Floats2d): (tags, tags), from row to column.
    start (Floats1d): (tags,)
    end (Floats1d): (tags,)
    """

    emissions: Floats2d
    transitions: Floats2d
    start: Floats1d
    end: Floats1d

    def __add__(self, other: "ChainCounts") -> "ChainCounts":
        pairs = zip(self._parts(), other._parts(), strict=True)
        return ChainCounts(*(mine + theirs for mine, theirs in pairs))

    def __mul__(self, factor: float) -> "ChainCounts":
        return ChainCounts(*(part * factor for part in self._parts()))

    def __sub__(self, other: "ChainCounts") -> "ChainCounts":
        return self + other * -1.0

    def _parts(self) -> Tuple[Floats2d, Floats2d, Floats1d, Floats1d]:
        return self.emissions, self.transitions, self.start, self.end


@dataclass(frozen=True, eq=False)
class LinearChain:
    """A linear-chain conditional random field (Lafferty, McCallum, Pereira 2001), batched.

    The score of a tag sequence is the sum of its emissions, its transitions, the start score of its
    first tag and the end score of its last tag. Its probability is the exponential of the score,
    divided by the partition function. A score of -inf means that a tag or a transition is
    impossible. Arrays are float32, of numpy or cupy; sums are computed in float64. The methods are
    named as in `pytorch-struct` (Rush 2020).

    emissions (Floats2d): (tokens, tags) scores; the tokens of the sentences are concatenated.
    lengths (Ints1d): (sequences,) tokens per sentence, zeros allowed; always a numpy array.
    transitions (Floats2d): (tags, tags) scores, from row to column.
    start (Floats1d): (tags,) scores of the first tag.
    end (Floats1d): (tags,) scores of the last tag.
    known (Optional[ArrayXd]): (tokens,) bool, False where the scores carry no information and no
        loss may use them; None if all tokens are known. Losses use it by `is_known` and `allowed`.
        No method but `topk` depends on it. Chains that are derived from this one keep it.
    """

    emissions: Floats2d
    lengths: Ints1d
    transitions: Floats2d
    start: Floats1d
    end: Floats1d
    known: Optional[ArrayXd] = None

    def __post_init__(self) -> None:
        tokens = int(numpy.sum(self.lengths))
        tags = self.emissions.shape[1]
        shapes = (self.emissions.shape, self.transitions.shape, self.start.shape, self.end.shape)
        expected = ((tokens, tags), (tags, tags), (tags,), (tags,))
        if shapes != expected:
            raise ValueError(
                "[D801] The scores of a chain do not fit together: emissions, transitions, start "
                f"and end have the shapes {shapes}, but {tokens} tokens and {tags} tags need "
                f"{expected}."
            )

    # Properties of the distribution

    @cached_property
    def log_partition(self) -> Floats1d:
        """(sequences,) The logarithm of the partition function, float64; 0 for an empty sentence,
        -inf where no tag sequence is possible."""
        return self._trellis.log_partition

    def score(self, tags: Ints1d) -> Floats1d:
        """Compute the score of one tag sequence per sentence.

        tags (Ints1d): (tokens,) tag ids.
        RETURNS (Floats1d): (sequences,) float64. The score minus `log_partition` is the
            log-probability of the tag sequence.
        """
        xp = self._xp
        packing = self._packing
        tags = xp.asarray(tags)[packing.rows]
        scores = self._emissions[xp.arange(len(tags)), tags].astype("float64")
        later = slice(packing.first.stop, None)
        scores[later] += self.transitions[tags[packing.previous], tags[later]]
        return self._sum_packed(scores)

    @cached_property
    def sequence_ids(self) -> Ints1d:
        """(tokens,) The number of each token's sentence in the batch."""
        # numpy, because some versions of cupy cannot repeat each element by its own count.
        return self._xp.asarray(numpy.repeat(numpy.arange(len(self.lengths)), self.lengths))

    def sum_per_sequence(self, values: ArrayXd) -> Floats1d:
        """Sum the values of the tokens of each sentence.

        values (ArrayXd): (tokens,) numeric or bool.
        RETURNS (Floats1d): (sequences,) float64.
        """
        return sum_by_sequence(values, self.sequence_ids, len(self.lengths))

    def marginals(self) -> Floats2d:
        """RETURNS (Floats2d): (tokens, tags) the probability of each tag at each token, float32;
        zeros in sentences without a possible sequence."""
        return self._unary.astype("float32")

    def pairwise_marginals(self) -> Floats3d:
        """RETURNS (Floats3d): (tokens, previous tags, tags) the joint probability of the tags of
        each token and the token before it, float32; zeros at first tokens."""
        xp = self._xp
        size = len(self.start)
        pairs = xp.zeros((len(self.emissions), size, size), dtype="float32")
        pairs[self._packing.rows[self._packing.first.stop :]] = self._trellis.pairwise()
        return pairs

    def expected_counts(self, weights: Optional[Floats1d] = None) -> ChainCounts:
        """Compute the expected number of times that each score is used. It is the gradient of
        `log_partition` (Eisner 2016, "Inside-Outside and Forward-Backward Algorithms Are Just
        Backprop").

        weights (Optional[Floats1d]): (sequences,) the weight of each sentence, 1 by default.
        RETURNS (ChainCounts): Expected counts, float32.
        """
        xp = self._xp
        packing = self._packing
        if weights is None:
            rows = xp.ones(len(packing.rows))
        else:
            rows = xp.asarray(weights, dtype="float64")[packing.sequences]
        unary = self._trellis.unary() * rows[:, None]
        return self._counts(unary, self._trellis.transition_counts(rows))

    def conditional_counts(self, weights: Floats2d) -> ChainCounts:
        """Compute conditional expected counts: the expected number of times that each score is used
        if a certain token has a certain tag. Sum them over all tokens and tags.

        They are needed for gradients of functions of the marginals. The gradient of `log p(tag at
        token)` is the conditional expected counts for this tag minus the expected counts.

        weights (Floats2d): (tokens, tags) the weight of each condition. Weights of impossible tags
            are ignored.
        RETURNS (ChainCounts): Weighted sums of conditional expected counts, float32.
        """
        xp = self._xp
        packing, trellis = self._packing, self._trellis
        weights = xp.where(trellis.unary() > 0, xp.asarray(weights)[packing.rows], 0)
        return self._counts(*trellis.conditional_counts(weights.astype("float64")))

    def argmax(self) -> Ints1d:
        """RETURNS (Ints1d): (tokens,) the most probable tag sequence of each sentence, int64."""
        tags = self._run_kernel("viterbi")
        if tags is None:
            tags = self._xp.empty(len(self.emissions), dtype="int64")
            tags[self._packing.rows] = viterbi(self._emissions, self.transitions, self._packing)
        return tags

    def topk(self, k: int) -> Tuple[Ints2d, Floats2d]:
        """Find the k most probable tag sequences of each sentence. Of sequences that differ at
        unknown tokens only, the most probable one is returned.

        k (int): The number of sequences.
        RETURNS (Tuple[Ints2d, Floats2d]): Tags, (k, tokens) int64, the best sequence first; and
            scores, (k, sequences) float64. Where a sentence has fewer than k possible sequences,
            the score is -inf and the tags are arbitrary. An empty sentence has one, of score 0.
        """
        xp = self._xp
        known = None if self.known is None else xp.asarray(self.known)[self._packing.rows]
        packed, scores = k_best(
            self._emissions, self.transitions, self._packing, k, len(self.lengths), known
        )
        tags = xp.empty(packed.shape, dtype="int64")
        tags[:, self._packing.rows] = packed
        return tags, scores

    def entropy(self) -> Floats1d:
        """RETURNS (Floats1d): (sequences,) entropy in nats, float64."""
        return self.cross_entropy(self)

    def cross_entropy(self, other: "LinearChain") -> Floats1d:
        """Compute the cross-entropy of another chain over the same tokens and tags: its expected
        negative log-probability under this chain (Wang et al. 2021, "Structural Knowledge
        Distillation").

        other (LinearChain): The other chain; in distillation, the student's.
        RETURNS (Floats1d): (sequences,) nats, float64; inf where a sequence that is possible in
            this chain is impossible in the other one. The gradient with respect to the other
            chain's scores is `other.expected_counts() - self.expected_counts()`.
        """
        xp = self._xp
        trellis, packing = self._trellis, self._packing
        no_tag, no_link = xp.isneginf(other._emissions), xp.isneginf(other.transitions)
        unary, later = trellis.unary(), slice(packing.first.stop, None)
        expected = (unary * xp.where(no_tag, 0, other._emissions)).sum(axis=1)
        links = xp.where(no_link, 0, other.transitions).astype("float64")
        expected[later] += trellis.expected_transition_scores(links)
        excluded = (unary * no_tag).sum(axis=1)
        excluded[later] += trellis.expected_transition_scores(no_link.astype("float64"))
        ends = self._sum_packed(excluded) > 0
        log_partition = other._trellis.log_partition
        return xp.where(ends, xp.inf, log_partition - self._sum_packed(expected))

    def kl(self, other: "LinearChain") -> Floats1d:
        """RETURNS (Floats1d): (sequences,) the Kullback-Leibler divergence `KL(self || other)` in
        nats, float64."""
        return self.cross_entropy(other) - self.entropy()

    def span_marginal(self, rows: Ints1d, tags: Ints2d) -> Floats1d:
        """Compute the probability that spans of tokens have certain tags. With the tags of an
        entity (`BiluoTags.segments`), it is the probability of this entity.

        rows (Ints1d): (spans,) the first row of each span, among the tokens of the batch.
        tags (Ints2d): (spans, longest span) tag ids, padded with -1.
        RETURNS (Floats1d): (spans,) probabilities, float32.
        """
        xp = self._xp
        rows, tags = xp.asarray(rows), xp.asarray(tags)
        if not tags.size:
            return xp.zeros(len(rows), dtype="float32")
        # p(tags) = p(first tag) * product of p(next tag | tag): a chain is Markov.
        probability = self._unary[rows, tags[:, 0]]
        for column in range(1, tags.shape[1]):
            (going_on,) = xp.nonzero(tags[:, column] >= 0)
            probability[going_on] *= self._transition_probability(
                rows[going_on] + column, tags[going_on, column - 1], tags[going_on, column]
            )
        return probability.astype("float32")

    def transition_probability(self, rows: Ints1d, before: Ints1d, tags: Ints1d) -> Floats1d:
        """Compute the probability of tags, conditioned on the tags of the tokens before.

        rows (Ints1d): (transitions,) rows among the tokens of the batch, except for first tokens.
        before (Ints1d): (transitions,) the tag of the token before each row: the condition.
        tags (Ints1d): (transitions,) the tag at each row.
        RETURNS (Floats1d): (transitions,) probabilities, float64, a numpy array; 0 where the
            condition is impossible.
        """
        return to_numpy(self._transition_probability(*map(self._xp.asarray, (rows, before, tags))))

    # Known and unknown tokens

    @property
    def is_known(self) -> ArrayXd:
        """(tokens,) bool: `known`, and True for all tokens where that is None."""
        if self.known is None:
            return self._xp.ones(len(self.emissions), dtype=bool)
        return self._xp.asarray(self.known)

    def allowed(self, tags: Ints1d) -> ArrayXd:
        """Mark the tags that are allowed if a tag sequence is used as annotation at known tokens.

        tags (Ints1d): (tokens,) tag ids, one sequence per sentence.
        RETURNS (ArrayXd): (tokens, tags) bool: the tag of the sequence; all tags at unknown tokens.
        """
        return (tags[:, None] == self._xp.arange(len(self.start))) | ~self.is_known[:, None]

    # Derived chains

    def scaled(self, temperature: float) -> "LinearChain":
        """RETURNS (LinearChain): The chain with all scores divided by a temperature (Hinton,
        Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network")."""
        if temperature == 1.0:
            return self
        return replace(
            self,
            emissions=self.emissions / temperature,
            transitions=self.transitions / temperature,
            start=self.start / temperature,
            end=self.end / temperature,
        )

    def restricted(self, allowed) -> "LinearChain":
        """Exclude the tags that an annotation does not allow.

        allowed (ArrayXd): (tokens, tags) bool.
        RETURNS (LinearChain): The chain over the remaining sequences. Its `log_partition` minus
            that of this chain is the log-probability of the annotation, which may be partial.
        """
        xp = self._xp
        emissions = xp.where(xp.asarray(allowed), self.emissions, xp.float32(-xp.inf))
        return replace(self, emissions=emissions)

    def with_tags(self, tag_ids: Sequence[int]) -> "LinearChain":
        """Reorder the tags.

        tag_ids (Sequence[int]): For each tag of the new chain, its id in this chain.
        RETURNS (LinearChain): The same distribution with other tag ids.
        """
        if list(tag_ids) == list(range(len(self.start))):
            return self
        return replace(
            self,
            emissions=self.emissions[:, tag_ids],
            transitions=self.transitions[tag_ids][:, tag_ids],
            start=self.start[tag_ids],
            end=self.end[tag_ids],
        )

    # Implementation

    @property
    def _xp(self):
        return get_array_module(self.emissions)

    @cached_property
    def _packing(self) -> Packing:
        return pack(self.lengths, self._xp)

    @cached_property
    def _trellis(self) -> Trellis:
        """The forward and backward weights, for expectations over whole sequences."""
        if self._kernel_trellis is not None:
            ragged, rows = self._kernel_trellis, self._packing.rows
            log_partition = numpy.zeros(len(self.lengths))
            log_partition[self.lengths > 0] = ragged.log_partition
            return Trellis(
                self._packing,
                log_partition,
                forward=ragged.forward[rows],
                backward=ragged.backward[rows],
                links=ragged.links,
                arrivals=ragged.arrivals[rows],
                logarithmic=False,
            )
        emissions = self._emissions.astype("float64")
        transitions = self.transitions.astype("float64")
        arguments = (emissions, transitions, self._packing, len(self.lengths))
        return scaled_trellis(*arguments) or log_trellis(*arguments)

    @cached_property
    def _kernel_trellis(self) -> Optional[RaggedTrellis]:
        """The weights that a kernel computed; None where there is no kernel or it is not exact
        enough."""
        arrays = None
        if len(self.emissions):
            arrays = self._run_kernel("forward_backward", LARGEST_FACTOR)
        return None if arrays is None else RaggedTrellis(*arrays)

    @cached_property
    def _token_probabilities(self) -> TokenProbabilities:
        """The probabilities of single tokens and pairs."""
        return self._kernel_trellis or PackedTrellis(self._trellis)

    @cached_property
    def _unary(self) -> Floats2d:
        """(tokens, tags) the marginal probability of each tag, float64."""
        return self._token_probabilities.unary()

    def _transition_probability(self, rows: Ints1d, before: Ints1d, tags: Ints1d) -> Floats1d:
        xp = self._xp
        pair = self._token_probabilities.pair_probability(rows, before, tags)
        alone = self._unary[rows - 1, before]
        return xp.where(alone > 0, pair / xp.where(alone > 0, alone, 1), 0)

    def _run_kernel(self, name: str, *arguments):
        """Run a compiled kernel on the scores. Return None if there is none for these arrays."""
        scores = self.emissions, self.transitions, self.start, self.end
        compiled = kernels(*scores)
        if not compiled:
            return None
        emissions, *rest = map(numpy.ascontiguousarray, scores)
        return getattr(compiled, name)(
            emissions, compiled.Sequences(self.lengths), *rest, *arguments
        )

    @cached_property
    def _emissions(self) -> Floats2d:
        """Packed emissions, with start and end scores added."""
        emissions = self.emissions[self._packing.rows]
        emissions[self._packing.first] += self.start
        emissions[self._packing.last] += self.end
        return emissions

    def _sum_packed(self, packed: Floats1d) -> Floats1d:
        return sum_by_sequence(packed, self._packing.sequences, len(self.lengths))

    def _counts(self, unary: Floats2d, transitions: Floats2d) -> ChainCounts:
        """Convert packed counts of tags and of pairs of tags to counts of the chain's scores."""
        packing = self._packing
        emissions = self._xp.empty(unary.shape, dtype="float32")
        emissions[packing.rows] = unary
        return ChainCounts(
            emissions,
            transitions.astype("float32"),
            unary[packing.first].sum(axis=0).astype("float32"),
            unary[packing.last].sum(axis=0).astype("float32"),
        )
