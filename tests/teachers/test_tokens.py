"""Carrying a chain over to other tokens of the same text."""

import itertools

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from spacy.tokens import Doc

from spacy_distill.chain import BiluoTags, LinearChain, chain_from_marginals, constraints
from spacy_distill.teachers.tokens import align, carry_over

LABELS = ("LOC", "PER")
TAGS = BiluoTags(LABELS)
VOCAB, OTHER_VOCAB = spacy.blank("en").vocab, spacy.blank("de").vocab
TEXTS = st.text(alphabet="ab  é木\n-", min_size=1, max_size=14)


def cut(text, borders):
    """RETURNS (Doc): The text with a token's border at each of these characters; a space before a
    border is the token's own white space where spaCy allows this."""
    edges = sorted({0, len(text), *(border for border in borders if border < len(text))})
    words, spaces = [], []
    for start, end in itertools.pairwise(edges):
        has_space = end - start > 1 and text[end - 1] == " "
        words.append(text[start : end - has_space])
        spaces.append(has_space)
    return Doc(VOCAB, words=words, spaces=spaces)


@st.composite
def tokenized(draw, n=2, n_docs=2):
    """Texts, each in several tokenizations. RETURNS (Tuple[List[Doc], ...])"""
    texts = draw(st.lists(TEXTS, min_size=1, max_size=n_docs))
    borders = st.lists(st.integers(0, 14), max_size=14)
    return tuple([cut(text, draw(borders)) for text in texts] for _ in range(n))


def lengths_of(docs):
    return numpy.asarray([len(doc) for doc in docs])


def random_chain(docs, seed, scale=1.5):
    rng = numpy.random.default_rng(seed)
    start, transitions, end = constraints(len(LABELS))
    emissions = scale * rng.normal(size=(lengths_of(docs).sum(), len(TAGS)))
    return LinearChain(emissions.astype("float32"), lengths_of(docs), transitions, start, end)


def certain_chain(docs, seed):
    """All the probability on one sequence for each document."""
    best = random_chain(docs, seed, scale=3).argmax()
    marginals = numpy.eye(len(TAGS), dtype="float32")[best]
    return chain_from_marginals(marginals, lengths_of(docs))


def entities(chain, docs):
    """RETURNS (List[Set[Tuple[int, int, str]]]): For each document, the best sequence's entities by
    their first character, and the first one after the token that is their last."""
    best = numpy.split(chain.argmax(), numpy.cumsum(chain.lengths)[:-1])
    return [
        {
            (doc[start].idx, doc[end].idx if end < len(doc) else len(doc.text), label)
            for start, end, label in TAGS.spans(tags)
        }
        for doc, tags in zip(docs, best, strict=True)
    ]


def borders(doc):
    return {*doc.to_array("IDX").tolist(), len(doc.text)}


def columns(prefixes):
    """RETURNS (List[List[int]]): For each label, the tags with one of these prefixes."""
    return [[TAGS.names.index(f"{p}-{label}") for p in prefixes] for label in LABELS]


@settings(max_examples=40, deadline=None)
@given(tokenized(), st.integers(0, 2**32 - 1))
def test_the_same_tokens_keep_their_marginals(docs, seed):
    (docs, _), chain = docs, random_chain(docs[0], seed)
    copies = [Doc(OTHER_VOCAB).from_bytes(doc.to_bytes()) for doc in docs]
    carried, n_misfits = carry_over(chain, LABELS, align(docs, copies), lengths_of(docs))
    assert_allclose(carried.marginals(), chain.marginals(), atol=2e-5)
    assert carried.known is None
    assert n_misfits == 0


@settings(max_examples=50, deadline=None)
@given(tokenized())
def test_blocks_are_the_least_that_cover_the_same_characters(docs):
    sources, targets = docs
    blocks = align(sources, targets)
    assert blocks.source.tolist() == [0, *numpy.cumsum(blocks.n_source)[:-1]]
    assert blocks.target.tolist() == [0, *numpy.cumsum(blocks.n_target)[:-1]]
    assert min(blocks.n_source) > 0 and min(blocks.n_target) > 0
    assert blocks.n_source.sum() == lengths_of(sources).sum()
    assert blocks.n_target.sum() == lengths_of(targets).sum()
    texts = [[doc.text[t.idx :] for doc in docs for t in doc] for docs in docs]
    for source, target in zip(blocks.source, blocks.target, strict=True):
        assert texts[0][source] == texts[1][target]
    common = [borders(a) & borders(b) for a, b in zip(sources, targets, strict=True)]
    assert len(blocks.source) == sum(len(found) - 1 for found in common)


@settings(max_examples=50, deadline=None)
@given(tokenized(), st.integers(0, 2**32 - 1))
def test_what_is_carried_over_is_a_chain(docs, seed):
    """Marginals are probabilities, and those of tags that open and close entities add up."""
    sources, targets = docs
    blocks = align(sources, targets)
    chain, _ = carry_over(random_chain(sources, seed), LABELS, blocks, lengths_of(targets))
    marginals = chain.marginals()
    assert chain.lengths.tolist() == lengths_of(targets).tolist()
    assert_allclose(marginals.sum(axis=1), 1, atol=1e-5)
    for opened, goes_on in zip(columns("BI"), columns("IL"), strict=True):
        left = marginals[:, opened].sum(axis=1)
        arrived = marginals[:, goes_on].sum(axis=1)
        for last in numpy.cumsum(chain.lengths) - 1:
            assert left[last] == pytest.approx(0, abs=1e-6)
            left[last] = 0
        assert_allclose(arrived, numpy.append(0, left[:-1]), atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(tokenized(n=1), st.integers(0, 2**32 - 1))
def test_tokens_that_are_split_and_joined_again_are_as_before(docs, seed):
    """But for one thing: that the end of an entity knows where the entity began. The parts of a
    token cannot tell that, so that B and U, or I and L, may change places."""
    (docs,) = docs
    parts = [cut(doc.text, range(20)) for doc in docs]
    chain = random_chain(docs, seed)
    split, _ = carry_over(chain, LABELS, align(docs, parts), lengths_of(parts))
    back, _ = carry_over(split, LABELS, align(parts, docs), lengths_of(docs))
    before, after = chain.marginals(), back.marginals()
    assert split.known is None and back.known is None
    assert_allclose(after[:, 0], before[:, 0], atol=1e-4)
    for begun in columns("BU"):
        # What is open at the first part of a token is what was open at the token's beginning.
        rows = align(docs, parts).target
        expected = before[:, begun].sum(axis=1)
        found = split.marginals()[rows][:, begun].sum(axis=1)
        assert_allclose(found, expected, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(tokenized(n=1), st.integers(0, 2**32 - 1))
def test_of_what_is_certain_all_comes_back(docs, seed):
    (docs,) = docs
    parts = [cut(doc.text, range(20)) for doc in docs]
    chain = certain_chain(docs, seed)
    split, _ = carry_over(chain, LABELS, align(docs, parts), lengths_of(parts))
    assert entities(split, parts) == entities(chain, docs)
    back, _ = carry_over(split, LABELS, align(parts, docs), lengths_of(docs))
    assert_allclose(back.marginals(), chain.marginals(), atol=1e-4)


@settings(max_examples=80, deadline=None)
@given(tokenized(), st.integers(0, 2**32 - 1))
def test_entities_that_fit_stay_and_others_become_unknown(docs, seed):
    sources, targets = docs
    chain = certain_chain(sources, seed)
    blocks = align(sources, targets)
    carried, _ = carry_over(chain, LABELS, blocks, lengths_of(targets))
    known = numpy.ones(lengths_of(targets).sum(), bool) if carried.known is None else carried.known
    before, after = entities(chain, sources), entities(carried, targets)
    known_docs = numpy.split(known, numpy.cumsum(lengths_of(targets))[:-1])
    n_misfits = 0
    for source, target, doc_known, old, new in zip(
        sources, targets, known_docs, before, after, strict=True
    ):
        common = borders(source) & borders(target)
        fitting = {entity for entity in old if {*entity[:2]} <= common}
        n_misfits += len(old - fitting)
        # Nothing that the teacher did not find is known.
        for start, end, label in new - fitting:
            tokens = [token.i for token in target if start <= token.idx < end]
            assert not all(doc_known[tokens]), (start, end, label)
        if all(doc_known):
            assert old == fitting == new
        ends = itertools.pairwise(sorted(common))
        spoilt = [
            (low, high)
            for low, high in ends
            if any(start < high and low < end for start, end, _ in old - fitting)
        ]
        for token in target:
            inside = any(low <= token.idx < high for low, high in spoilt)
            assert doc_known[token.i] == (not inside), token
    assert carry_over(chain, LABELS, blocks, lengths_of(targets))[1] == n_misfits


@settings(max_examples=50, deadline=None)
@given(tokenized(), st.integers(0, 2**32 - 1))
def test_an_entity_keeps_its_probability_where_other_tokens_are_split(docs, seed):
    sources = docs[0]
    pairs = zip(*docs, strict=True)
    targets = [cut(a.text, [t.idx for doc in (a, b) for t in doc]) for a, b in pairs]
    blocks = align(sources, targets)
    chain = random_chain(sources, seed)
    carried, _ = carry_over(chain, LABELS, blocks, lengths_of(targets))
    document = numpy.repeat(numpy.arange(len(sources)), lengths_of(sources))
    spans, moved = [], []
    for start, end in itertools.combinations(range(len(document) + 1), 2):
        if len({*document[start:end]}) == 1 and (blocks.n_target[start:end] == 1).all():
            for label in LABELS:
                spans.append((start, end, label))
                moved.append((blocks.target[start], blocks.target[start] + end - start, label))
    before = chain.span_marginal(*TAGS.segments(spans))
    assert_allclose(carried.span_marginal(*TAGS.segments(moved)), before, atol=1e-4)


def doc_of(*words):
    """RETURNS (Doc): Of these words, each of which may end with a space."""
    spaces = [word.endswith(" ") for word in words]
    return Doc(VOCAB, words=[word.rstrip() for word in words], spaces=spaces)


def test_a_border_inside_a_token_makes_it_unknown_and_is_counted():
    source, target = doc_of("Oslo", "-", "based ", "Anna"), doc_of("Oslo-based ", "Anna")
    tags = TAGS.tag_ids(["U-LOC", "O", "O", "U-PER"])
    marginals = numpy.eye(len(TAGS), dtype="float32")[tags]
    chain = chain_from_marginals(marginals, lengths_of([source]))
    blocks = align([source], [target])
    carried, n_misfits = carry_over(chain, LABELS, blocks, lengths_of([target]))
    assert carried.known.tolist() == [False, True]
    assert TAGS.names[carried.argmax()[1]] == "U-PER"
    assert n_misfits == 1


def test_all_tokens_of_an_entity_that_does_not_fit_are_unknown():
    source, target = doc_of("Anna ", "Berg ", "sails"), doc_of("Anna ", "Berg sails")
    tags = TAGS.tag_ids(["B-PER", "L-PER", "O"])
    chain = chain_from_marginals(numpy.eye(len(TAGS), dtype="float32")[tags], lengths_of([source]))
    carried, n_misfits = carry_over(chain, LABELS, align([source], [target]), lengths_of([target]))
    assert carried.known.tolist() == [False, False]
    assert n_misfits == 1


def test_what_the_teacher_does_not_know_stays_unknown():
    source = doc_of("New ", "York", "ers ", "sail ", "on")
    target = doc_of("New ", "Yorkers ", "sa", "il ", "on")
    known = numpy.asarray([True, True, False, False, True])
    marginals = numpy.full((5, len(TAGS)), 1 / len(TAGS), dtype="float32")
    chain = chain_from_marginals(marginals, lengths_of([source]), known)
    carried, _ = carry_over(chain, LABELS, align([source], [target]), lengths_of([target]))
    assert carried.known.tolist() == [True, False, False, False, True]


def test_texts_that_differ_are_refused():
    with pytest.raises(ValueError, match="'Oslo' and the student's 'Kiel' have different texts"):
        align([doc_of("Oslo")], [doc_of("Kiel")])


def test_empty_documents_align():
    docs = [doc_of(), doc_of("Oslo"), doc_of()]
    blocks = align(docs, docs)
    assert blocks.source.tolist() == [0] and blocks.n_target.tolist() == [1]
    chain, _ = carry_over(random_chain(docs, 0), LABELS, blocks, lengths_of(docs))
    assert chain.lengths.tolist() == [0, 1, 0]


def test_what_is_impossible_stays_so_in_a_split_token():
    """An entity of several parts has no I before its last part, not even by rounding."""
    source, target = cut("Osloa", [4]), cut("Osloa", [2, 4])
    marginals = numpy.zeros((2, len(TAGS)), dtype="float32")
    for row in marginals:
        row[TAGS.tag_ids(["O", "U-LOC", "U-PER"])] = 0.7, 0.2, 0.1
    chain = chain_from_marginals(marginals, lengths_of([source]))
    carried, _ = carry_over(chain, LABELS, align([source], [target]), lengths_of([target]))
    found = carried.scaled(8.0).marginals()
    assert not found[:, TAGS.tag_ids(["I-LOC", "I-PER"])].any()
    assert (found[0, TAGS.tag_ids(["O", "B-LOC", "B-PER"])] > 0.2).all()
