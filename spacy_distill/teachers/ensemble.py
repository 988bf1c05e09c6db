"""Several teachers as one: the average of what they think."""

from typing import List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_array_module

from ..chain import LinearChain, constraints
from .protocol import Teacher, match_labels

# Least probability of a tag, so that teachers that exclude it do not make a sentence impossible.
FLOOR = 1e-8


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
        self._orders = [match_labels(teacher.labels, self.labels) for teacher in teachers]

    @property
    def labels(self) -> Tuple[str, ...]:
        """The first teacher's labels."""
        return self.teachers[0].labels

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Average what the teachers think.

        docs (Sequence[Doc]): The documents.
        RETURNS (LinearChain): One sequence a document: logarithms of the averaged probabilities as
            emissions, renormalised over what is possible.
        """
        parts = zip(self.teachers, self._orders, self.weights, strict=True)
        average = sum(
            teacher.predict_chain(docs).with_tags(order).marginals() * weight
            for teacher, order, weight in parts
        )
        xp = get_array_module(average)
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        start, transitions, end = (xp.asarray(mask) for mask in constraints(len(self.labels)))
        emissions = xp.log(xp.maximum(average, FLOOR)).astype("float32")
        return LinearChain(emissions, lengths, transitions, start, end)
