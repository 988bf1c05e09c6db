"""A teacher that reads the predictions in a soft corpus."""

from typing import Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_current_ops

from ..chain import BiluoTags, LinearChain, chain_from_marginals
from ..corpora.soft_targets import USER_DATA_KEY, SoftTargets, pack_marginals, unpack_marginals
from .annotations import AnnotationTeacher
from .tokens import align, carry_over


class SoftTeacher:
    """Reads the soft targets that `spacy-distill.SoftCorpus.v1` stores in documents.

    Documents without soft targets are labeled: their chain is their gold annotation, and tokens
    without annotation are unknown.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        """labels (Sequence[str]): The labels of the soft corpus, in the order of their tags."""
        self.labels: Tuple[str, ...] = tuple(labels)
        # The name in error messages.
        self.name = "soft corpus"
        # The number of entities that begin or end inside a token of the documents. Documents that
        # are read several times are counted each time.
        self.n_misfits = 0
        self._gold = AnnotationTeacher(self.labels, confidence=1.0)

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Make a chain from the soft targets of documents.

        docs (Sequence[Doc]): Documents from a soft corpus, or with gold entities.
        RETURNS (LinearChain): One sequence per document.
        RAISES (ValueError): A document has neither soft targets nor gold entities, or a gold entity
            has a label that the soft corpus lacks.
        """
        targets = [doc.user_data.get(USER_DATA_KEY) or self._from_gold(doc) for doc in docs]
        for item in targets:
            if item.labels not in (self.labels, ()):
                raise ValueError(
                    "[D250] The documents come from a soft corpus with the labels "
                    f"{', '.join(item.labels)}, but the teacher is a soft corpus with the labels "
                    f"{', '.join(self.labels)}. Name the soft corpus once, as the teacher."
                )
        sources = [
            doc if item.source is None else item.source
            for doc, item in zip(docs, targets, strict=True)
        ]
        xp = get_current_ops().xp
        known = numpy.concatenate([item.counts for item in targets]) > 0
        chain = chain_from_marginals(
            xp.asarray(unpack_marginals(targets, len(BiluoTags(self.labels)))),
            numpy.asarray([len(doc) for doc in sources], dtype="int64"),
            None if known.all() else xp.asarray(known),
        )
        if all(item.source is None for item in targets):
            return chain
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        carried, n_misfits = carry_over(chain, self.labels, align(sources, docs), lengths)
        self.n_misfits += n_misfits
        return carried

    def _from_gold(self, doc: Doc) -> SoftTargets:
        if len(doc) and not doc.has_annotation("ENT_IOB"):
            raise ValueError(
                f"[D251] The document '{doc.text[:40]}' has neither soft targets nor gold "
                "entities. A soft corpus can teach only documents of spacy-distill.SoftCorpus.v1: "
                "name such a corpus under [distillation] corpus."
            )
        for span in doc.ents:
            if span.label_ not in self.labels:
                raise ValueError(
                    f"[D252] The gold entity '{span.text[:40]}' has the label '{span.label_}', but "
                    f"the labels are: {', '.join(self.labels)}. Remove it from the annotation, or "
                    "write the soft corpus with a teacher that has the label."
                )
        marginals, known = self._gold.marginals(doc)
        return pack_marginals(marginals, marginals.argmax(axis=1), 1, known)
