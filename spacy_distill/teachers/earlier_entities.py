"""Include the entities of earlier components of a pipeline in the teacher's chain."""

from dataclasses import replace
from typing import Any, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_array_module
from thinc.types import Ints1d

from ..chain import BiluoTags, LinearChain
from ..documents import BEGIN

# The tag id of tokens whose tag is not fixed by an earlier component.
NOT_FIXED = -1


class ChainTeacher:
    """Reads the chain of a component, and includes the entities that earlier components have set.

    The best sequence of the result is what the pipeline writes to `doc.ents`. A component with the
    setting `overwrite_ents` replaces earlier entities, so its chain is not changed.
    """

    def __init__(self, pipe: Any) -> None:
        """Wrap a component.

        pipe (Any): A `ner_teacher`, a `ner_student`, or another component with `labels` and
            `predict_chain`.
        """
        self.pipe = pipe

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return tuple(self.pipe.labels)

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Predict the chain of documents that the earlier components have processed.

        docs (Sequence[Doc]): The documents, which are not changed. Their entities become certain.
        RETURNS (LinearChain): One sequence per document.
        """
        chain = self.pipe.predict_chain(docs)
        if getattr(self.pipe, "overwrite_ents", False):
            return chain
        return fix_entities(chain, docs, BiluoTags(self.labels))


def fix_entities(chain: LinearChain, docs: Sequence[Doc], tags: BiluoTags) -> LinearChain:
    """Fix the tags of blocked tokens and of entities that are already set, in a chain.

    The distribution over the other tokens is that of the chain with O at the fixed tokens, as in
    predictions of this package's components.

    chain (LinearChain): A component's chain of the documents.
    docs (Sequence[Doc]): The documents.
    tags (BiluoTags): The tags of the chain.
    RETURNS (LinearChain): The conditional distribution.
    """
    fixed = fixed_tags(docs, tags)
    if (fixed == NOT_FIXED).all():
        return chain
    xp = get_array_module(chain.emissions)
    emissions, transitions = chain.emissions.copy(), chain.transitions
    ends = numpy.cumsum(chain.lengths)
    is_joined = ~numpy.isin(numpy.arange(1, len(fixed)), ends)  # to the token before
    # Next to an entity, replace the transition score of its tag with that of O.
    after = numpy.flatnonzero((fixed[1:] == NOT_FIXED) & (fixed[:-1] > 0) & is_joined) + 1
    before = numpy.flatnonzero((fixed[:-1] == NOT_FIXED) & (fixed[1:] > 0) & is_joined)
    for rows, of_entity, of_outside in (
        (after, transitions[xp.asarray(fixed[after - 1])], transitions[:1]),
        (before, transitions[:, xp.asarray(fixed[before + 1])].T, transitions[:, :1].T),
    ):
        possible = xp.isfinite(of_entity) & xp.isfinite(of_outside)
        difference = xp.where(possible, of_outside, 0) - xp.where(possible, of_entity, 0)
        emissions[xp.asarray(rows)] += difference
    taken = numpy.flatnonzero(fixed != NOT_FIXED)
    only = fixed[taken][:, None] == numpy.arange(len(tags))
    emissions[xp.asarray(taken)] = xp.asarray(numpy.where(only, 0, -numpy.inf), dtype="float32")
    return replace(chain, emissions=emissions)


def fixed_tags(docs: Sequence[Doc], tags: BiluoTags) -> Ints1d:
    """Find the tags of blocked tokens and of entities that are already set.

    docs (Sequence[Doc]): The documents.
    tags (BiluoTags): The tags.
    RETURNS (Ints1d): (tokens,) tag ids: O for blocked tokens and for entities whose label is not in
        `tags`, NOT_FIXED for tokens whose tag is not fixed.
    """
    parts = [numpy.zeros(0, dtype="int64")]
    for doc in docs:
        fixed = numpy.full(len(doc), NOT_FIXED)
        if doc.has_annotation("ENT_IOB"):
            iob, types = doc.to_array(["ENT_IOB", "ENT_TYPE"]).reshape(-1, 2).T
            fixed[(iob == BEGIN) & (types == 0)] = 0
            for span in doc.ents:
                known = span.label_ in tags.labels
                fixed[span.start : span.end] = (
                    tags.span_tags(len(span), span.label_) if known else 0
                )
        parts.append(fixed)
    return numpy.concatenate(parts)
