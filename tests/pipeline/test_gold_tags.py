import numpy
import pytest
import spacy
from hypothesis import example as also
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_distill.chain import BiluoTags
from spacy_distill.pipeline.gold_tags import gold_tags

VOCAB = spacy.blank("en").vocab
TAGS = BiluoTags(("LOC", "PER"))

# Parts of a document: their annotation and their words.
stretches = st.lists(
    st.tuples(
        st.sampled_from(["LOC", "PER", "outside", "missing", "blocked"]),
        st.lists(st.sampled_from(["Anna", "Berg", "of", "\n", " "]), min_size=1, max_size=4),
    ),
    max_size=6,
)


def annotate(stretches, default):
    """RETURNS (Example): A document with these annotated parts, and the same without annotation."""
    words = [word for _, part in stretches for word in part]
    doc = Doc(VOCAB, words=words)
    groups = {"outside": [], "missing": [], "blocked": []}
    entities, start = [], 0
    for kind, part in stretches:
        end = start + len(part)
        if kind in groups:
            groups[kind].append(Span(doc, start, end))
        else:
            entities.append(Span(doc, start, end, label=kind))
        start = end
    if stretches:
        doc.set_ents(entities, default=default, **groups)
    return Example(Doc(VOCAB, words=words), doc)


@given(stretches=stretches, default=st.sampled_from(["outside", "missing"]))
@also(stretches=[("blocked", ["Anna"]), ("outside", ["of"])], default="outside")
@also(stretches=[("missing", ["\n"]), ("outside", ["of"])], default="outside")
@also(stretches=[("PER", ["Anna"]), ("PER", ["Berg"])], default="missing")
def test_gold_tags_equal_spacys_alignment(stretches, default):
    example = annotate(stretches, default)
    expected = TAGS.tag_ids(example.get_aligned_ner())
    numpy.testing.assert_array_equal(gold_tags([example], TAGS), expected)


@given(batch=st.lists(st.tuples(stretches, st.booleans()), max_size=5))
def test_tags_of_a_batch_equal_tags_of_its_documents(batch):
    """Some of the documents have no tokens, or other tokens than the reference."""
    examples = []
    for annotation, others in batch:
        example = annotate(annotation, "missing")
        if others:
            joined = "".join(word for _, part in annotation for word in part).split()
            example = Example(Doc(VOCAB, words=joined), example.reference)
        examples.append(example)
    expected = [TAGS.tag_ids(example.get_aligned_ner()) for example in examples]
    found = gold_tags(examples, TAGS)
    assert found.dtype == "int64"
    assert found.tolist() == [number for numbers in expected for number in numbers]


@given(stretches=stretches)
def test_tags_can_be_converted_back_to_entities(stretches):
    example = annotate([part for part in stretches if part[0] != "missing"], "outside")
    gold = [(ent.start, ent.end, ent.label_) for ent in example.reference.ents]
    assert TAGS.spans(numpy.maximum(gold_tags([example], TAGS), 0)) == gold


def test_a_document_without_annotation_is_all_unknown():
    words = ["Anna", "Berg", "\n"]
    example = Example(Doc(VOCAB, words=words), Doc(VOCAB, words=words))
    assert gold_tags([example], TAGS).tolist() == [-1, -1, -1]


def test_other_tokens_are_aligned():
    predicted = Doc(VOCAB, words=["New", "York", "City", "'s", "mayor"])
    reference = Doc(VOCAB, words=["New York", "City's", "mayor"])
    reference.set_ents([Span(reference, 0, 1, label="LOC"), Span(reference, 2, 3, label="PER")])
    example = Example(predicted, reference)
    numbers = gold_tags([example], TAGS)
    assert numbers.tolist() == TAGS.tag_ids(example.get_aligned_ner()).tolist()
    assert [TAGS.names[number] for number in numbers] == ["B-LOC", "L-LOC", "O", "O", "U-PER"]


@pytest.mark.parametrize("tokens", [["Anna", "Berg"], ["Anna Berg"]])
def test_the_error_names_an_unknown_label(tokens):
    predicted = Doc(VOCAB, words=["Anna", "Berg"])
    reference = Doc(VOCAB, words=tokens)
    reference.set_ents([Span(reference, 0, len(tokens), label="ANIMAL")])
    with pytest.raises(ValueError, match="label 'ANIMAL', but the labels are: LOC, PER"):
        gold_tags([Example(predicted, reference)], TAGS)
