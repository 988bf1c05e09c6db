"""Check an installed spacy-distill: its kernels are compiled, and a student learns and loads.

    python tests/installed.py

It needs nothing but the base install, so that it can check wheels where there is no compiler.
"""

import sys
import tempfile
from pathlib import Path

import spacy
from spacy.tokens import Span
from spacy.training import Example

from spacy_distill import kernels

TEXTS = ["Anna Berg sails to Oslo .", "Oslo is cold .", "Where is Anna Berg ?"]
ENTITIES = [[(0, 2, "PER"), (4, 5, "LOC")], [(0, 1, "LOC")], [(2, 4, "PER")]]


def main() -> None:
    print(Path(kernels.__file__).parent, *kernels.CHOICES)
    if kernels.compiled is None or kernels.forms is None:
        sys.exit("There are no compiled kernels.")
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_student")
    examples = []
    for text, entities in zip(TEXTS, ENTITIES, strict=True):
        doc = nlp.make_doc(text)
        doc.set_ents([Span(doc, *entity) for entity in entities])
        examples.append(Example(nlp.make_doc(text), doc))
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(50):
        nlp.update(examples, sgd=optimizer, drop=0.0)
    with tempfile.TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        nlp = spacy.load(folder)
    for choice in kernels.CHOICES:
        kernels.use(choice)
        found = [[(e.start, e.end, e.label_) for e in doc.ents] for doc in nlp.pipe(TEXTS)]
        print(choice, "finds" if found == ENTITIES else f"does not find, but {found}")
        if found != ENTITIES:
            sys.exit(1)


if __name__ == "__main__":
    main()
