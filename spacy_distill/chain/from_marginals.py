"""Create chains from marginals: from the probability of each tag at each token."""

from typing import Optional

import numpy
from thinc.api import get_array_module
from thinc.types import ArrayXd, Floats2d, Ints1d

from .biluo import PREFIXES, constraints
from .linear_chain import LinearChain

# The shares of probability that are moved to make a sequence the best one. The next share is tried
# where the one before is not enough.
BEST_WEIGHTS = (0.3, 0.6, 1.0)


def chain_from_marginals(
    marginals: Floats2d, lengths: Ints1d, known: Optional[ArrayXd] = None
) -> LinearChain:
    """Create the chain of BILUO tags that has the given marginals.

    A BILUO tag shows whether an entity is open before it. O, B and U follow if no entity is open,
    I-X and L-X if one of type X is open. So the emission of a tag is its probability, conditioned
    on the entity that is open before it. Transitions only exclude invalid BILUO sequences. The
    chain has the greatest entropy of all chains with these marginals, except that it does not
    distinguish O, L and U as previous tags.

    Averages of marginals, and marginals of merged labels, are marginals too, so such sums are
    exact. Small probabilities are kept, because a temperature above 1 makes them larger. A
    probability of 0 excludes its tag. Rounded or truncated marginals may be inconsistent. Then the
    proportions among the tags that can follow in the same state are kept. If all of these tags have
    probability 0, an open entity is continued or ended with equal probability, and otherwise O
    follows.

    marginals (Floats2d): (tokens, tags) float32, in the order of `BiluoTags`.
    lengths (Ints1d): (sequences,) tokens per sentence, a numpy array.
    known (Optional[ArrayXd]): (tokens,) bool, False where the marginals are to be ignored. There
        the marginals of the chain have no meaning. Those of the other tokens are kept.
    RETURNS (LinearChain): The chain, one sequence per sentence.
    """
    xp = get_array_module(marginals)
    n_labels = (marginals.shape[1] - 1) // len(PREFIXES)
    start, transitions, end = (xp.asarray(scores) for scores in constraints(n_labels))
    # Rounding can make marginals slightly negative.
    rows = xp.maximum(marginals, 0).astype("float32")
    stops = numpy.cumsum(lengths)
    rows[xp.asarray((stops - lengths)[lengths > 0])] *= xp.isfinite(start)
    rows[xp.asarray(stops[lengths > 0] - 1)] *= xp.isfinite(end)
    # (tokens, labels, B I L U)
    by_label = rows[:, 1:].reshape(-1, n_labels, len(PREFIXES))
    opened = by_label[:, :, 1:3].sum(axis=2, keepdims=True)
    # A sum, not 1 - opened, which float32 rounds to 0 where an entity is almost certainly open.
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
    """Make the states before and after each run of unknown tokens independent, so that the tokens
    around it keep their marginals.

    RETURNS (Floats2d): (tokens, tags) the exponentials of the emissions.
    """
    xp = get_array_module(marginals)
    n_labels = (marginals.shape[1] - 1) // len(PREFIXES)
    unknown_before = xp.append(False, ~known[:-1])
    starts = numpy.cumsum(lengths) - lengths
    unknown_before[xp.asarray(starts[lengths > 0])] = False
    # The first unknown token goes from any state to any other with the same weight. The other
    # tokens of the run keep the state. The first known token after the run has its marginals as
    # factors.
    first = xp.ones(marginals.shape[1], dtype="float32")
    inside, unit = (slice(1 + PREFIXES.index(prefix), None, len(PREFIXES)) for prefix in "IU")
    first[0] = first[unit] = 1 / (1 + n_labels)
    later = xp.zeros(marginals.shape[1], dtype="float32")
    later[0] = later[inside] = 1
    factors = xp.where(unknown_before[:, None], marginals, conditional)
    factors = xp.where((~known)[:, None], first, factors)
    return xp.where((~known & unknown_before)[:, None], later, factors)


def chain_with_best(chain: LinearChain, best: Ints1d) -> LinearChain:
    """Change a chain so that a certain tag sequence is the most probable one.

    At the tokens where its own best sequence differs, a share of the probability is moved to the
    tags of `best`: the smallest one of BEST_WEIGHTS that is enough.

    chain (LinearChain): A chain of BILUO tags.
    best (Ints1d): (tokens,) tag ids of a valid sequence.
    RETURNS (LinearChain): The changed chain; the same object if nothing had to be changed.
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
