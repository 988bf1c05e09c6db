"""Entities that earlier components of a teacher's pipeline have set: a part of what it predicts."""

from dataclasses import replace
from typing import Any, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_array_module
from thinc.types import Ints1d

from ..chain import BiluoTags, LinearChain
from ..documents import BEGIN

# The tag number of a token that is free. O has 0.
FREE = -1


class ChainTeacher:
    """Reads the chain of a component, given the entities that documents have already.

    So the best sequence is what the pipeline writes to `doc.ents`. With the component's setting
    `overwrite_ents`, entities make way for its own, so its chain stays as it is.
    """

    def __init__(self, pipe: Any) -> None:
        """Take a component.

        pipe (Any): A `ner_teacher`, a `ner_student`, or another component with `labels` and
            `predict_chain`.
        """
        self.pipe = pipe

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return tuple(self.pipe.labels)

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Ask the component about documents that the components before it have processed.

        docs (Sequence[Doc]): The documents, left as they are. Their entities are kept to.
        RETURNS (LinearChain): One sequence a document.
        """
        chain = self.pipe.predict_chain(docs)
        if getattr(self.pipe, "overwrite_ents", False):
            return chain
        return given_entities(chain, docs, BiluoTags(self.labels))


def given_entities(chain: LinearChain, docs: Sequence[Doc], tags: BiluoTags) -> LinearChain:
    """Give tokens of entities, and blocked ones, the one tag that they have.

    The distribution over all other tokens is that of the chain with O on these tokens, which is
    what components of this package predict by.

    chain (LinearChain): What a component predicts of the documents.
    docs (Sequence[Doc]): The documents.
    tags (BiluoTags): The tags of the chain.
    RETURNS (LinearChain): The distribution, given the entities.
    """
    given = given_tags(docs, tags)
    if (given == FREE).all():
        return chain
    xp = get_array_module(chain.emissions)
    emissions, transitions = chain.emissions.copy(), chain.transitions
    ends = numpy.cumsum(chain.lengths)
    joined = ~numpy.isin(numpy.arange(1, len(given)), ends)  # to the token before
    # Next to an entity, what its tag adds to a neighbour's scores makes way for what O adds.
    after = numpy.flatnonzero((given[1:] == FREE) & (given[:-1] > 0) & joined) + 1
    before = numpy.flatnonzero((given[:-1] == FREE) & (given[1:] > 0) & joined)
    for rows, of_entity, of_outside in (
        (after, transitions[xp.asarray(given[after - 1])], transitions[:1]),
        (before, transitions[:, xp.asarray(given[before + 1])].T, transitions[:, :1].T),
    ):
        possible = xp.isfinite(of_entity) & xp.isfinite(of_outside)
        difference = xp.where(possible, of_outside, 0) - xp.where(possible, of_entity, 0)
        emissions[xp.asarray(rows)] += difference
    taken = numpy.flatnonzero(given != FREE)
    only = given[taken][:, None] == numpy.arange(len(tags))
    emissions[xp.asarray(taken)] = xp.asarray(numpy.where(only, 0, -numpy.inf), dtype="float32")
    return replace(chain, emissions=emissions)


def given_tags(docs: Sequence[Doc], tags: BiluoTags) -> Ints1d:
    """Find the tags of tokens in entities that are set already, and of blocked ones.

    docs (Sequence[Doc]): The documents.
    tags (BiluoTags): The tags.
    RETURNS (Ints1d): (tokens,) tag numbers: O where a token is blocked or the label is none of the
        tags', FREE where nothing is set.
    """
    parts = [numpy.zeros(0, dtype="int64")]
    for doc in docs:
        given = numpy.full(len(doc), FREE)
        if doc.has_annotation("ENT_IOB"):
            iob, types = doc.to_array(["ENT_IOB", "ENT_TYPE"]).reshape(-1, 2).T
            given[(iob == BEGIN) & (types == 0)] = 0
            for span in doc.ents:
                known = span.label_ in tags.labels
                given[span.start : span.end] = (
                    tags.span_tags(len(span), span.label_) if known else 0
                )
        parts.append(given)
    return numpy.concatenate(parts)
