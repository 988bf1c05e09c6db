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
    """How often each of a chain's scores is used, or a gradient with respect to these scores.

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

    A tag sequence's score is the sum of its emissions, its transitions, the start score of its
    first tag and the end score of its last one; its probability is the exponential of the score,
    divided by the partition function. -inf marks what is impossible. Arrays are numpy's or
    cupy's, float32; sums run in float64. `pytorch-struct` (Rush 2020) gave the methods their names.

    emissions (Floats2d): (tokens, tags) scores; the sentences' tokens one after another.
    lengths (Ints1d): (sequences,) tokens per sentence, zeros allowed; always a numpy array.
    transitions (Floats2d): (tags, tags) scores, from row to column.
    start (Floats1d): (tags,) scores of the first tag.
    end (Floats1d): (tags,) scores of the last tag.
    known (Optional[ArrayXd]): (tokens,) bool, False where the source of the scores knows nothing
        and nothing is to be learnt from it; None where it knows all tokens. Of the algebra, `topk`
        alone looks at it; losses read `is_known` and `allowed`. Chains made of this one keep it.
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

    # What the distribution says

    @cached_property
    def log_partition(self) -> Floats1d:
        """(sequences,) Logarithm of the summed exponentials of all sequences' scores, float64; 0
        for an empty sentence, -inf where no sequence is possible."""
        return self._trellis.log_partition

    def score(self, tags: Ints1d) -> Floats1d:
        """Score one tag sequence per sentence.

        tags (Ints1d): (tokens,) tag numbers.
        RETURNS (Floats1d): (sequences,) float64; minus `log_partition` it is the log-probability.
        """
        xp = self._xp
        packing = self._packing
        tags = xp.asarray(tags)[packing.rows]
        scores = self._emissions[xp.arange(len(tags)), tags].astype("float64")
        later = slice(packing.first.stop, None)
        scores[later] += self.transitions[tags[packing.previous], tags[later]]
        return self._sum_per_sequence(scores)

    def marginals(self) -> Floats2d:
        """RETURNS (Floats2d): (tokens, tags) probability of each tag at each token, float32; zeros
        in a sentence for which no sequence is possible."""
        return self._unary.astype("float32")

    def pairwise_marginals(self) -> Floats3d:
        """RETURNS (Floats3d): (tokens, tags, tags) probability of each pair of tags at the token
        before and the token, float32; zeros at first tokens. Takes 4 * tags**2 bytes a token."""
        xp = self._xp
        size = len(self.start)
        pairs = xp.zeros((len(self.emissions), size, size), dtype="float32")
        pairs[self._packing.rows[self._packing.first.stop :]] = self._trellis.pairwise()
        return pairs

    def expected_counts(self, weights: Optional[Floats1d] = None) -> ChainCounts:
        """Count how often each score is used, in expectation: the gradient of `log_partition`
        (Eisner 2016, "Inside-Outside and Forward-Backward Algorithms Are Just Backprop").

        weights (Optional[Floats1d]): (sequences,) what each sentence counts, 1 by default.
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
        """Count how often each score is used, in expectation, given one token's tag, and sum that
        over all tokens and tags. With `expected_counts` it makes the gradient of what is computed
        of marginals: the derivative of `log p(tag at token)` is the counts given that tag minus the
        counts.

        weights (Floats2d): (tokens, tags) what each tag counts as the one that is given; those of
            impossible tags are not looked at.
        RETURNS (ChainCounts): Weighted sums of conditional expectations, float32.
        """
        xp = self._xp
        packing, trellis = self._packing, self._trellis
        weights = xp.where(trellis.unary() > 0, xp.asarray(weights)[packing.rows], 0)
        return self._counts(*trellis.conditional_counts(weights.astype("float64")))

    def argmax(self) -> Ints1d:
        """RETURNS (Ints1d): (tokens,) the tags of each sentence's most probable sequence, int64."""
        tags = self._run_kernel("viterbi")
        if tags is None:
            tags = self._xp.empty(len(self.emissions), dtype="int64")
            tags[self._packing.rows] = viterbi(self._emissions, self.transitions, self._packing)
        return tags

    def topk(self, k: int) -> Tuple[Ints2d, Floats2d]:
        """Find each sentence's k most probable tag sequences; of those that differ only at tokens
        that are not `known`, the most probable one.

        k (int): How many.
        RETURNS (Tuple[Ints2d, Floats2d]): Tags (k, tokens), int64, the best sequence first, and
            scores (k, sequences), float64: -inf where a sentence has fewer possible sequences; the
            tags have no meaning there. An empty sentence has one sequence of score 0.
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
        """Expect the negative log-probability that another chain over the same tokens and tags
        gives to this chain's sequences (Wang et al. 2021, "Structural Knowledge Distillation").

        other (LinearChain): The chain that is judged; the student in distillation.
        RETURNS (Floats1d): (sequences,) nats, float64; inf where this chain needs what the other
            one excludes. Its gradient with respect to the other chain's scores is
            `other.expected_counts() - self.expected_counts()`.
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
        ends = self._sum_per_sequence(excluded) > 0
        log_partition = other._trellis.log_partition
        return xp.where(ends, xp.inf, log_partition - self._sum_per_sequence(expected))

    def kl(self, other: "LinearChain") -> Floats1d:
        """RETURNS (Floats1d): (sequences,) Kullback-Leibler divergence of another chain from this
        one in nats, float64."""
        return self.cross_entropy(other) - self.entropy()

    def span_marginal(self, rows: Ints1d, tags: Ints2d) -> Floats1d:
        """Find the probability that stretches of tokens carry given tags; with the tags of an
        entity (`BiluoTags.segments`), the probability of that entity.

        rows (Ints1d): (spans,) each span's first row among the batch's tokens.
        tags (Ints2d): (spans, longest span) tag numbers, filled up with -1.
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
        """Find the probability of a tag, given that of the token before.

        rows (Ints1d): (transitions,) rows among the batch's tokens, none of them a first token.
        before (Ints1d): (transitions,) the tags of the tokens before, which are given.
        tags (Ints1d): (transitions,) the tags.
        RETURNS (Floats1d): (transitions,) probabilities, float64, a numpy array; 0 where what is
            given is impossible.
        """
        return to_numpy(self._transition_probability(*map(self._xp.asarray, (rows, before, tags))))

    # What the source of the scores knows

    @property
    def is_known(self) -> ArrayXd:
        """(tokens,) Bool: where something can be learnt from the chain; `known` without None."""
        if self.known is None:
            return self._xp.ones(len(self.emissions), dtype=bool)
        return self._xp.asarray(self.known)

    def allowed(self, tags: Ints1d) -> ArrayXd:
        """Mark the tags that one tag sequence per sentence leaves open as an annotation.

        tags (Ints1d): (tokens,) tag numbers.
        RETURNS (ArrayXd): (tokens, tags), bool: one True per known token, all True elsewhere.
        """
        return (tags[:, None] == self._xp.arange(len(self.start))) | ~self.is_known[:, None]

    # Chains made of this one

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
        """Leave only the sequences that an annotation allows.

        allowed (ArrayXd): (tokens, tags), bool.
        RETURNS (LinearChain): The chain over these; its `log_partition` minus this chain's is the
            annotation's log-probability, be it partial or complete.
        """
        xp = self._xp
        emissions = xp.where(xp.asarray(allowed), self.emissions, xp.float32(-xp.inf))
        return replace(self, emissions=emissions)

    def with_tags(self, tag_ids: Sequence[int]) -> "LinearChain":
        """Reorder the tags.

        tag_ids (Sequence[int]): This chain's tag number for each tag of the new one.
        RETURNS (LinearChain): The same distribution under other tag numbers.
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

    # Inner workings

    @property
    def _xp(self):
        return get_array_module(self.emissions)

    @cached_property
    def _packing(self) -> Packing:
        return pack(self.lengths, self._xp)

    @cached_property
    def _trellis(self) -> Trellis:
        """What expectations over whole sequences are made of."""
        emissions = self._emissions.astype("float64")
        transitions = self.transitions.astype("float64")
        arguments = (emissions, transitions, self._packing, len(self.lengths))
        return scaled_trellis(*arguments) or log_trellis(*arguments)

    @cached_property
    def _token_probabilities(self) -> TokenProbabilities:
        """What probabilities of single tokens and pairs are read from: the kernel's trellis, which
        takes half the time, or `_trellis` where no kernel runs or its arithmetic is not enough."""
        arrays = None
        if len(self.emissions):
            arrays = self._run_kernel("forward_backward", LARGEST_FACTOR)
        return PackedTrellis(self._trellis) if arrays is None else RaggedTrellis(*arrays)

    @cached_property
    def _unary(self) -> Floats2d:
        """(tokens, tags) probability of each tag, float64."""
        return self._token_probabilities.unary()

    def _transition_probability(self, rows: Ints1d, before: Ints1d, tags: Ints1d) -> Floats1d:
        xp = self._xp
        pair = self._token_probabilities.pair_probability(rows, before, tags)
        alone = self._unary[rows - 1, before]
        return xp.where(alone > 0, pair / xp.where(alone > 0, alone, 1), 0)

    def _run_kernel(self, name: str, *arguments):
        """Run a compiled kernel on the scores; None where there is none for these arrays."""
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
        """Packed emissions, with start and end scores added in: no special cases from here on."""
        emissions = self.emissions[self._packing.rows]
        emissions[self._packing.first] += self.start
        emissions[self._packing.last] += self.end
        return emissions

    def _sum_per_sequence(self, packed: Floats1d) -> Floats1d:
        return sum_by_sequence(packed, self._packing.sequences, len(self.lengths))

    def _counts(self, unary: Floats2d, transitions: Floats2d) -> ChainCounts:
        """Sum packed counts of tags and of pairs of tags to those of the chain's scores."""
        packing = self._packing
        emissions = self._xp.empty(unary.shape, dtype="float32")
        emissions[packing.rows] = unary
        return ChainCounts(
            emissions,
            transitions.astype("float32"),
            unary[packing.first].sum(axis=0).astype("float32"),
            unary[packing.last].sum(axis=0).astype("float32"),
        )
