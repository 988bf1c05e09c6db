import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam

from spacy_distill.teachers import PipelineTeacher, TeacherOptions, load_teacher

SENTENCES = [
    ("Anna sails to Oslo", [(0, 1, "PER"), (3, 4, "LOC")]),
    ("Carl Lund waits", [(0, 2, "PER")]),
    ("Kiel is quiet", [(0, 1, "LOC")]),
]
NARROW = {
    "embed": {"features": {"width": 8}, "characters": {"filters": 8}},
    "encode": {"width": 16, "depth": 1},
}
CNN = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 16,
    "depth": 1,
    "embed_size": 100,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}


@Language.component("spacy_distill_tests_failing")
def failing(doc):
    raise AssertionError("Components after the one that teaches have nothing to do.")


@Language.component("spacy_distill_tests_marking")
def marking(doc):
    doc.user_data["marked"] = True
    return doc


def examples(nlp, labels=None):
    made = []
    for words, spans in SENTENCES:
        doc = Doc(nlp.vocab, words=words.split())
        doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans])
        made.append(Example(nlp.make_doc(words), doc))
    return made


def student(labels=("LOC", "PER"), name="ner_student", nlp=None):
    nlp = nlp or spacy.blank("xx")
    pipe = nlp.add_pipe("ner_student", name=name, config={"model": NARROW})
    pipe.initialize(lambda: examples(nlp), nlp=nlp, labels=labels)
    return nlp


def test_the_one_component_that_can_teach_is_chosen():
    nlp = student(name="names")
    nlp.add_pipe("sentencizer", first=True)
    teacher = PipelineTeacher(nlp)
    assert teacher.pipe_name == "names"
    assert teacher.labels == ("LOC", "PER")
    assert PipelineTeacher(nlp, "names").pipe_name == "names"


def test_no_component_can_teach():
    nlp = spacy.blank("xx")
    with pytest.raises(ValueError, match=r"has none known to find.*components are: none"):
        PipelineTeacher(nlp)
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match=r"none known to find.*are: sentencizer \(sentencizer\)"):
        PipelineTeacher(nlp)


def test_several_components_can_teach():
    nlp = student(name="second", nlp=student(name="first"))
    with pytest.raises(
        ValueError, match=r"has several that find entities: first, second\..*--teacher-pipe"
    ):
        PipelineTeacher(nlp)
    assert PipelineTeacher(nlp, "second").pipe_name == "second"


def test_a_wrong_name_is_answered_with_what_there_is():
    nlp = student(name="names")
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match=r"no component 'ner'.*are: names \(ner_student\), sent"):
        PipelineTeacher(nlp, "ner")
    with pytest.raises(ValueError, match=r"'sentencizer' does not say which labels.*--labels"):
        PipelineTeacher(nlp, "sentencizer")


def test_labels_of_other_things_than_entities_are_not_taken():
    nlp = spacy.blank("xx")
    nlp.add_pipe("tagger").add_label("NN")
    nlp.add_pipe("ner").add_label("PER")
    with pytest.raises(ValueError, match=r"'tagger' does not say.*to doc\.ents.*ner \(ner\)"):
        PipelineTeacher(nlp, "tagger")
    with pytest.raises(
        ValueError, match=r"'ner' does not say which labels it writes to doc\.spans"
    ):
        PipelineTeacher(nlp, "ner", spans_key="sc")


def test_components_before_the_teacher_run_and_those_after_do_not():
    nlp = student()
    nlp.add_pipe("spacy_distill_tests_marking", first=True)
    nlp.add_pipe("spacy_distill_tests_failing", last=True)
    seen = []
    pipe = nlp.get_pipe("ner_student")
    predict_chain = pipe.predict_chain
    pipe.predict_chain = lambda docs: seen.extend(docs) or predict_chain(docs)
    doc = spacy.blank("de").make_doc("Anna sails to Oslo")
    before = doc.to_bytes()
    chain = PipelineTeacher(nlp).predict_chain([doc])
    assert seen[0].user_data["marked"] and seen[0].vocab is nlp.vocab
    assert doc.to_bytes() == before
    expected = predict_chain([nlp.make_doc("Anna sails to Oslo")])
    numpy.testing.assert_array_equal(chain.emissions, expected.emissions)


def test_documents_keep_their_tokens():
    # The teacher's own tokenizer would make one token of the first two.
    nlp = student()
    words, spaces = ["New", "York", "-", "based"], [True, False, False, False]
    chain = PipelineTeacher(nlp).predict_chain([Doc(nlp.vocab, words=words, spaces=spaces)])
    assert chain.lengths.tolist() == [4]


def test_empty_documents():
    teacher = PipelineTeacher(student())
    docs = [spacy.blank("xx").make_doc(text) for text in ("", "Oslo", "")]
    assert teacher.predict_chain(docs).lengths.tolist() == [0, 1, 0]
    assert teacher.predict_chain(docs[:1]).emissions.shape == (0, 9)


def test_a_teacher_that_listens_to_a_tok2vec():
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": CNN})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "*"}
    nlp.add_pipe("ner_teacher", config={"model": {"embed": listener}})
    nlp.initialize(lambda: examples(nlp))
    docs = [nlp.make_doc(words) for words, _ in SENTENCES]
    chain = PipelineTeacher(nlp).predict_chain(docs)
    alone = [PipelineTeacher(nlp).predict_chain([doc]).emissions for doc in docs]
    numpy.testing.assert_allclose(chain.emissions, numpy.concatenate(alone), atol=1e-5)
    assert numpy.abs(chain.emissions).max() > 0


def test_labels_in_another_order_are_taught_as_what_they_mean():
    teacher = student(labels=("LOC", "PER"))
    optimizer = Adam(0.02)
    for _ in range(40):
        teacher.update(examples(teacher), sgd=optimizer)
    nlp = student(labels=("PER", "LOC"))
    pipe = nlp.get_pipe("ner_student")
    unlabeled = [Example(nlp.make_doc(words), nlp.make_doc(words)) for words, _ in SENTENCES]
    optimizer = Adam(0.02)
    for _ in range(40):
        pipe.distill(PipelineTeacher(teacher), unlabeled, sgd=optimizer)
    for words, spans in SENTENCES:
        assert [(ent.start, ent.end, ent.label_) for ent in nlp(words).ents] == spans


@Language.component("spacy_distill_tests_scored", assigns=["doc.ents"])
def scored(doc):
    doc.ents = [Span(doc, token.i, token.i + 1, "PER") for token in doc if token.is_title]
    for ent in doc.ents:
        ent._.sureness = 0.6
    return doc


def test_scores_of_entities_teach_over_other_tokens():
    Span.set_extension("sureness", default=None, force=True)
    nlp = spacy.blank("en")
    nlp.add_pipe("spacy_distill_tests_scored")
    options = TeacherOptions(labels=("PER",), score_attr="sureness")
    teacher = load_teacher(nlp, options)
    doc = Doc(nlp.vocab, words=["It", "'s", "An", "na"], spaces=[False, True, False, False])
    marginals = teacher.predict_chain([doc]).marginals()
    assert_allclose(marginals[2:, 0], [0.4, 0.4], atol=1e-4)
