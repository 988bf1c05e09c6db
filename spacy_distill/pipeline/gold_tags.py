"""From annotated documents to tag numbers."""

import numpy
from spacy.training import Example
from thinc.types import Ints1d

from ..chain import BiluoTags
from ..chain.biluo import PREFIXES, UNKNOWN

# spaCy's values of ENT_IOB; 0 is a missing annotation.
_INSIDE, _OUTSIDE, _BEGIN = 1, 2, 3


def same_tokens(example: Example) -> bool:
    """RETURNS (bool): Whether both documents of an example have the same tokens."""
    return numpy.array_equal(example.predicted.to_array("ORTH"), example.reference.to_array("ORTH"))


def gold_tags(example: Example, tags: BiluoTags) -> Ints1d:
    """Read the entities of an example's reference document in the predicted document's tokens.

    example (Example): The example.
    tags (BiluoTags): The component's tags.
    RETURNS (Ints1d): (tokens of the predicted document,) tag numbers, UNKNOWN where the annotation
        is missing or does not fit the tokens.
    RAISES (ValueError): An entity with a label that the component does not have.
    """
    if not same_tokens(example):
        return tags.numbers(example.get_aligned_ner())
    # The same in array operations, as spaCy's alignment takes longer than an update.
    reference = example.reference
    columns = reference.to_array(["ENT_IOB", "ENT_TYPE", "IS_SPACE"]).T.reshape(3, -1)
    iob, types, space = columns
    entity = (types != 0) & ((iob == _BEGIN) | (iob == _INSIDE))
    outside = (iob == _OUTSIDE) | ((space != 0) & iob.any())
    numbers = numpy.where(outside, 0, UNKNOWN)
    begins = entity & (iob == _BEGIN)
    ends = entity & ~numpy.append(iob[1:] == _INSIDE, False)
    prefix = numpy.select([begins & ends, begins, ends], [PREFIXES.index(p) for p in "UBL"], 1)
    strings = reference.vocab.strings
    for key in numpy.unique(types[entity]).tolist():
        rows = entity & (types == key)
        numbers[rows] = tags.first_tag(strings[key]) + prefix[rows]
    return numbers
