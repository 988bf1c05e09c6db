"""The most probable tags of each token, in few bytes."""

from dataclasses import dataclass, replace
from typing import List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.types import Floats1d, Floats2d, Ints1d

# Probabilities below this are not kept one by one.
LEAST_PROBABILITY = 1e-5
# The key of a document's targets.
USER_DATA_KEY = "spacy_distill.soft_targets"


@dataclass(frozen=True, eq=False)
class SoftTargets:
    """A teacher's predictions of one document: its best tags, and the most probable tags per token.

    best (Ints1d): (tokens,) uint16, tags of the most probable sequence.
    counts (Ints1d): (tokens,) uint8, how many tags are kept of each token; 0 where it is unknown.
    tags (Ints1d): (sum of counts,) uint16, the tags kept, the most probable first.
    probabilities (Floats1d): (sum of counts,) float16, their probabilities.
    rest (Floats1d): (tokens,) float32 of 8 significant bits, the sum of the probabilities that are
        not kept. The difference of the others to 1 would mostly be rounding.
    source (Optional[Doc]): The document with the tokens of the targets, where the document that
        keeps the targets has other tokens.
    labels (Tuple[str, ...]): The labels of the tags; set when a corpus is read.
    """

    best: Ints1d
    counts: Ints1d
    tags: Ints1d
    probabilities: numpy.ndarray
    rest: numpy.ndarray
    source: Optional[Doc] = None
    labels: Tuple[str, ...] = ()

    def split(self, lengths: Sequence[int]) -> List["SoftTargets"]:
        """Cut the targets of documents that follow one another.

        lengths (Sequence[int]): Tokens of each document.
        RETURNS (List[SoftTargets]): The targets of each.
        """
        tokens = numpy.cumsum([0, *lengths])
        kept = numpy.concatenate([[0], numpy.cumsum(self.counts, dtype="int64")])[tokens]
        bounds = zip(tokens, tokens[1:], kept, kept[1:], strict=False)
        return [
            replace(
                self,
                best=self.best[start:end],
                counts=self.counts[start:end],
                tags=self.tags[first:after],
                probabilities=self.probabilities[first:after],
                rest=self.rest[start:end],
            )
            for start, end, first, after in bounds
        ]


def pack_marginals(
    marginals: Floats2d, best: Ints1d, top_k: int, known: Optional[numpy.ndarray] = None
) -> SoftTargets:
    """Keep the most probable tags.

    marginals (Floats2d): (tokens, tags) probabilities, a numpy array.
    best (Ints1d): (tokens,) tags of the most probable sequence.
    top_k (int): Tags to keep of a token, from 1 to 255; fewer where probabilities are tiny.
    known (Optional[numpy.ndarray]): (tokens,) bool; None if all are.
    RETURNS (SoftTargets): The targets.
    """
    top_k = min(top_k, marginals.shape[1])
    # Equal probabilities in the order of their tags: the result does not depend on the sorting.
    order = numpy.argsort(-marginals, axis=1, kind="stable")[:, :top_k]
    kept = numpy.take_along_axis(marginals, order, axis=1)
    chosen = kept >= LEAST_PROBABILITY
    cut = marginals.astype("float64")
    numpy.put_along_axis(cut, order, numpy.where(chosen, 0, kept), axis=1)
    rest = cut.sum(axis=1)
    if known is not None:
        chosen &= known[:, None]
        rest[~known] = 0
    return SoftTargets(
        best.astype("uint16"),
        chosen.sum(axis=1).astype("uint8"),
        order[chosen].astype("uint16"),
        kept[chosen].astype("float16"),
        _with_short_mantissa(rest),
    )


def _with_short_mantissa(values: Floats1d) -> Floats1d:
    """RETURNS (Floats1d): float32 numbers of which the last 16 bits are 0, so that they compress to
    half the size. Half precision has no room for the exponents."""
    mantissas, exponents = numpy.frexp(values)
    return numpy.ldexp(numpy.round(mantissas * 256) / 256, exponents).astype("float32")


def unpack_marginals(targets: Sequence[SoftTargets], n_tags: int) -> Floats2d:
    """Undo `pack_marginals` for several documents.

    targets (Sequence[SoftTargets]): The documents' targets.
    n_tags (int): The number of tags.
    RETURNS (Floats2d): (tokens, tags) float32. The tags that were not kept share the rest evenly;
        zeros for unknown tokens.
    """
    counts = numpy.concatenate([item.counts for item in targets]).astype("int64")
    rest = numpy.concatenate([item.rest for item in targets])
    shares = (rest / numpy.maximum(n_tags - counts, 1)).astype("float32")
    marginals = numpy.repeat(shares[:, None], n_tags, axis=1)
    rows = numpy.repeat(numpy.arange(len(counts)), counts)
    tags = numpy.concatenate([item.tags for item in targets])
    marginals[rows, tags] = numpy.concatenate([item.probabilities for item in targets])
    return marginals
