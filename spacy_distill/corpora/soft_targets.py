"""The most probable tags of each token, in few bytes."""

from dataclasses import dataclass, replace
from typing import List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.types import Floats2d, Ints1d

# Probabilities below this are not kept: with a few hundred tags they are still 1 % together.
LEAST_PROBABILITY = 1e-5
# Where a document keeps its targets.
USER_DATA_KEY = "spacy_distill.soft_targets"


@dataclass(frozen=True, eq=False)
class SoftTargets:
    """What a teacher thinks of one document: its best tags, and the most probable tags per token.

    best (Ints1d): (tokens,) uint16, tags of the most probable sequence.
    counts (Ints1d): (tokens,) uint8, how many tags are kept of each token; 0 where the teacher has
        no opinion.
    tags (Ints1d): (sum of counts,) uint16, the tags kept, the most probable first.
    probabilities (Floats1d): (sum of counts,) float16, their probabilities.
    source (Optional[Doc]): The document with the tokens that all this is about, where the
        document that keeps the targets has other ones.
    labels (Tuple[str, ...]): The labels of the tags; set when a corpus is read.
    """

    best: Ints1d
    counts: Ints1d
    tags: Ints1d
    probabilities: numpy.ndarray
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
    known (Optional[numpy.ndarray]): (tokens,) bool, False where there is no opinion.
    RETURNS (SoftTargets): The targets.
    """
    top_k = min(top_k, marginals.shape[1])
    # Equal probabilities in the order of their tags: the result must not depend on the sorting.
    order = numpy.argsort(-marginals, axis=1, kind="stable")[:, :top_k]
    kept = numpy.take_along_axis(marginals, order, axis=1)
    chosen = kept >= LEAST_PROBABILITY
    if known is not None:
        chosen &= known[:, None]
    return SoftTargets(
        best.astype("uint16"),
        chosen.sum(axis=1).astype("uint8"),
        order[chosen].astype("uint16"),
        kept[chosen].astype("float16"),
    )


def unpack_marginals(targets: Sequence[SoftTargets], n_tags: int) -> Floats2d:
    """Undo `pack_marginals` for several documents.

    targets (Sequence[SoftTargets]): The documents' targets.
    n_tags (int): The number of tags.
    RETURNS (Floats2d): (tokens, tags) float32, 0 for tags that were not kept.
    """
    counts = numpy.concatenate([item.counts for item in targets]).astype("int64")
    marginals = numpy.zeros((len(counts), n_tags), dtype="float32")
    rows = numpy.repeat(numpy.arange(len(counts)), counts)
    tags = numpy.concatenate([item.tags for item in targets])
    marginals[rows, tags] = numpy.concatenate([item.probabilities for item in targets])
    return marginals
