"""Systems with given predictions, and gold documents, for tests of comparisons."""

import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_distill.evaluation.systems import System
from spacy_distill.pipeline.confidences import add_confidence_extension, set_confidence


@Language.factory("scripted_entities", default_config={"found": []}, assigns=["doc.ents"])
class ScriptedEntities:
    """Writes entities by their text: [text, label, confidence or None]."""

    def __init__(self, nlp, name, found):
        self.found = found
        self.confidence, self.confidence_attr = False, "confidence"

    def __call__(self, doc):
        spans = []
        for text, label, confidence in self.found:
            start = doc.text.find(text)
            if start < 0:
                continue
            span = doc.char_span(start, start + len(text), label=label, alignment_mode="expand")
            spans.append(span)
            if self.confidence and confidence is not None:
                add_confidence_extension(self.confidence_attr)
                set_confidence(span, confidence, self.confidence_attr)
        doc.ents = spacy.util.filter_spans(spans)
        return doc


def scripted_system(role, found):
    nlp = spacy.blank("en")
    nlp.add_pipe("scripted_entities", config={"found": found})
    return System(role, role, nlp, None)


def gold_doc(text, entities=(), missing=()):
    """Make an annotated document from the texts of its entities and of parts without annotation."""
    doc = spacy.blank("en")(text)
    find = {
        part: doc.char_span(*_at(text, part), alignment_mode="expand")
        for part in [*dict(entities), *missing]
    }
    spans = [spacy.tokens.Span(doc, find[t].start, find[t].end, label) for t, label in entities]
    doc.set_ents(spans, missing=[find[part] for part in missing])
    return doc


def _at(text, part):
    return text.index(part), text.index(part) + len(part)


def corpora_for(systems, gold):
    """Read the documents in the vocabulary of each system, as from a file."""
    file = DocBin(docs=gold, store_user_data=True).to_bytes()
    return [
        [
            Example(system.nlp.make_doc(doc.text), doc)
            for doc in DocBin().from_bytes(file).get_docs(system.nlp.vocab)
        ]
        for system in systems
    ]
