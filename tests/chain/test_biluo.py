import itertools
import re

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from spacy.tokens import Doc
from spacy.training import biluo_tags_to_spans, offsets_to_biluo_tags

from spacy_distill.chain import BiluoTags, constraints, n_tags

VOCAB = spacy.blank("en").vocab
LABELS = ("PER", "creative-work", "LOC")


def is_biluo(names):
    """Check tag names with a regular expression for BILUO sequences: O, U, and entities with B, any
    number of I, and L of the same label."""
    labels = {name[2:] for name in names if name != "O"}
    entities = [f"U-{label} |B-{label} (I-{label} )*L-{label} " for label in map(re.escape, labels)]
    sequence = "".join(f"{name} " for name in names)
    return re.fullmatch(f"({'|'.join(['O ', *entities])})*", sequence) is not None


def possible_sequences(labels, length):
    names = BiluoTags(labels).names
    for numbers in itertools.product(range(len(names)), repeat=length):
        if is_biluo([names[number] for number in numbers]):
            yield numbers


# The entities of a document as runs of tokens: a label or None for outside, and a length.
runs = st.lists(st.tuples(st.sampled_from([None, *LABELS]), st.integers(1, 4)), max_size=5)


def lay_out(runs):
    starts = numpy.cumsum([0, *(length for _, length in runs)]).tolist()
    spans = [
        (start, start + length, label)
        for start, (label, length) in zip(starts, runs, strict=False)
        if label
    ]
    return starts[-1], spans


@pytest.mark.parametrize("n_labels, length", [(0, 3), (1, 4), (2, 1), (2, 2), (2, 3), (3, 2)])
def test_constraints_allow_exactly_the_valid_biluo_sequences(n_labels, length):
    names = BiluoTags(LABELS[:n_labels]).names
    start, transitions, end = constraints(n_labels)
    for tags in itertools.product(range(len(names)), repeat=length):
        pairs = itertools.pairwise(tags)
        score = start[tags[0]] + sum(transitions[pair] for pair in pairs) + end[tags[-1]]
        assert score == (0 if is_biluo([names[tag] for tag in tags]) else -numpy.inf), tags


def test_constraints_are_read_only():
    for array in constraints(2):
        assert array.dtype == "float32"
        with pytest.raises(ValueError, match="read-only"):
            array += 1


def test_a_new_label_does_not_change_other_tag_ids():
    """Resizing a trained model depends on it."""
    few, many = BiluoTags(LABELS[:2]), BiluoTags(LABELS)
    assert (len(few), len(many)) == (n_tags(2), n_tags(3)) == (len(few.names), len(many.names))
    assert many.names[: len(few)] == few.names
    for old, new in zip(constraints(2), constraints(3), strict=True):
        assert_array_equal(new[tuple(slice(size) for size in old.shape)], old)


@pytest.mark.parametrize("length", range(5))
def test_spans_agree_with_spacy_on_every_sequence(length):
    tags = BiluoTags(LABELS[:1] if length > 3 else LABELS[:2])
    doc = Doc(VOCAB, words=["word"] * length)
    for numbers in possible_sequences(tags.labels, length):
        expected = biluo_tags_to_spans(doc, [tags.names[number] for number in numbers])
        found = tags.spans(numpy.asarray(numbers, dtype="int64"))
        assert found == [(span.start, span.end, span.label_) for span in expected]


@given(runs)
def test_segments_and_spans_are_inverse(runs):
    length, spans = lay_out(runs)
    tags = BiluoTags(LABELS)
    rows, segments = tags.segments(spans)
    assert segments.shape == (len(spans), max((end - start for start, end, _ in spans), default=0))
    numbers = numpy.zeros(length, dtype="int64")
    for row, segment, (start, end, _) in zip(rows, segments, spans, strict=True):
        assert row == start
        assert (segment[end - start :] == -1).all()
        numbers[start:end] = segment[: end - start]
    doc = Doc(VOCAB, words=["word"] * length)
    offsets = [
        (doc[start].idx, doc[end - 1].idx + len(doc[end - 1]), label) for start, end, label in spans
    ]
    assert [tags.names[number] for number in numbers] == offsets_to_biluo_tags(doc, offsets)
    assert tags.spans(numbers) == spans


def test_all_tags_are_allowed_at_unknown_tokens():
    tags = BiluoTags(("PER",))
    numbers = tags.tag_ids(["O", None, "", "-", *tags.names[1:]])
    assert numbers.dtype == "int64"
    assert numbers.tolist() == [0, -1, -1, -1, 1, 2, 3, 4]
    allowed = tags.allowed(numbers)
    assert allowed.dtype == bool
    known = numpy.eye(5, dtype=bool)
    assert_array_equal(allowed, [known[0], [True] * 5, [True] * 5, [True] * 5, *known[1:]])
    assert tags.allowed(tags.tag_ids([])).shape == (0, 5)


def test_tag_ids_are_indices_of_names():
    """Labels can contain hyphens; the first one separates the prefix."""
    tags = BiluoTags(LABELS)
    assert tags.tag_ids(tags.names).tolist() == list(range(len(tags)))


@pytest.mark.parametrize(
    "labels, tag, label, known",
    [
        (("PER", "LOC"), "B-ORG", "ORG", "PER, LOC"),
        (("PER",), "I-PER-X", "PER-X", "PER"),
        ((), "U-PER", "PER", "none"),
    ],
)
def test_the_error_names_unknown_and_known_labels(labels, tag, label, known):
    message = f"the label '{label}', but the labels are: {known}. Add the label"
    with pytest.raises(ValueError, match=re.escape(message)):
        BiluoTags(labels).tag_ids(["O", tag])
    with pytest.raises(ValueError, match=re.escape(message)):
        BiluoTags(labels).segments([(0, 2, label)])


@pytest.mark.parametrize("tag", ["PER", "S-PER", "E-PER", "BPER", "o", " "])
def test_tags_of_other_schemes_are_rejected(tag):
    with pytest.raises(ValueError, match=f"'{tag}' is not a BILUO tag.*Convert the annotation"):
        BiluoTags(("PER",)).tag_ids([tag])


def test_without_labels_there_is_one_tag():
    tags = BiluoTags(())
    assert (len(tags), tags.names) == (1, ("O",))
    assert tags.allowed(tags.tag_ids(["O", None])).tolist() == [[True], [True]]
    assert tags.spans(numpy.zeros(3, dtype="int64")) == []
    assert [array.tolist() for array in constraints(0)] == [[0], [[0]], [0]]
