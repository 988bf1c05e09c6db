"""A stand-in for gliner-spacy, under its names: capitalized words are entities, with scores.

The real component would download a model. This one has its settings, writes `doc.ents` or
`doc.spans["sc"]`, and scores to `Span._.score`.
"""

import zlib
from typing import List

from spacy.language import Language
from spacy.tokens import Doc, Span

if not Span.has_extension("score"):
    Span.set_extension("score", default=0)


class GlinerStandIn:
    def __init__(self, labels: List[str], threshold: float, style: str) -> None:
        self.model = object()  # not of Thinc, as that of the real component
        self.labels = labels
        self.threshold = threshold
        self.style = style

    def __call__(self, doc: Doc) -> Doc:
        spans = []
        for token in doc:
            number = zlib.crc32(token.text.encode())
            score = 0.3 + number % 70 / 100
            if token.is_title and score >= self.threshold:
                label = self.labels[number % len(self.labels)]
                span = Span(doc, token.i, token.i + 1, label=label)
                span._.score = score
                spans.append(span)
        if self.style == "span":
            doc.spans["sc"] = spans
        else:
            doc.ents = spans
        return doc


@Language.factory(
    "gliner_spacy",
    assigns=["doc.ents"],
    default_config={"gliner_model": "", "labels": ["person"], "threshold": 0.5, "style": "ent"},
)
def make_gliner(
    nlp: Language, name: str, gliner_model: str, labels: List[str], threshold: float, style: str
) -> GlinerStandIn:
    return GlinerStandIn(labels, threshold, style)
