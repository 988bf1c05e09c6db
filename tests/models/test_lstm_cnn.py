"""The whole student: its gradients, its batches, its bytes, and that it learns."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from thinc.api import Adam

from spacy_distill.chain import BiluoTags, ChainCounts
from spacy_distill.models.lstm_cnn import LSTMCNN
from tests.models.batches import CHAIN_PARTS, add_vectors, make_docs, random_chain
from tests.models.gradients import check_parameters


def small_student(**settings):
    return LSTMCNN(
        width=8,
        depth=2,
        char_width=4,
        char_filters=6,
        feature_width=4,
        feature_rows={"LOWER": 50, "SHAPE": 20},
        **settings,
    )


@pytest.mark.parametrize("crf", [True, False])
def test_student_gradients(crf, vocab, rng):
    add_vectors(vocab)
    docs = make_docs(vocab)
    model = small_student(crf=crf, nL=2)
    model.initialize(X=docs)
    teacher = random_chain(rng, [len(doc) for doc in docs], 2, crf)

    def loss():
        return float(teacher.cross_entropy(model(docs, is_train=True)[0]).sum())

    chain, backprop = model.begin_update(docs)
    backprop(chain.expected_counts() - teacher.expected_counts())
    # 2 features, 3 of the character CNN, 3 of each BiLSTM, and the head's
    assert check_parameters(model, loss, rng) == 2 + 3 + 6 + (5 if crf else 2)


@pytest.mark.parametrize("n_docs", [1, 3])
def test_empty_docs_alone_pass_through(n_docs, vocab):
    add_vectors(vocab)
    model = small_student(nL=1)
    model.initialize(X=make_docs(vocab))
    chain, backprop = model.begin_update([Doc(vocab)] * n_docs)
    assert chain.emissions.shape == (0, 5)
    assert chain.log_partition.tolist() == [0] * n_docs
    backprop(chain.expected_counts())


@pytest.mark.parametrize("with_vectors", [True, False])
def test_a_docs_chain_does_not_depend_on_its_batch(with_vectors, vocab):
    if with_vectors:
        add_vectors(vocab)
    docs = make_docs(vocab)
    model = small_student(nL=2)
    model.initialize(X=docs)
    together = model.predict(docs)
    assert together.lengths.tolist() == [len(doc) for doc in docs]
    rows = numpy.split(together.emissions, numpy.cumsum(together.lengths)[:-1])
    for doc, scores in zip(docs, rows, strict=True):
        alone = model.predict([doc])
        assert_allclose(scores, alone.emissions, rtol=1e-4, atol=1e-5)
        assert_array_equal(together.transitions, alone.transitions)


def test_student_without_vectors_differs_by_their_columns_alone(vocab):
    docs = make_docs(vocab)
    plain = small_student(nL=1)
    plain.initialize(X=docs)
    add_vectors(vocab, width=3)
    rich = small_student(nL=1)
    rich.initialize(X=docs)
    inputs = [
        next(node for node in model.walk() if node.name == "bilstm").get_dim("nI")
        for model in (plain, rich)
    ]
    assert inputs[1] - inputs[0] == 3


@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("with_vectors", [True, False])
def test_student_round_trip_through_bytes(crf, with_vectors, vocab):
    if with_vectors:
        add_vectors(vocab)
    docs = make_docs(vocab)
    model = small_student(crf=crf)
    model.attrs["resize_output"](model, 2)
    model.initialize(X=docs)
    expected = model.predict(docs)
    # As spaCy loads a component: labels are known, the rest comes with the bytes.
    loaded = small_student(crf=crf)
    loaded.attrs["resize_output"](loaded, 2)
    loaded.from_bytes(model.to_bytes())
    found = loaded.predict(docs)
    for name in CHAIN_PARTS:
        assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    # The loaded model trains on, and takes new labels.
    chain, backprop = loaded.begin_update(docs)
    backprop(chain.expected_counts())
    loaded.attrs["resize_output"](loaded, 3)
    grown = loaded.predict(docs).emissions
    assert_allclose(grown[:, :9], expected.emissions, rtol=1e-5, atol=1e-6)


def test_a_student_learns_its_sentence(vocab):
    """All layers pull in one direction: a few steps down the gradient reach the gold tags."""
    doc = Doc(vocab, words=["Anna", "Kowalska", "met", "Bob", "in", "Łódź", "."])
    tags = BiluoTags(("PER", "LOC"))
    gold = tags.numbers(["B-PER", "L-PER", "O", "U-PER", "O", "U-LOC", "O"])
    model = small_student(nL=2)
    model.initialize(X=[doc])
    optimizer = Adam(0.02)
    for _ in range(60):
        chain, backprop = model.begin_update([doc])
        source = chain.restricted(tags.allowed(gold))
        counts = chain.expected_counts() - source.expected_counts()
        assert isinstance(counts, ChainCounts)
        backprop(counts)
        model.finish_update(optimizer)
    chain = model.predict([doc])
    assert_array_equal(chain.argmax(), gold)
    assert numpy.exp(chain.score(gold) - chain.log_partition)[0] > 0.9
