"""Convert gold entities to tag ids."""

from typing import Iterable, List

import numpy
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE
from spacy.tokens import Doc
from spacy.training import Example
from thinc.types import Ints1d

from ..chain import BiluoTags
from ..chain.biluo import PREFIXES, UNKNOWN
from ..documents import BEGIN, INSIDE, MISSING, OUTSIDE, same_tokens


def gold_tags(examples: Iterable[Example], tags: BiluoTags) -> Ints1d:
    """Convert the entities of the reference documents to tags of the predicted documents' tokens.

    examples (Iterable[Example]): The examples.
    tags (BiluoTags): The tags of the component.
    RETURNS (Ints1d): (tokens of the predicted documents,) tag ids, UNKNOWN where the annotation is
        missing or cannot be aligned with the tokens.
    RAISES (ValueError): An entity has a label that the component does not have.
    """
    examples = list(examples)
    same = [same_tokens(example.predicted, example.reference) for example in examples]
    references = [example.reference for example, fits in zip(examples, same, strict=True) if fits]
    tag_ids = _read_tags(references, tags)
    if all(same):
        return tag_ids
    ends = numpy.cumsum([len(reference) for reference in references], dtype="int64")
    whole = iter(numpy.split(tag_ids, ends[:-1]) if references else [])
    parts = [
        next(whole) if fits else tags.tag_ids(example.get_aligned_ner())
        for example, fits in zip(examples, same, strict=True)
    ]
    return numpy.concatenate(parts)


def _read_tags(docs: List[Doc], tags: BiluoTags) -> Ints1d:
    """RETURNS (Ints1d): (tokens,) tag ids of all documents. spaCy's alignment returns the same, but
    takes longer than an update."""
    docs = [doc for doc in docs if len(doc)]
    if not docs:
        return numpy.zeros(0, dtype="int64")
    lengths = numpy.asarray([len(doc) for doc in docs])
    last = lengths.cumsum() - 1
    columns = [doc.to_array([ENT_IOB, ENT_TYPE, IS_SPACE]) for doc in docs]
    iob, types, space = numpy.concatenate(columns).T
    entity = (types != 0) & ((iob == BEGIN) | (iob == INSIDE))
    # In documents with any annotation, white space has the tag O.
    annotated = numpy.logical_or.reduceat(iob != MISSING, last + 1 - lengths)
    outside = (iob == OUTSIDE) | ((space != 0) & numpy.repeat(annotated, lengths))
    tag_ids = numpy.where(outside, 0, UNKNOWN)
    begins = entity & (iob == BEGIN)
    ends = entity & ~numpy.append(iob[1:] == INSIDE, False)
    ends[last] = entity[last]
    prefix = numpy.select([begins & ends, begins, ends], [PREFIXES.index(p) for p in "UBL"], 1)
    for key in numpy.unique(types[entity]).tolist():
        rows = entity & (types == key)
        first_doc = docs[int(numpy.searchsorted(last, rows.argmax()))]
        tag_ids[rows] = tags.first_tag(first_doc.vocab.strings[key]) + prefix[rows]
    return tag_ids
