"""spaCy's `beam_ner` as a soft teacher."""

from typing import Any, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import get_current_ops

from ..chain import BiluoTags, LinearChain, chain_from_marginals, chain_with_best
from .asking import not_finite
from .failures import documents_error
from .transition_ner import not_finite_actions


class BeamTeacher:
    """Averages the parses that are left in the beam, by their probabilities."""

    def __init__(self, pipe: Any) -> None:
        """Take a component.

        pipe (EntityRecognizer): A trained `beam_ner`.
        """
        self.pipe = pipe
        # Sorted, as spaCy's own order changes when a pipeline is saved; and kept, as spaCy adds
        # labels to the component when it meets entities that have others.
        self.labels: Tuple[str, ...] = tuple(sorted(pipe.labels))

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Parse documents that the components before it have processed.

        docs (Sequence[Doc]): The documents, left as they are; their entities are kept to.
        RETURNS (LinearChain): One sequence a document.
        RAISES (DocumentsError): The model's scores are NaN or infinite.
        """
        tags = BiluoTags(self.labels)
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        marginals = numpy.zeros((int(lengths.sum()), len(tags)), dtype="float32")
        best = numpy.zeros(len(marginals), dtype="int64")
        parsed = [doc for doc in docs if len(doc)]
        beams = self._beams(docs, parsed) if parsed else []
        row = 0
        for doc, beam in zip(parsed, beams, strict=True):
            parses = self.pipe.moves.get_beam_parses(beam)
            total = sum(probability for probability, _ in parses)
            for number, (probability, spans) in enumerate(parses):
                sequence = numpy.zeros(len(doc), dtype="int64")
                for start, end, label in spans:
                    # Others are of entities that were there, or "" of blocked tokens.
                    if label in self.labels:
                        sequence[start:end] = tags.span_tags(end - start, label)
                marginals[row + numpy.arange(len(doc)), sequence] += probability / total
                if number == 0:
                    best[row : row + len(doc)] = sequence
            row += len(doc)
        reasons = not_finite(marginals, docs)
        if reasons:
            raise documents_error(self.pipe.name, docs, reasons)
        xp = get_current_ops().xp
        chain = chain_from_marginals(xp.asarray(marginals), lengths)
        return chain_with_best(chain, xp.asarray(best))

    def _beams(self, docs: Sequence[Doc], parsed: Sequence[Doc]) -> Any:
        """RETURNS (Any): The beams of the documents that are not empty."""
        try:
            return self.pipe.predict(parsed)
        except AssertionError:
            # spaCy's beam needs numbers, and does not say so.
            reasons = not_finite_actions(self.pipe, docs)
            if not reasons:
                raise
            raise documents_error(self.pipe.name, docs, reasons) from None
