"""spaCy's `beam_ner` as a teacher."""

import numpy
import pytest
from numpy.testing import assert_allclose
from spacy.tokens import Doc, Span

from spacy_distill.chain import BiluoTags
from spacy_distill.teachers import PipelineTeacher
from spacy_distill.teachers.spacy_ner import BeamTeacher


@pytest.fixture(scope="module")
def nlp(train_ner):
    # Greedy updates are faster. The beam is used only for prediction.
    return train_ner("beam_ner", beam_width=4, beam_update_prob=0.0)


def test_it_is_chosen_by_the_width_of_the_beam(nlp):
    teacher = PipelineTeacher(nlp)
    assert isinstance(teacher._teacher, BeamTeacher)
    assert teacher.labels == ("LOC", "PER", "WORK-OF-ART")


def test_its_best_sequence_is_what_the_pipeline_finds(nlp, random_docs):
    docs = random_docs(nlp.vocab, 60)
    teacher = BeamTeacher(nlp.get_pipe("ner"))
    tags = BiluoTags(teacher.labels)
    before = [doc.to_bytes() for doc in docs]
    chain = teacher.predict_chain(docs)
    assert [doc.to_bytes() for doc in docs] == before
    assert chain.lengths.tolist() == [len(doc) for doc in docs]
    assert_allclose(chain.marginals().sum(axis=1), 1, atol=1e-5)
    found = numpy.split(chain.argmax(), numpy.cumsum(chain.lengths)[:-1])
    n_same = 0
    for doc, numbers in zip(docs, found, strict=True):
        entities = [(e.start, e.end, e.label_) for e in nlp.get_pipe("ner")(doc.copy()).ents]
        n_same += tags.spans(numbers) == entities
    assert n_same >= len(docs) - 1


def test_probabilities_are_those_of_the_parses_in_the_beam(nlp, random_docs):
    pipe = nlp.get_pipe("ner")
    tags = BiluoTags(tuple(sorted(pipe.labels)))
    softness = 0.0
    for doc in random_docs(nlp.vocab, 20, seed=1, longest=6)[1:]:
        if not len(doc):
            continue
        (beam,) = pipe.predict([doc])
        parses = pipe.moves.get_beam_parses(beam)
        total = sum(probability for probability, _ in parses)
        expected = numpy.zeros((len(doc), len(tags)))
        for probability, spans in parses:
            rows = numpy.zeros(len(doc), dtype=int)
            for start, end, label in spans:
                rows[start:end] = tags.span_tags(end - start, label)
            expected[numpy.arange(len(doc)), rows] += probability / total
        chain = BeamTeacher(pipe).predict_chain([doc])
        # Except where the best parse was not the best sequence, so that its weight was increased.
        if numpy.abs(chain.marginals() - expected).max() < 1e-4:
            softness += 1 - expected.max(axis=1).min()
    assert softness > 0.5


def test_a_document_alone_gives_the_same_as_in_a_batch(nlp, random_docs):
    docs = random_docs(nlp.vocab, 15, seed=2)
    teacher = BeamTeacher(nlp.get_pipe("ner"))
    alone = [teacher.predict_chain([doc]).marginals() for doc in docs]
    assert_allclose(teacher.predict_chain(docs).marginals(), numpy.concatenate(alone), atol=1e-4)


def test_empty_documents_have_empty_chains(nlp):
    teacher = BeamTeacher(nlp.get_pipe("ner"))
    assert teacher.predict_chain([Doc(nlp.vocab)]).emissions.shape == (0, 13)
    docs = [Doc(nlp.vocab), Doc(nlp.vocab, words=["Oslo"])]
    assert teacher.predict_chain(docs).lengths.tolist() == [0, 1]


def test_entities_that_are_there_stay_and_blocked_tokens_are_in_none(train_ner):
    """An entity with an unknown label is ignored, and the teacher's labels do not change, although
    spaCy adds the label to the component."""
    nlp = train_ner("beam_ner", beam_width=4, beam_update_prob=0.0)
    teacher = BeamTeacher(nlp.get_pipe("ner"))
    doc = Doc(nlp.vocab, words=["Anna", "sails", "to", "Kiel", "Oslo", "Lund"])
    doc.set_ents([Span(doc, 1, 3, "LOC"), Span(doc, 3, 4, "SHIP")], blocked=[doc[4:5]])
    for _ in range(2):
        chain = teacher.predict_chain([doc, doc.copy()])
        names = [BiluoTags(teacher.labels).names[number] for number in chain.argmax()[:6]]
        assert names[1:5] == ["B-LOC", "L-LOC", "O", "O"]
        assert teacher.labels == ("LOC", "PER", "WORK-OF-ART")
        assert (chain.marginals()[[1, 2, 3, 4]].max(axis=1) > 0.99).all()
