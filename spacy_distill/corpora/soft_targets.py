"""Compact storage for the most probable tags of each token."""

from dataclasses import dataclass, replace
from typing import List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.types import Floats1d, Floats2d, Ints1d

# Tags with a lower probability are not stored one by one.
LEAST_PROBABILITY = 1e-5
# The key of a document's targets in `doc.user_data`.
USER_DATA_KEY = "spacy_distill.soft_targets"


@dataclass(frozen=True, eq=False)
class SoftTargets:
    """A teacher's predictions for a document: the best tag sequence, and the best tags per token.

    best (Ints1d): (tokens,) uint16, tag ids of the most probable sequence.
    counts (Ints1d): (tokens,) uint8, number of stored tags per token; 0 if the token is unknown.
    tags (Ints1d): (sum of counts,) uint16, ids of the stored tags; those of a token are sorted by
        probability, highest first.
    probabilities (Floats1d): (sum of counts,) float16, their probabilities.
    rest (Floats1d): (tokens,) float32 with 8 significant bits, the sum of the probabilities of all
        other tags. It is stored because 1 minus the stored probabilities would mostly be rounding
        error.
    source (Optional[Doc]): A document with the teacher's tokens, if they differ from those of the
        document that the targets belong to.
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
        """Split joined targets by document.

        lengths (Sequence[int]): The number of tokens of each document.
        RETURNS (List[SoftTargets]): The targets of each document.
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
    """Store the most probable tags of each token.

    marginals (Floats2d): (tokens, tags) probabilities, a numpy array.
    best (Ints1d): (tokens,) tag ids of the most probable sequence.
    top_k (int): The maximum number of tags to store per token, from 1 to 255. Tags below
        LEAST_PROBABILITY are not stored.
    known (Optional[numpy.ndarray]): (tokens,) bool, which tokens are known; None if all are.
    RETURNS (SoftTargets): The targets.
    """
    top_k = min(top_k, marginals.shape[1])
    # A stable sort keeps the order of tags with equal probability: results are reproducible.
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
    """Round to 8 significant bits, which compress to half the size."""
    mantissas, exponents = numpy.frexp(values)
    return numpy.ldexp(numpy.round(mantissas * 256) / 256, exponents).astype("float32")


def unpack_marginals(targets: Sequence[SoftTargets], n_tags: int) -> Floats2d:
    """Restore the marginals that `pack_marginals` stored for several documents.

    targets (Sequence[SoftTargets]): The documents' targets.
    n_tags (int): The number of tags.
    RETURNS (Floats2d): (tokens, tags) float32. Tags that were not stored share the rest evenly.
        Unknown tokens have zeros.
    """
    counts = numpy.concatenate([item.counts for item in targets]).astype("int64")
    rest = numpy.concatenate([item.rest for item in targets])
    shares = (rest / numpy.maximum(n_tags - counts, 1)).astype("float32")
    marginals = numpy.repeat(shares[:, None], n_tags, axis=1)
    rows = numpy.repeat(numpy.arange(len(counts)), counts)
    tags = numpy.concatenate([item.tags for item in targets])
    marginals[rows, tags] = numpy.concatenate([item.probabilities for item in targets])
    return marginals
