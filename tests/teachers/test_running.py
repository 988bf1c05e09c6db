"""Components before the one that teaches may return new documents, or wrong results."""

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_distill.annotation.annotator import Annotator
from spacy_distill.chain import BiluoTags
from spacy_distill.corpora.inputs import InputDocument
from spacy_distill.teachers import CachedTeacher, EnsembleTeacher, PipelineTeacher

KINDS = ["ruler", "spans", "ner", "beam_ner", "ner_student"]


def retokenized(doc, words):
    """RETURNS (Doc): A new document with the same text and these words."""
    ends = {token.idx + len(token): bool(token.whitespace_) for token in doc}
    spaces, end = [], 0
    for word in words:
        end += len(word)
        spaces.append(ends.get(end, False))
        end += spaces[-1]
    return Doc(doc.vocab, words=words, spaces=spaces)


@Language.component("spacy_distill_tests_joining")
def joining(doc):
    """Joins "Anna" and her last name to one word."""
    text = doc.text.replace("Anna Berg", "Anna_Berg")
    return retokenized(doc, [word.replace("Anna_", "Anna ") for word in text.split()])


@Language.component("spacy_distill_tests_splitting")
def splitting(doc):
    """Splits words with more than six letters after the third."""
    parts = ([w[:3], w[3:]] if len(w) > 6 else [w] for w in (token.text for token in doc))
    return retokenized(doc, [part for pair in parts for part in pair])


@Language.component("spacy_distill_tests_merging_in_place")
def merging_in_place(doc):
    with doc.retokenize() as retokenizer:
        for token in doc[:-1]:
            if token.text == "Anna":
                retokenizer.merge(doc[token.i : token.i + 2])
    return doc


@Language.component("spacy_distill_tests_forgetful")
def forgetful(doc):
    doc.user_data["seen"] = True


@Language.component("spacy_distill_tests_shouting")
def shouting(doc):
    return Doc(doc.vocab, words=[token.text.upper() for token in doc])


class Dropping:
    """Drops documents with one word."""

    def pipe(self, docs, batch_size):
        return (doc for doc in docs if len(doc) != 1)


@Language.factory("spacy_distill_tests_dropping")
def make_dropping(nlp, name):
    return Dropping()


def ruler(*patterns):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns(
        [{"label": label, "pattern": [{"TEXT": word}]} for label, word in patterns]
    )
    return nlp


def entities(teacher, docs):
    """RETURNS (List[List[Tuple[str, str]]]): The text and label of the entities in each
    document."""
    chain = teacher.predict_chain(docs)
    rows = numpy.split(chain.argmax(), numpy.cumsum(chain.lengths)[:-1])
    tags = BiluoTags(teacher.labels)
    return [
        [(doc[start:end].text, label) for start, end, label in tags.spans(best)]
        for doc, best in zip(docs, rows, strict=True)
    ]


@pytest.mark.parametrize("component", ["joining", "merging_in_place"])
def test_words_that_the_pipeline_joins_are_split_again(component):
    nlp = ruler(("PER", "Anna Berg"), ("LOC", "Oslo"))
    nlp.add_pipe(f"spacy_distill_tests_{component}", first=True)
    docs = [nlp.make_doc(text) for text in ("Anna Berg sails to Oslo .", "Oslo waits .")]
    expected = [[("Anna Berg", "PER"), ("Oslo", "LOC")], [("Oslo", "LOC")]]
    teacher = PipelineTeacher(nlp)
    assert entities(teacher, docs) == expected
    for wrapped in (EnsembleTeacher([teacher]), CachedTeacher(teacher)):
        assert entities(wrapped, docs) == expected


def test_an_entity_in_a_part_of_a_word_is_unknown_and_counted():
    nlp = ruler(("ORG", "Cle"), ("LOC", "Oslo"))
    nlp.add_pipe("spacy_distill_tests_splitting", first=True)
    teacher = PipelineTeacher(nlp)
    docs = [nlp.make_doc(text) for text in ("Clementine .", "Oslo .")]
    chain = teacher.predict_chain(docs)
    assert chain.known.tolist() == [False, True, True, True]
    assert teacher.n_misfits == 1
    documents = [InputDocument(doc.text, doc.text) for doc in docs]
    soft = Annotator(PipelineTeacher(nlp), top_k=9, batch_size=2).annotate(documents)
    assert soft.misfits == 1 and soft.entities == 1
    assert [item.targets.counts.astype(bool).tolist() for item in soft.documents] == [
        [False, True],
        [True, True],
    ]


def test_words_whose_spaces_are_not_known():
    """Documents from CoNLL files have no spaces, and a component may lose them."""
    nlp = ruler(("PER", "Anna Berg"), ("LOC", "Oslo"))
    nlp.add_pipe("spacy_distill_tests_joining", first=True)
    words = ["Anna", "Berg", "sails", "to", "Oslo", "."]
    found = entities(PipelineTeacher(nlp), [Doc(nlp.vocab, words=words)])
    assert found == [[("Anna Berg", "PER"), ("Oslo", "LOC")]]

    @Language.component("spacy_distill_tests_without_spaces")
    def without_spaces(doc):
        return Doc(doc.vocab, words=[token.text for token in joining(doc)])

    nlp = ruler(("PER", "Anna Berg"), ("LOC", "Oslo"))
    nlp.add_pipe("spacy_distill_tests_without_spaces", first=True)
    found = entities(PipelineTeacher(nlp), [nlp.make_doc(" ".join(words))])
    assert found == [[("Anna Berg", "PER"), ("Oslo", "LOC")]]


@pytest.mark.parametrize("kind", KINDS)
def test_documents_that_follow_are_not_shifted(train_ner, kind):
    """For each kind of teacher, other documents in the batch have no effect."""
    options = {}
    if kind in ("ner", "beam_ner"):
        settings = {"beam_width": 4} if kind == "beam_ner" else {}
        nlp = train_ner(kind, **settings)
    elif kind == "ner_student":
        nlp = spacy.blank("en")
        narrow = {
            "embed": {"features": {"width": 8}, "characters": {"filters": 8}},
            "encode": {"width": 16, "depth": 1},
        }
        pipe = nlp.add_pipe("ner_student", config={"model": narrow})
        for label in ("LOC", "PER"):
            pipe.add_label(label)
        nlp.initialize()
    else:
        nlp = ruler(("LOC", "Oslo"))
        if kind == "spans":
            nlp = spacy.blank("en")
            nlp.add_pipe("span_ruler").add_patterns([{"label": "LOC", "pattern": "Oslo"}])
            options = {"spans_key": "ruler"}
    nlp.add_pipe("spacy_distill_tests_joining", first=True)
    teacher = PipelineTeacher(nlp, **options)
    docs = [nlp.make_doc(text) for text in ("Anna Berg sails .", "In Oslo waits Anna .")]
    both = teacher.predict_chain(docs)
    assert both.lengths.tolist() == [4, 5]
    alone = teacher.predict_chain(docs[1:]).marginals()
    numpy.testing.assert_allclose(both.marginals()[4:], alone, atol=1e-4)


@pytest.mark.parametrize(
    "component, message",
    [
        ("forgetful", r"\[D271\].*'broken'.*for 'Anna sails': found NoneType"),
        ("shouting", r"\[D272\].*'broken'.*text 'Anna sails' to 'ANNA SAILS ?'"),
        ("dropping", r"\[D270\].*'broken'.*returned 1 documents for 2"),
    ],
)
def test_what_a_component_returns_has_to_be_the_document(component, message):
    nlp = ruler(("LOC", "Oslo"))
    nlp.add_pipe(f"spacy_distill_tests_{component}", name="broken", first=True)
    with pytest.raises(ValueError, match=message):
        PipelineTeacher(nlp).predict_chain([nlp.make_doc("Anna sails"), nlp.make_doc("Oslo")])
