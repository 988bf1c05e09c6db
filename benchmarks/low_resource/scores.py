"""The predicted entities of a system, and their scores."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy
import spacy
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOBES
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example, offsets_to_biluo_tags
from spacy.util import minibatch

from spacy_distill.chain import BiluoTags
from spacy_distill.documents import plain_copy
from spacy_distill.teachers.sources import load_teacher

BATCH_SIZE = 128
Entities = List[Tuple[int, int, str]]


def read_docs(path: Path) -> List[Doc]:
    """Read the documents of a .spacy file."""
    return list(DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab))


def load_reader(models: Sequence[Path]) -> Callable[[Sequence[Doc]], List[Entities]]:
    """Load a pipeline or an ensemble that predicts entities.

    models (Sequence[Path]): The folder of a pipeline, or those of several, whose average is meant.
    RETURNS (Callable[[Sequence[Doc]], List[Entities]]): Gives first token, the one after the last,
        and label of the entities of each document. The documents are left as they are; their words
        are taken, not their text.
    """
    find = _find_with_one(models[0]) if len(models) == 1 else _find_with_all(models)

    def read(docs: Sequence[Doc]) -> List[Entities]:
        # Documents of similar length make batches with little padding.
        order = sorted(range(len(docs)), key=lambda number: len(docs[number]))
        batches = minibatch([docs[number] for number in order], BATCH_SIZE)
        found = [entities for batch in batches for entities in find(batch)]
        return [entities for _, entities in sorted(zip(order, found, strict=True))]

    return read


def _find_with_one(model: Path) -> Callable[[Sequence[Doc]], List[Entities]]:
    nlp = spacy.load(model)

    def find(docs: Sequence[Doc]) -> List[Entities]:
        done = nlp.pipe([plain_copy(doc, nlp.vocab) for doc in docs], batch_size=BATCH_SIZE)
        return [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in done]

    return find


def _find_with_all(models: Sequence[Path]) -> Callable[[Sequence[Doc]], List[Entities]]:
    teacher = load_teacher([str(model) for model in models])
    tags = BiluoTags(teacher.labels)

    def find(docs: Sequence[Doc]) -> List[Entities]:
        chain = teacher.predict_chain(docs)
        ends = numpy.cumsum(chain.lengths)[:-1]
        return [tags.spans(best) for best in numpy.split(chain.argmax(), ends)]

    return find


def find_entities(models: Sequence[Path], docs: Sequence[Doc]) -> List[Entities]:
    """Predict entities with a pipeline, or with the average of several."""
    return load_reader(models)(docs)


def score(docs: Sequence[Doc], found: Sequence[Entities]) -> Dict[str, Any]:
    """Compare predicted entities with the annotation, strictly: boundaries and type have to be
    equal.

    docs (Sequence[Doc]): The annotated documents.
    found (Sequence[Entities]): What was found in each.
    RETURNS (Dict[str, Any]): Percentages: of spaCy's scorer, overall and per type, and of seqeval
        (IOBES, strict).
    """
    examples = as_examples(docs, found)
    prf = get_ner_prf(examples)
    scores: Dict[str, Any] = percent(prf, "ents_")
    per_type = prf["ents_per_type"] or {}
    scores["per_type"] = {label: percent(per_type[label]) for label in sorted(per_type)}
    gold = [iobes(example.reference) for example in examples]
    tags = [iobes(example.predicted) for example in examples]
    for name, metric in (("f", f1_score), ("p", precision_score), ("r", recall_score)):
        scores[f"seqeval_{name}"] = 100 * float(metric(gold, tags, mode="strict", scheme=IOBES))
    return scores


def as_examples(docs: Sequence[Doc], found: Sequence[Entities]) -> List[Example]:
    """Pair each annotated document with its predicted entities."""
    return [
        Example(with_entities(plain_copy(doc), entities), doc)
        for doc, entities in zip(docs, found, strict=True)
    ]


def percent(values: Dict[str, Any], prefix: str = "") -> Dict[str, float]:
    """Convert F1, precision and recall to percent."""
    return {name: 100 * (values[f"{prefix}{name}"] or 0.0) for name in ("f", "p", "r")}


def agreement(found: Sequence[Entities], others: Sequence[Entities]) -> float:
    """Compute the F1 of entities against other entities that stand in for the annotation, in
    percent."""
    mine = {(n, *entity) for n, entities in enumerate(found) for entity in entities}
    theirs = {(n, *entity) for n, entities in enumerate(others) for entity in entities}
    return 200 * len(mine & theirs) / max(len(mine) + len(theirs), 1)


def with_entities(doc: Doc, entities: Sequence[Tuple[int, int, str]]) -> Doc:
    """Copy a document, and set its entities."""
    doc.set_ents([Span(doc, start, end, label=label) for start, end, label in entities])
    return doc


def write_silver(cell_corpus: Path, models: Sequence[Path], output: Path) -> None:
    """Write the labeled documents, and the other documents with the entities of teachers."""
    unlabeled = read_docs(cell_corpus / "unlabeled.spacy")
    found = find_entities(models, unlabeled) if unlabeled else []
    silver = [
        with_entities(plain_copy(doc), entities)
        for doc, entities in zip(unlabeled, found, strict=True)
    ]
    unfinished = output.with_suffix(".part")
    DocBin(docs=[*read_docs(cell_corpus / "train.spacy"), *silver]).to_disk(unfinished)
    unfinished.replace(output)


def iobes(doc: Doc) -> List[str]:
    """Write a document's entities as IOBES tags."""
    entities = [(span.start_char, span.end_char, span.label_) for span in doc.ents]
    biluo = offsets_to_biluo_tags(doc, entities)
    return [{"L": "E", "U": "S"}.get(tag[0], tag[0]) + tag[1:] for tag in biluo]
