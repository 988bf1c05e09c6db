"""The teacher of a training without one: it knows nothing."""

from typing import Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_current_ops

from ..chain import LinearChain, constraints

# Its name on the command line.
NONE = "none"


class NoTeacher:
    """Predicts chains in which no token is known. So students learn from gold entities alone.

    labels (Tuple[str, ...]): The labels. `distill` sets those of the student.
    """

    labels: Tuple[str, ...] = ()
    name = NONE

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Make a chain without information.

        docs (Sequence[Doc]): The documents.
        RETURNS (LinearChain): One sequence per document, all tokens of which are unknown.
        """
        ops = get_current_ops()
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        start, transitions, end = map(ops.asarray, constraints(len(self.labels)))
        emissions = ops.alloc2f(int(lengths.sum()), len(start))
        known = ops.xp.zeros(len(emissions), dtype=bool)
        return LinearChain(emissions, lengths, transitions, start, end, known)
