"""From the probability of each tag at each token back to a chain."""

from typing import Optional

import numpy
from thinc.api import get_array_module
from thinc.types import ArrayXd, Floats2d, Ints1d

from .biluo import PREFIXES, constraints
from .linear_chain import LinearChain

# So much of the probability is moved to a sequence that is to be the best one; more only where that
# is not enough.
BEST_WEIGHTS = (0.3, 0.6, 1.0)


def chain_from_marginals(
    marginals: Floats2d, lengths: Ints1d, known: Optional[ArrayXd] = None
) -> LinearChain:
    """Create the chain of BILUO tags that has given marginals.

    A BILUO tag says whether an entity was open before it: O, B and U follow where none is open, I-X
    and L-X where one of type X is. So the emission of a tag is its probability, given what is open
    before it, and transitions only exclude what is no BILUO sequence. Of all chains with these
    marginals it has the greatest entropy, apart from which of O, L and U stood before.

    Averages of marginals, and marginals of merged labels, are marginals again, so such sums are
    exact. Small probabilities stay, since a temperature above 1 brings them out. A probability of 0
    excludes its tag. Of marginals that are rounded or cut off, the proportions among the tags that
    may follow the same are kept. Where these leave nothing that may follow, an open entity goes on
    or ends, and O follows all else.

    marginals (Floats2d): (tokens, tags) float32, in BiluoTags' order.
    lengths (Ints1d): (sequences,) tokens per sentence, a numpy array.
    known (Optional[ArrayXd]): (tokens,) bool, False where the marginals mean nothing. The chain's
        own mean nothing there either; those of the tokens around stay.
    RETURNS (LinearChain): One sequence a sentence.
    """
    xp = get_array_module(marginals)
    n_labels = (marginals.shape[1] - 1) // len(PREFIXES)
    start, transitions, end = (xp.asarray(scores) for scores in constraints(n_labels))
    # Sums of rounded numbers may be a little below 0.
    rows = xp.maximum(marginals, 0).astype("float32")
    stops = numpy.cumsum(lengths)
    rows[xp.asarray((stops - lengths)[lengths > 0])] *= xp.isfinite(start)
    rows[xp.asarray(stops[lengths > 0] - 1)] *= xp.isfinite(end)
    # (tokens, labels, B I L U)
    by_label = rows[:, 1:].reshape(-1, n_labels, len(PREFIXES))
    opened = by_label[:, :, 1:3].sum(axis=2, keepdims=True)
    # Summed, not subtracted from 1: where an entity is certainly open, nothing would be left.
    closed = rows[:, :1] + by_label[:, :, ::3].sum(axis=(1, 2))[:, None]
    only_o = xp.arange(rows.shape[1]) == 0
    conditional = xp.where(closed > 0, rows / xp.where(closed > 0, closed, 1), only_o)
    goes_on = by_label[:, :, 1:3] / xp.where(opened > 0, opened, 1)
    in_entities = conditional[:, 1:].reshape(by_label.shape)
    in_entities[:, :, 1:3] = xp.where(opened > 0, goes_on, 0.5)
    if known is not None:
        conditional = _leave_open(conditional, rows, xp.asarray(known), lengths)
    with numpy.errstate(divide="ignore"):
        emissions = xp.log(conditional).astype("float32")
    return LinearChain(emissions, lengths, transitions, start, end, known)


def _leave_open(conditional: Floats2d, marginals: Floats2d, known: ArrayXd, lengths: Ints1d):
    """Let any state follow any other, with the same weight, over each run of unknown tokens: so
    what comes before and after them keeps its probabilities.

    RETURNS (Floats2d): (tokens, tags) factors of the tags.
    """
    xp = get_array_module(marginals)
    n_labels = (marginals.shape[1] - 1) // len(PREFIXES)
    unknown_before = xp.append(False, ~known[:-1])
    starts = numpy.cumsum(lengths) - lengths
    unknown_before[xp.asarray(starts[lengths > 0])] = False
    # The first token of a run closes, opens or goes on, the others keep what is open, and what is
    # open after them follows from the next token alone.
    first = xp.ones(marginals.shape[1], dtype="float32")
    first[0] = first[4::4] = 1 / (1 + n_labels)
    later = xp.zeros(marginals.shape[1], dtype="float32")
    later[0] = later[2::4] = 1
    factors = xp.where(unknown_before[:, None], marginals, conditional)
    factors = xp.where((~known)[:, None], first, factors)
    return xp.where((~known & unknown_before)[:, None], later, factors)


def chain_with_best(chain: LinearChain, best: Ints1d) -> LinearChain:
    """Make a sequence the most probable one by averaging with it, there where it is not.

    chain (LinearChain): A chain of BILUO tags.
    best (Ints1d): (tokens,) tags of a possible sequence.
    RETURNS (LinearChain): The chain, or one with the first of BEST_WEIGHTS that is enough of its
        probability moved to `best` at the tokens at which the two differ.
    """
    xp = get_array_module(best)
    changed = chain
    differs = xp.zeros(len(best), dtype=bool)
    only_best = best[:, None] == xp.arange(len(chain.start))
    for weight in BEST_WEIGHTS:
        wrong = changed.argmax() != best
        if not wrong.any():
            break
        differs |= wrong
        moved = xp.where(differs, weight, 0)[:, None]
        averaged = chain.marginals() * (1 - moved) + only_best * moved
        changed = chain_from_marginals(averaged, chain.lengths, chain.known)
    return changed
