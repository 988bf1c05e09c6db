"""From the probability of each tag at each token back to a chain."""

from typing import Optional

from thinc.api import get_array_module
from thinc.types import Floats2d, Ints1d

from .biluo import PREFIXES, constraints
from .linear_chain import LinearChain

# Least probability of a tag, so that what was rounded away does not make a sentence impossible.
FLOOR = 1e-8


def chain_from_marginals(
    marginals: Floats2d, lengths: Ints1d, known: Optional[object] = None
) -> LinearChain:
    """Make the chain of BILUO tags that has given marginals.

    O, B and U come where no entity is open, I-X and L-X where one of type X is: a tag says which
    of the two it follows. So a tag's probability given what is open before it can be its emission,
    and the transitions only exclude what is no BILUO sequence. Of all chains with these marginals
    it is the one of the greatest entropy, apart from which of O, L and U stood before.

    Averages of marginals, and marginals of merged labels, are marginals again; with such sums over
    teachers and labels, this is exact. Of marginals that are rounded or cut off it keeps the
    proportions among the tags that may follow the same.

    marginals (Floats2d): (tokens, tags) float32, in BiluoTags' order.
    lengths (Ints1d): (sequences,) tokens per sentence, a numpy array.
    known (Optional[ArrayXd]): (tokens,) bool, False where the marginals mean nothing; all tags are
        as good there.
    RETURNS (LinearChain): One sequence a sentence.
    """
    xp = get_array_module(marginals)
    n_labels = (marginals.shape[1] - 1) // len(PREFIXES)
    if known is not None:
        known = xp.asarray(known)
        marginals = xp.where(known[:, None], marginals, 1 / marginals.shape[1])
    floored = xp.maximum(marginals, FLOOR).astype("float32")
    # (tokens, labels, B I L U)
    by_label = floored[:, 1:].reshape(-1, n_labels, len(PREFIXES))
    opened = by_label[:, :, 1:3].sum(axis=2, keepdims=True)
    closed = floored.sum(axis=1, keepdims=True) - opened.sum(axis=1)
    conditional = floored / closed
    conditional[:, 1:].reshape(by_label.shape)[:, :, 1:3] = by_label[:, :, 1:3] / opened
    if known is not None:
        # What is open after an unknown token follows from the next one alone.
        after_unknown = xp.append(False, ~known[:-1])
        conditional = xp.where(after_unknown[:, None], floored, conditional)
    start, transitions, end = (xp.asarray(scores) for scores in constraints(n_labels))
    return LinearChain(xp.log(conditional), lengths, transitions, start, end, known)
