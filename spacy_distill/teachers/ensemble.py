"""Average the predictions of several teachers."""

from math import inf
from typing import Any, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_array_module
from thinc.types import Floats2d

from ..chain import LinearChain, chain_from_marginals
from ..loading import has_code
from .failures import DocumentsError, ends_run, is_out_of_memory
from .predictions import is_composite, name_of, predict
from .protocol import Teacher, find_tags

# Lower bound of divisors.
LEAST_DIVISOR = 1e-6


class EnsembleTeacher:
    """The weighted average of several teachers' probabilities per token, as a chain of BILUO tags.

    Teachers with different errors teach better together than alone (Hinton, Vinyals, Dean 2015).
    With few labels, a fine-tuned transformer and a student trained on the labels are such teachers.
    """

    def __init__(
        self,
        teachers: Sequence[Teacher],
        weights: Optional[Sequence[float]] = None,
        *,
        partial: bool = False,
    ) -> None:
        """Create the ensemble.

        teachers (Sequence[Teacher]): At least one teacher. One of them must have all labels, unless
            `partial` is set.
        weights (Optional[Sequence[float]]): The weight of each teacher, above 0; equal by default.
        partial (bool): Whether each teacher may lack labels that others have.
        RAISES (ValueError): No teacher has all labels, or the weights do not fit.
        """
        weights = [1.0] * len(teachers) if weights is None else list(weights)
        if not teachers or len(weights) != len(teachers) or not all(0 < w < inf for w in weights):
            raise ValueError(
                "[D213] An ensemble needs at least one teacher and a weight above 0 for each: "
                f"found {len(teachers)} teachers and the weights {weights}."
            )
        self.teachers = list(teachers)
        self.weights: List[float] = [weight / sum(weights) for weight in weights]
        found = dict.fromkeys(label for teacher in teachers for label in teacher.labels)
        complete = [teacher for teacher in teachers if len(teacher.labels) == len(found)]
        if not complete and not partial:
            listed = "; ".join(", ".join(teacher.labels) for teacher in teachers)
            raise ValueError(
                f"[D214] One teacher of an ensemble must have all labels: found {listed}. If "
                "labels mean the same, map them with --label-map OLD=NEW,.... If they mean "
                "different things, use --partial-labels."
            )
        self.labels: Tuple[str, ...] = complete[0].labels if complete else tuple(found)
        self._tags = [find_tags(self.labels, teacher.labels) for teacher in teachers]

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Average the teachers' predictions.

        docs (Sequence[Doc]): The documents.
        RETURNS (LinearChain): One sequence per document, with the average of the teachers'
            marginals. Tokens that are unknown to a teacher are averaged without it. If a teacher
            lacks a label, its probability of O is divided as by the teachers that have the label.
        RAISES (ValueError): One of the teachers fails; the error names it.
        """
        predictions: List[Any] = []
        weights: List[Any] = []
        for teacher, tags, weight in zip(self.teachers, self._tags, self.weights, strict=True):
            chain = _predict_part(teacher, docs)
            marginals = chain.marginals()
            xp = get_array_module(marginals)
            prediction = xp.zeros((len(marginals), len(tags)), dtype="float32")
            prediction[:, tags >= 0] = marginals[:, tags[tags >= 0]]
            predictions.append(prediction)
            weights.append(chain.is_known.astype("float32")[:, None] * weight)
        if any((tags < 0).any() for tags in self._tags):
            self._fill_missing_labels(predictions, weights)
        total: Any = sum(p * weight for p, weight in zip(predictions, weights, strict=True))
        total_weight = sum(weights)
        average = total / xp.where(total_weight > 0, total_weight, 1)
        known = total_weight[:, 0] > 0
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        return chain_from_marginals(average, lengths, None if known.all() else known)

    def _fill_missing_labels(
        self, predictions: Sequence[Floats2d], weights: Sequence[Floats2d]
    ) -> None:
        """Give a part of each teacher's probability of O to the labels that it lacks, in place. The
        shares come from the average of the teachers that have these labels."""
        xp = get_array_module(predictions[0])
        total: Any = 0
        total_weight: Any = 0
        for prediction, weight, tags in zip(predictions, weights, self._tags, strict=True):
            total = total + prediction * weight
            total_weight = total_weight + weight * xp.asarray(tags >= 0, dtype="float32")
        average = total / xp.where(total_weight > 0, total_weight, 1)
        for prediction, tags in zip(predictions, self._tags, strict=True):
            lacks = tags < 0
            missing = average[:, lacks]
            own = average[:, ~lacks][:, 1:].sum(axis=1)
            outside = xp.maximum(xp.maximum(1 - own, missing.sum(axis=1)), LEAST_DIVISOR)
            shares = missing / outside[:, None]
            prediction[:, lacks] = prediction[:, :1] * shares
            prediction[:, 0] *= 1 - xp.minimum(shares.sum(axis=1), 1)


def _predict_part(teacher: Teacher, docs: Sequence[Doc]) -> LinearChain:
    """RETURNS (LinearChain): The chain of one teacher of the ensemble; errors name the teacher."""
    try:
        return predict(teacher, docs)
    except DocumentsError:
        raise
    except Exception as error:
        is_ours = isinstance(error, ValueError) and has_code(error)
        if is_ours and not is_composite(teacher) and name_of(teacher) not in str(error):
            error.args = (
                f"{error} The error comes from the teacher '{name_of(teacher)}' of the ensemble.",
            )
        if is_ours or ends_run(error) or is_out_of_memory(error):
            raise
        # Components and models raise errors of any type, which do not name the teacher.
        raise ValueError(
            f"[D276] The teacher '{name_of(teacher)}' of the ensemble failed: "
            f"{type(error).__name__}: {error}. Correct it, or leave it out."
        ) from error
