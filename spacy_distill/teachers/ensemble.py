"""Several teachers as one: the average of what they think."""

from math import inf
from typing import Any, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_array_module
from thinc.types import Floats2d, Ints1d

from ..chain import LinearChain, chain_from_marginals
from ..chain.biluo import PREFIXES
from .asking import ask, is_composite, name_of
from .failures import DocumentsError, ends_run, is_out_of_memory
from .protocol import Teacher

# Probability below which nothing is shared out.
LEAST = 1e-6


class EnsembleTeacher:
    """The weighted average of several teachers' probabilities per token, as a chain of BILUO tags.

    Teachers that err differently teach better together than each does alone (Hinton, Vinyals,
    Dean 2015); with few labels, a fine-tuned transformer and a student trained on the labels do.
    """

    def __init__(
        self,
        teachers: Sequence[Teacher],
        weights: Optional[Sequence[float]] = None,
        *,
        partial: bool = False,
    ) -> None:
        """Join teachers.

        teachers (Sequence[Teacher]): The teachers, at least one. One of them has all labels.
        weights (Optional[Sequence[float]]): What each counts, above 0; all the same by default.
        partial (bool): Whether each may have labels that the others do not have.
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
                f"[D214] One teacher of an ensemble has to have all labels: found {listed}. Map "
                "names of the same thing with --label-map OLD=NEW,..., or say with "
                "--partial-labels that they are of different things."
            )
        self.labels: Tuple[str, ...] = complete[0].labels if complete else tuple(found)
        self._columns = [_columns(teacher.labels, self.labels) for teacher in teachers]

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Average what the teachers think.

        docs (Sequence[Doc]): The documents.
        RETURNS (LinearChain): One sequence a document, whose marginals are the average of the
            teachers'. A teacher that has no opinion on a token does not count there, and one that
            does not have a label has the opinion of the others on what it takes for O.
        RAISES (ValueError): One of the teachers fails; the error names it.
        """
        opinions: List[Any] = []
        counts: List[Any] = []
        for teacher, columns, weight in zip(
            self.teachers, self._columns, self.weights, strict=True
        ):
            chain = _ask(teacher, docs)
            marginals = chain.marginals()
            xp = get_array_module(marginals)
            opinion = xp.zeros((len(marginals), len(columns)), dtype="float32")
            opinion[:, columns >= 0] = marginals[:, columns[columns >= 0]]
            known = xp.ones(len(marginals), dtype=bool) if chain.known is None else chain.known
            opinions.append(opinion)
            counts.append(xp.asarray(known, dtype="float32")[:, None] * weight)
        if any((columns < 0).any() for columns in self._columns):
            self._complete(opinions, counts)
        weights = sum(counts)
        known = weights[:, 0] > 0
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        total: Any = sum(opinion * count for opinion, count in zip(opinions, counts, strict=True))
        average = total / xp.where(weights > 0, weights, 1)
        return chain_from_marginals(average, lengths, None if known.all() else known)

    def _complete(self, opinions: Sequence[Floats2d], counts: Sequence[Floats2d]) -> None:
        """Share out what a teacher takes for O among the labels that it does not have, as those who
        have these labels do with what is none of its labels; in place."""
        xp = get_array_module(opinions[0])
        total: Any = 0
        weights: Any = 0
        for opinion, count, columns in zip(opinions, counts, self._columns, strict=True):
            has = xp.asarray(columns >= 0, dtype="float32")
            total, weights = total + opinion * count, weights + count * has
        average = total / xp.where(weights > 0, weights, 1)
        for opinion, columns in zip(opinions, self._columns, strict=True):
            lacks = columns < 0
            others = average[:, lacks]
            own = average[:, ~lacks][:, 1:].sum(axis=1)
            outside = xp.maximum(xp.maximum(1 - own, others.sum(axis=1)), LEAST)
            shares = others / outside[:, None]
            opinion[:, lacks] = opinion[:, :1] * shares
            opinion[:, 0] *= 1 - xp.minimum(shares.sum(axis=1), 1)


def _ask(teacher: Teacher, docs: Sequence[Doc]) -> LinearChain:
    """RETURNS (LinearChain): What one of several teachers says; errors name it."""
    try:
        return ask(teacher, docs)
    except DocumentsError:
        raise
    except Exception as error:
        has_code = isinstance(error, ValueError) and str(error).startswith("[D")
        if has_code and not is_composite(teacher) and name_of(teacher) not in str(error):
            error.args = (f"{error} That is of the teacher '{name_of(teacher)}', one of several.",)
        if has_code or ends_run(error) or is_out_of_memory(error):
            raise
        # Components and models raise whatever they like, and do not say which of them it was.
        raise ValueError(
            f"[D276] The teacher '{name_of(teacher)}', one of several, failed: "
            f"{type(error).__name__}: {error}. Mend it, or leave it out."
        ) from error


def _columns(labels: Sequence[str], all_labels: Sequence[str]) -> Ints1d:
    """RETURNS (Ints1d): For each tag of all labels, that of the teacher's labels; -1 for none."""
    columns = [0]
    for label in all_labels:
        first = 1 + len(PREFIXES) * labels.index(label) if label in labels else None
        columns += [-1 if first is None else first + number for number in range(len(PREFIXES))]
    return numpy.asarray(columns)
