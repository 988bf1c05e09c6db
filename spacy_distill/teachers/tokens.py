"""Carry chains over to the tokens of another tokenizer."""

from typing import List, NamedTuple, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_current_ops
from thinc.types import Floats2d, Ints1d

from ..chain import BiluoTags, LinearChain, chain_from_marginals
from ..chain.biluo import PREFIXES
from ..documents import same_text
from .failures import TeacherError

# A token is unknown if the probability that no entity begins or ends inside it is lower than this.
MIN_FIT = 0.5


class Blocks(NamedTuple):
    """The smallest groups of neighbouring tokens that cover the same characters in two
    tokenizations. Rows are indices of tokens in the batch.

    source, target (Ints1d): (blocks,) the first row of each block.
    n_source, n_target (Ints1d): (blocks,) the number of tokens in each block, at least 1.
    """

    source: Ints1d
    n_source: Ints1d
    target: Ints1d
    n_target: Ints1d


def align(sources: Sequence[Doc], targets: Sequence[Doc]) -> Blocks:
    """Align two tokenizations of the same texts by characters.

    sources, targets (Sequence[Doc]): Documents that have the same texts in the same order.
    RETURNS (Blocks): The blocks. Each token is in exactly one block.
    RAISES (TeacherError): The texts of a pair differ.
    """
    parts = []
    n_source = n_target = 0
    for source, target in zip(sources, targets, strict=True):
        if not same_text(source, target):
            raise TeacherError(
                f"[D802] The teacher's document '{source.text[:40]}' and the student's "
                f"'{target.text[:40]}' have different texts. Make both from the same text."
            )
        starts, target_starts = source.to_array("IDX"), target.to_array("IDX")
        _, first, second = numpy.intersect1d(starts, target_starts, return_indices=True)
        lengths = numpy.diff(first, append=len(source)), numpy.diff(second, append=len(target))
        parts.append((first + n_source, lengths[0], second + n_target, lengths[1]))
        n_source, n_target = n_source + len(source), n_target + len(target)
    return Blocks(*(numpy.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def carry_over(
    chain: LinearChain, labels: Sequence[str], blocks: Blocks, lengths: Ints1d
) -> Tuple[LinearChain, int]:
    """Carry a chain over to other tokens of the same texts.

    If a token is split, its entity covers all parts. If tokens are joined, the new token gets the
    probability that one entity covers all of it, or that none does. No tag can express an entity
    that begins or ends inside a token. If one of the teacher's best entities does, its tokens are
    unknown. A token is also unknown if an entity more likely than not begins or ends inside it.

    chain (LinearChain): A chain over the source tokens.
    labels (Sequence[str]): The labels of the chain.
    blocks (Blocks): The alignment.
    lengths (Ints1d): (documents,) the numbers of target tokens, a numpy array.
    RETURNS (Tuple[LinearChain, int]): The chain over the target tokens, and the number of best
        entities that do not align with them.
    """
    units = get_current_ops().to_numpy(chain.marginals())[blocks.source]
    joined = numpy.flatnonzero(blocks.n_source > 1)
    if len(joined):
        units[joined] = _join(chain, labels, blocks.source[joined], blocks.n_source[joined])
    fit = units.sum(axis=1, keepdims=True)
    known = fit[:, 0] >= MIN_FIT
    if chain.known is not None:
        unknown = numpy.append(0, numpy.cumsum(~get_current_ops().to_numpy(chain.known)))
        known &= unknown[blocks.source + blocks.n_source] == unknown[blocks.source]
    misfits = _misfits(chain, labels, blocks)
    for start, end in misfits:
        known &= (blocks.source >= end) | (blocks.source + blocks.n_source <= start)
    rows = _split(units / numpy.maximum(fit, 1e-8), blocks.n_target)
    xp = get_current_ops().xp
    token_known = numpy.repeat(known, blocks.n_target)
    mask = None if token_known.all() else xp.asarray(token_known)
    return chain_from_marginals(xp.asarray(rows), lengths, mask), len(misfits)


def _misfits(chain: LinearChain, labels: Sequence[str], blocks: Blocks) -> List[Tuple[int, int]]:
    """Return start and end of each best entity that begins or ends inside a block."""
    n_tokens = len(chain.emissions)
    begins, ends = numpy.zeros(n_tokens + 1, dtype=bool), numpy.zeros(n_tokens + 1, dtype=bool)
    begins[blocks.source] = True
    ends[blocks.source + blocks.n_source] = True
    spans = BiluoTags(tuple(labels)).spans(get_current_ops().to_numpy(chain.argmax()))
    return [(start, end) for start, end, _ in spans if not (begins[start] and ends[end])]


def _join(chain: LinearChain, labels: Sequence[str], starts: Ints1d, counts: Ints1d) -> Floats2d:
    """RETURNS (Floats2d): (blocks, tags), the probability of each tag if the block is one token.
    The rest to 1 is the probability that an entity begins or ends inside the block."""
    tags = BiluoTags(tuple(labels))
    runs = numpy.full((len(starts), len(tags), int(counts.max())), -1, dtype="int64")
    for block, count in zip(runs, counts.tolist(), strict=True):
        block[0, :count] = 0
        for label in range(len(labels)):
            first = 1 + len(PREFIXES) * label
            middle, last = first + 1, first + 2
            block[first : first + 4, :count] = middle
            block[[first, first + 3], 0] = first
            block[[first + 2, first + 3], count - 1] = last
    rows = numpy.repeat(starts, len(tags))
    marginal = chain.span_marginal(rows, runs.reshape(len(rows), -1))
    return get_current_ops().to_numpy(marginal).reshape(len(starts), len(tags))


def _split(units: Floats2d, counts: Ints1d) -> Floats2d:
    """Return (tokens, tags): the probability of each tag for the parts of each block."""
    rows = numpy.repeat(units, counts, axis=0)
    begin, inside, last, unit = (rows[:, 1 + offset :: len(PREFIXES)].copy() for offset in range(4))
    stop = numpy.cumsum(counts)
    part = numpy.arange(len(rows)) - numpy.repeat(stop - counts, counts)
    n_parts = numpy.repeat(counts, counts)
    is_split = (n_parts > 1)[:, None]
    is_first, is_last = (part == 0)[:, None], (part == n_parts - 1)[:, None]
    # The first part begins the block's entity, the last part ends it, and the others are inside.
    new_begin = numpy.where(is_first, begin + unit, 0)
    new_last = numpy.where(is_last, last + unit, 0)
    # A sum, not a difference to 1, which would leave a rounding error.
    new_inside = inside + numpy.where(is_first, 0, begin) + numpy.where(is_last, 0, last)
    new_inside += numpy.where(is_first | is_last, 0, unit)
    columns = (new_begin, new_inside, new_last, numpy.zeros_like(unit))
    for offset, (new, old) in enumerate(zip(columns, (begin, inside, last, unit), strict=True)):
        rows[:, 1 + offset :: len(PREFIXES)] = numpy.where(is_split, new, old)
    return rows
