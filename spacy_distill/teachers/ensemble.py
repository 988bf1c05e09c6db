"""Several teachers as one: the average of what they think."""

from typing import Any, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_array_module

from ..chain import LinearChain, chain_from_marginals
from .protocol import Teacher, match_labels


class EnsembleTeacher:
    """The weighted average of several teachers' probabilities per token, as a chain of BILUO tags.

    Teachers that err differently teach better together than each does alone (Hinton, Vinyals,
    Dean 2015); with few labels, a fine-tuned transformer and a student trained on the labels do.
    """

    def __init__(
        self, teachers: Sequence[Teacher], weights: Optional[Sequence[float]] = None
    ) -> None:
        """Join teachers.

        teachers (Sequence[Teacher]): The teachers, at least one, with the same labels in any order.
        weights (Optional[Sequence[float]]): What each counts, above 0; all the same by default.
        RAISES (ValueError): The labels differ, or the weights do not fit.
        """
        weights = [1.0] * len(teachers) if weights is None else list(weights)
        if not teachers or len(weights) != len(teachers) or not all(w > 0 for w in weights):
            raise ValueError(
                "An ensemble needs at least one teacher and a weight above 0 for each: found "
                f"{len(teachers)} teachers and the weights {weights}."
            )
        self.teachers = list(teachers)
        self.weights: List[float] = [weight / sum(weights) for weight in weights]
        for teacher in teachers:
            if set(teacher.labels) != set(self.labels):
                raise ValueError(
                    f"Teachers of an ensemble need the same labels: found {', '.join(self.labels)} "
                    f"and {', '.join(teacher.labels)}. Map them with --label-map OLD=NEW,..."
                )
        self._orders = [match_labels(teacher.labels, self.labels) for teacher in teachers]

    @property
    def labels(self) -> Tuple[str, ...]:
        """The first teacher's labels."""
        return self.teachers[0].labels

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Average what the teachers think.

        docs (Sequence[Doc]): The documents.
        RETURNS (LinearChain): One sequence a document, whose marginals are the average of the
            teachers'. A teacher that has no opinion on a token does not count there.
        """
        total: Any = 0
        weights: Any = 0
        for teacher, order, weight in zip(self.teachers, self._orders, self.weights, strict=True):
            chain = teacher.predict_chain(docs).with_tags(order)
            marginals = chain.marginals()
            xp = get_array_module(marginals)
            known = xp.ones(len(marginals), dtype=bool) if chain.known is None else chain.known
            counts = xp.asarray(known, dtype="float32")[:, None] * weight
            total, weights = total + marginals * counts, weights + counts
        known = weights[:, 0] > 0
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        average = total / xp.where(weights > 0, weights, 1)
        return chain_from_marginals(average, lengths, None if known.all() else known)
