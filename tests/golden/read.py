"""What a student and a soft corpus on disk say, as plain data."""

from pathlib import Path
from typing import Any, Dict, List

import spacy

from spacy_distill.chain import BiluoTags
from spacy_distill.teachers import SoftTeacher

FOLDER = Path(__file__).parent


def read_student(folder: Path, texts: List[str]) -> List[Dict[str, Any]]:
    """Find the entities of texts, and the spans that are likely ones, with probabilities."""
    nlp = spacy.load(folder)
    found = []
    for doc in nlp.pipe(texts):
        likely = doc.spans["likely"]
        found.append(
            {
                "entities": [[ent.text, ent.label_] for ent in doc.ents],
                "confidences": [round(ent._.confidence, 4) for ent in doc.ents],
                "likely": [[span.text, span.label_] for span in likely],
                "scores": [round(float(score), 4) for score in likely.attrs["scores"]],
            }
        )
    return found


def read_soft(folder: Path) -> List[Dict[str, Any]]:
    """Read the documents of a soft corpus: words, most probable tags, and the probabilities of
    these, from the chains that students learn from."""
    from spacy_distill.corpora.soft_corpus import SoftCorpus
    from spacy_distill.corpora.soft_shards import Manifest

    labels = Manifest.from_disk(folder).labels
    teacher, names = SoftTeacher(labels), BiluoTags(labels).names
    read = []
    for example in SoftCorpus(folder, shuffle_buffer=0)(spacy.blank("xx")):
        chain = teacher.predict_chain([example.reference])
        tags = chain.argmax()
        probabilities = chain.marginals()[range(len(tags)), tags]
        read.append(
            {
                "words": [token.text for token in example.reference],
                "tags": [names[tag] for tag in tags],
                "probabilities": [round(float(p), 4) for p in probabilities],
            }
        )
    return read
