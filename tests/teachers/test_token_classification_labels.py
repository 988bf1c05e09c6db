"""Sequences of classes keep their probabilities as sequences of tags."""

import re

import pytest
from numpy.testing import assert_allclose

from spacy_distill.teachers.token_classification import TokenClassificationTeacher
from tests.teachers.token_classifiers import (
    IO,
    IOB1,
    IOB2,
    IOBES,
    Reference,
    assert_distribution,
    make_doc,
    tags_of_iob2,
    tags_of_types,
    weights,
)

pytestmark = pytest.mark.usefixtures("quiet")


def test_iob2_sequences_keep_their_probabilities(save):
    folder = save(IOB2)
    teacher = TokenClassificationTeacher(folder)
    words = ["Anna", "Berg", "sails", "Oslo"]
    chain = teacher.predict_chain([make_doc(words)])
    probabilities = Reference(folder).word_probabilities(words)
    assert teacher.scheme.name == "iob2"
    assert_distribution(chain, teacher.labels, weights(probabilities, IOB2, tags_of_iob2))


def test_iobes_classes_are_tags(save):
    folder = save(IOBES)
    teacher = TokenClassificationTeacher(folder)
    words = ["Anna", "Berg", "Oslo"]
    chain = teacher.predict_chain([make_doc(words)])
    possible = re.compile(r"(O |U-\w+ |B-(\w+) (I-\2 )*L-\2 )*")

    def to_tags(classes):
        tags = [name.replace("S-", "U-").replace("E-", "L-") for name in classes]
        return tags if possible.fullmatch("".join(f"{tag} " for tag in tags)) else None

    assert teacher.scheme.name == "iobes"
    probabilities = Reference(folder).word_probabilities(words)
    assert_distribution(chain, teacher.labels, weights(probabilities, IOBES, to_tags))


def test_ioe2_sequences_keep_their_probabilities(save):
    """E ends an entity, so "I E I E" is two entities, and I is never followed by O."""
    classes = ["O", "I-PER", "E-PER", "I-LOC", "E-LOC"]
    folder = save(classes)
    teacher = TokenClassificationTeacher(folder)
    words = ["Anna", "Berg", "sails", "Oslo"]
    chain = teacher.predict_chain([make_doc(words)])

    def to_tags(names):
        """Read from the end, IOE2 is IOB2, and BILUO has B for L and L for B."""
        iob2 = [name.replace("E-", "B-") for name in reversed(names)]
        tags = tags_of_iob2(iob2)
        swapped = str.maketrans("BL", "LB")
        return tags and [tag[0].translate(swapped) + tag[1:] for tag in reversed(tags)]

    assert teacher.scheme.name == "ioe2"
    probabilities = Reference(folder).word_probabilities(words)
    assert_distribution(chain, teacher.labels, weights(probabilities, classes, to_tags))


@pytest.mark.parametrize("classes, scheme", [(IO, None), (IOB1, None), (IOB2, "io")])
def test_types_alone_keep_the_probabilities_of_their_sequences(save, classes, scheme):
    folder = save(classes)
    teacher = TokenClassificationTeacher(folder, scheme=scheme)
    words = ["Anna", "Berg", "sails", "Oslo"]
    chain = teacher.predict_chain([make_doc(words)])
    types = [name[2:] or name if name[:2] in ("B-", "I-") else name for name in classes]
    probabilities = Reference(folder).word_probabilities(words)
    assert teacher.scheme.name == "io"
    assert teacher.labels == tuple(dict.fromkeys(name for name in types if name != "O"))
    expected = weights(probabilities, types, tags_of_types)
    assert_allclose(sum(expected.values()), 1)
    assert_distribution(chain, teacher.labels, expected)
