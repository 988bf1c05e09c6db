import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_distill.training.corpus import with_student_tokens


@pytest.fixture
def example():
    """Make an example from the student's tokens and an annotation with other tokens."""
    vocab = spacy.blank("en").vocab

    def make(predicted, reference, spans=(), **options):
        docs = []
        for text in (predicted, reference):
            # A bar stands between tokens that no space separates.
            words = text.replace("|", " | ").split()
            spaces = [word != "|" for word in words[1:]] + [False]
            kept = [number for number, word in enumerate(words) if word != "|"]
            docs.append(
                Doc(vocab, words=[words[n] for n in kept], spaces=[spaces[n] for n in kept])
            )
        if options or spans is not None:
            ents = [Span(docs[1], start, end, label=label) for start, end, label in spans or ()]
            docs[1].set_ents(ents, **options)
        return Example(*docs)

    return make


def aligned(example):
    (changed,) = with_student_tokens([example])
    words = [
        [token.text_with_ws for token in doc] for doc in (changed.predicted, changed.reference)
    ]
    assert words[0] == words[1]
    assert changed.predicted is example.predicted
    return changed


def test_examples_with_equal_tokens_pass_as_they_are(example):
    same = example("Anna|'s boat", "Anna|'s boat", [(0, 1, "PER")])
    assert next(iter(with_student_tokens([same]))) is same


def test_entities_are_carried_over(example):
    changed = aligned(example("Anna Berg|'s boat|.", "Anna Berg|'s boat.", [(0, 2, "PER")]))
    assert [(ent.text, ent.label_) for ent in changed.reference.ents] == [("Anna Berg", "PER")]
    assert changed.get_aligned_ner() == ["B-PER", "L-PER", "O", "O", "O"]


def test_an_entity_that_does_not_fit_becomes_unknown(example):
    changed = aligned(example("Anna Berg's boat", "Anna Berg|'s boat", [(0, 2, "PER")]))
    assert changed.reference.ents == ()
    assert changed.get_aligned_ner() == [None, None, "O"]


def test_unknown_tokens_stay_unknown(example):
    partial = example("Anna|'s boat|.", "Anna|'s boat.", [(0, 1, "PER")], default="missing")
    assert aligned(partial).get_aligned_ner() == ["U-PER", None, None, None]


def test_a_document_without_annotation_stays_without(example):
    changed = aligned(example("Anna|'s boat|.", "Anna|'s boat.", None))
    assert not changed.reference.has_annotation("ENT_IOB")
