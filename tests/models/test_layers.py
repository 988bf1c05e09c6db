"""The student's layers: against plain reference implementations and finite differences."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import Adam, Ragged, fix_random_seed

from spacy_distill.chain import BiluoTags, ChainCounts, LinearChain, constraints, n_tags
from spacy_distill.models.bilstm import BiLSTM
from spacy_distill.models.chain_head import ChainHead, resize
from spacy_distill.models.character_cnn import MAX_CHARACTERS, character_cnn, character_rows
from spacy_distill.models.form_features import form_features
from spacy_distill.models.lstm_cnn import LSTMCNN
from spacy_distill.models.static_vectors import static_vectors
from spacy_distill.models.word_forms import distinct_word_forms, with_word_forms

# Forms that recur in other cases, astral characters, a word longer than the CNN reads.
WORDS = "In 1998 Anna met anna and ANNA in Łódź , or 😀🚀 in Llanfairpwllgwyngyllgogerychwyrn"
CHAIN_PARTS = ("emissions", "transitions", "start", "end")


@pytest.fixture(autouse=True)
def seed():
    fix_random_seed(0)


@pytest.fixture
def rng():
    return numpy.random.default_rng(0)


@pytest.fixture
def vocab():
    """A vocabulary of its own: vectors are set on it."""
    return spacy.blank("en").vocab


def make_docs(vocab):
    words = WORDS.split()
    batch = [words, [], words[3:5], ["Anna"], []]
    return [Doc(vocab, words=batch_words) for batch_words in batch]


def add_vectors(vocab, width=3, words=("Anna", "anna", "in", "1998"), attr="ORTH"):
    data = numpy.random.default_rng(7).normal(size=(len(words), width)).astype("float32")
    keys = [vocab.strings.add(word) for word in words]
    vocab.vectors = Vectors(data=data, keys=keys, strings=vocab.strings, attr=attr)
    return dict(zip(words, data, strict=True))


def random_ragged(rng, lengths, width):
    data = rng.normal(size=(sum(lengths), width)).astype("float32")
    return Ragged(data, numpy.asarray(lengths, dtype="int32"))


# Finite differences


def check_slope(loss, array, gradient, name, rng, distance=3e-3):
    """Compare the loss's slope with the gradient, along the gradient and along one with random
    signs. A gradient that is wrong in any direction that matters fails along itself."""
    gradient = gradient.astype("float64")
    norm = numpy.linalg.norm(gradient)
    assert norm > 1e-4, f"{name}: without a gradient, nothing is compared"
    before = array.copy()
    signs = rng.choice([-1.0, 1.0], size=gradient.shape)
    for direction in (gradient / norm, gradient * signs / norm):
        losses = []
        for step in (distance, -distance):
            array[...] = before + step * direction
            losses.append(loss())
            array[...] = before
        slope = (losses[0] - losses[1]) / (2 * distance)
        assert_allclose(slope, (gradient * direction).sum(), atol=2e-2 * norm, rtol=0, err_msg=name)


def check_parameters(model, loss, rng):
    """Hold the gradients that a layer's backprop left in the model against differences."""
    checked = 0
    for node in model.walk():
        for name in node.param_names:
            gradient = node.get_grad(name).copy()
            check_slope(loss, node.get_param(name), gradient, f"{node.name} {name}", rng)
            checked += 1
    return checked


def test_bilstm_gradients(rng):
    X = random_ragged(rng, [4, 0, 1, 6], 5)
    model = BiLSTM(6, 5)
    model.initialize(X=X)
    weights = rng.normal(size=(11, 6)).astype("float32")

    def loss():
        return float((model.predict(X).dataXd.astype("float64") * weights).sum())

    _, backprop = model.begin_update(X)
    dX = backprop(Ragged(weights.copy(), X.lengths))
    assert_array_equal(dX.lengths, X.lengths)
    assert check_parameters(model, loss, rng) == 3
    check_slope(loss, X.dataXd, dX.dataXd, "inputs", rng)


@pytest.mark.parametrize("crf", [True, False])
def test_chain_head_gradients(crf, rng):
    """Along the loss that trains it: the cross-entropy of another chain over the same tags."""
    X = random_ragged(rng, [4, 0, 1, 6], 5)
    model = ChainHead(2, crf=crf)
    model.initialize(X=X)
    for name in model.param_names:
        values = model.get_param(name)
        values += rng.normal(size=values.shape).astype("float32")
    teacher = random_chain(rng, [4, 0, 1, 6], 2, crf)

    def loss():
        return float(teacher.cross_entropy(model(X, is_train=True)[0]).sum())

    chain, backprop = model.begin_update(X)
    dX = backprop(chain.expected_counts() - teacher.expected_counts())
    assert check_parameters(model, loss, rng) == (5 if crf else 2)
    check_slope(loss, X.dataXd, dX.dataXd, "inputs", rng)


def random_chain(rng, lengths, n_labels, constrained):
    size = n_tags(n_labels)
    start, transitions, end = constraints(n_labels)
    if not constrained:
        start, transitions, end = (numpy.zeros_like(mask) for mask in (start, transitions, end))
    emissions = rng.normal(size=(sum(lengths), size)).astype("float32")
    return LinearChain(emissions, numpy.asarray(lengths), transitions, start, end)


@pytest.mark.parametrize(
    "layer, n_parameters",
    [
        (lambda: character_cnn(6, width=4, rows=50), 3),
        (lambda: form_features(4, {"LOWER": 50, "SUFFIX": 20, "ORTH": 50}), 3),
        (lambda: form_features(4, {"SHAPE": 20}), 1),
    ],
    ids=["character_cnn", "form_features", "one feature"],
)
def test_word_form_gradients(layer, n_parameters, vocab, rng):
    """Forms recur among the tokens, so their gradients have to add up."""
    docs = make_docs(vocab)
    model = with_word_forms(layer())
    model.initialize(X=docs)
    Y, backprop = model.begin_update(docs)
    weights = rng.normal(size=Y.dataXd.shape).astype("float32")
    backprop(Ragged(weights.copy(), Y.lengths))

    def loss():
        return float((model.predict(docs).dataXd.astype("float64") * weights).sum())

    assert check_parameters(model, loss, rng) == n_parameters


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


# BiLSTM


def logistic(x):
    return 1 / (1 + numpy.exp(-x))


def lstm_by_the_book(inputs, W, U, b):
    """One direction over one sentence, token by token."""
    hidden = len(U)
    state, cell, states = numpy.zeros(hidden), numpy.zeros(hidden), []
    for x in inputs:
        gates = W @ x + state @ U + b
        i, f, o = (logistic(gates[k * hidden : (k + 1) * hidden]) for k in range(3))
        cell = f * cell + i * numpy.tanh(gates[3 * hidden :])
        state = o * numpy.tanh(cell)
        states.append(state)
    return numpy.asarray(states).reshape(-1, hidden)


@pytest.mark.parametrize("lengths", [[3, 0, 5, 1, 5], [2], [0, 0], []])
def test_bilstm_is_two_plain_lstms(lengths, rng):
    X = random_ragged(rng, lengths, 3)
    model = BiLSTM(8, 3)
    model.initialize()
    for name in model.param_names:
        model.set_param(name, rng.normal(size=model.get_param(name).shape).astype("float32"))
    W, U, b = (model.get_param(name).astype("float64") for name in ("W", "U", "b"))
    W, b = W.reshape(2, 16, 3), b.reshape(2, 16)
    expected = [numpy.zeros((0, 8))]
    for sentence in numpy.split(X.dataXd, numpy.cumsum(lengths)[:-1]):
        ahead = lstm_by_the_book(sentence, W[0], U[0], b[0])
        back = lstm_by_the_book(sentence[::-1], W[1], U[1], b[1])[::-1]
        expected.append(numpy.concatenate([ahead, back], axis=1))
    Y, backprop = model.begin_update(X)
    assert Y.dataXd.dtype == "float32"
    assert_array_equal(Y.lengths, lengths)
    assert_allclose(Y.dataXd, numpy.concatenate(expected), rtol=1e-4, atol=1e-5)
    assert backprop(Y).dataXd.shape == X.dataXd.shape


def test_bilstm_backprop_leaves_its_gradient_as_it_was(rng):
    """A layer below a concatenation gets a view of what other layers get, too."""
    X = random_ragged(rng, [3, 2], 4)
    model = BiLSTM(4)
    model.initialize(X=X)
    Y, backprop = model.begin_update(X)
    gradient = rng.normal(size=Y.dataXd.shape).astype("float32")
    given = gradient.copy()
    backprop(Ragged(given, Y.lengths))
    assert_array_equal(given, gradient)


def test_bilstm_starts_orthogonal_with_open_forget_gates():
    model = BiLSTM(8, 3)
    model.initialize()
    for direction in model.get_param("U"):
        for gate in numpy.split(direction, 4, axis=1):
            assert_allclose(gate.T @ gate, numpy.eye(4), atol=1e-5)
    biases = model.get_param("b").reshape(2, 4, 4)
    assert (biases[:, 1] == 1).all()
    assert not biases[:, [0, 2, 3]].any()


def test_bilstm_refuses_an_odd_width():
    with pytest.raises(ValueError, match="7 is not even"):
        BiLSTM(7, 3).initialize()


# Chain head


def test_chain_head_excludes_what_is_no_biluo(rng):
    """With and without trained transitions in prediction; a softmax in training is free of them."""
    X = random_ragged(rng, [3], 4)
    for crf in (True, False):
        model = ChainHead(2, crf=crf)
        model.initialize(X=X)
        masks = dict(zip(("start", "transitions", "end"), constraints(2), strict=True))
        chain = model.predict(X)
        trained = model(X, is_train=True)[0]
        for name, mask in masks.items():
            assert_array_equal(numpy.isneginf(getattr(chain, name)), numpy.isneginf(mask))
            expected = mask if crf else numpy.zeros_like(mask)
            assert_array_equal(getattr(trained, name), expected)


def test_softmax_head_trains_each_token_on_its_own(rng):
    X = random_ragged(rng, [3, 2], 4)
    model = ChainHead(1, crf=False)
    model.initialize(X=X)
    chain = model(X, is_train=True)[0]
    shares = numpy.exp(chain.emissions)
    assert_allclose(chain.marginals(), shares / shares.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("before, after", [(2, 5), (0, 1), (2, 2)])
def test_resize_keeps_what_the_head_knows(before, after, crf, rng):
    X = random_ragged(rng, [3, 2], 4)
    model = ChainHead(before, crf=crf)
    model.initialize(X=X)
    for name in model.param_names:
        model.set_param(name, rng.normal(size=model.get_param(name).shape).astype("float32"))
    old = model.predict(X)
    resize(model, after)
    new = model.predict(X)
    assert new.emissions.shape == (5, n_tags(after))
    for name in CHAIN_PARTS:
        values = getattr(old, name)
        corner = tuple(slice(size) for size in values.shape)
        if name == "emissions":
            corner = (slice(None), corner[1])
        assert_allclose(getattr(new, name)[corner], values, rtol=1e-5, atol=1e-6, err_msg=name)
    assert_array_equal(numpy.isneginf(new.transitions), numpy.isneginf(constraints(after)[1]))
    # The grown head is one that trains.
    chain, backprop = model.begin_update(X)
    dX = backprop(chain.expected_counts())
    assert dX.dataXd.shape == X.dataXd.shape
    for name in model.param_names:
        assert model.get_grad(name).shape == model.get_param(name).shape


def test_resize_after_training_drops_gradients_of_the_old_size(rng):
    """A component may get a label between two updates."""
    X = random_ragged(rng, [3], 4)
    model = ChainHead(1)
    model.initialize(X=X)
    chain, backprop = model.begin_update(X)
    backprop(chain.expected_counts())
    resize(model, 2)
    chain, backprop = model.begin_update(X)
    backprop(chain.expected_counts())
    for name in model.param_names:
        assert model.get_grad(name).shape == model.get_param(name).shape


def test_resize_before_initialization_sets_the_labels():
    model = ChainHead()
    resize(model, 3)
    model.initialize(X=random_ragged(numpy.random.default_rng(0), [2], 4))
    assert model.get_param("W").shape == (13, 4)


# Word forms, characters, vectors


def test_word_forms_are_seen_once_and_each_token_gets_its_own(vocab):
    docs = make_docs(vocab)
    forms, form_of_token = distinct_word_forms(docs)
    words = [token.text for doc in docs for token in doc]
    assert sorted(forms.texts) == sorted(set(words))
    assert [forms.texts[form] for form in form_of_token] == words
    tokens = [token for doc in docs for token in doc]
    expected = [(t.orth, t.lower, t.prefix, t.suffix, t.shape) for t in tokens]
    assert_array_equal(forms.attributes[form_of_token], numpy.asarray(expected, dtype="uint64"))


@pytest.mark.parametrize("n_docs", [1, 3])
def test_empty_docs_alone_pass_through(n_docs, vocab):
    add_vectors(vocab)
    model = small_student(nL=1)
    model.initialize(X=make_docs(vocab))
    chain, backprop = model.begin_update([Doc(vocab)] * n_docs)
    assert chain.emissions.shape == (0, 5)
    assert chain.log_partition.tolist() == [0] * n_docs
    backprop(chain.expected_counts())


def test_character_rows_frame_words_with_boundaries():
    rows, lengths = character_rows(["ab", "", "a"], 512)
    a, b = 1 + ord("a"), 1 + ord("b")
    assert rows.tolist() == [[0, a, b, 0], [0, 0, 0, 0], [0, a, 0, 0]]
    assert lengths.tolist() == [2, 0, 1]


def test_character_rows_take_the_ends_of_long_words():
    half = MAX_CHARACTERS // 2
    limit, longer = "x" * half + "y" * half, "x" * half + "middle" + "y" * half
    rows, lengths = character_rows([limit, longer], 512)
    assert rows.shape == (2, MAX_CHARACTERS + 2)
    assert lengths.tolist() == [MAX_CHARACTERS] * 2
    assert_array_equal(rows[0], rows[1])


def test_character_rows_count_astral_characters_and_surrogates_as_one():
    texts = ["🚀n", "\ud800n", "n"]
    rows, lengths = character_rows(texts, 50)
    assert lengths.tolist() == [2, 2, 1]
    expected = [[0, *(1 + ord(c) % 49 for c in text)] for text in texts]
    assert [row[: len(e)].tolist() for row, e in zip(rows, expected, strict=True)] == expected
    assert rows.max() < 50
    assert (rows[:, 1] > 0).all(), "a character must not pass for a boundary"


def test_character_rows_of_nothing():
    rows, lengths = character_rows([], 512)
    assert (rows.shape, lengths.shape) == ((0, 3), (0,))


def test_character_cnn_is_the_best_response_of_the_words_windows(vocab):
    """A word's vector is its own, whatever longer words stand beside it."""
    docs = make_docs(vocab)
    forms, _ = distinct_word_forms(docs)
    model = character_cnn(6, width=4, rows=50)
    model.initialize(X=forms)
    E, W, b = (model.get_param(name) for name in ("E", "W", "b"))
    b += 1
    vectors = model.predict(forms)
    for text, vector in zip(forms.texts, vectors, strict=True):
        text = text if len(text) <= 20 else text[:10] + text[-10:]
        numbers = [0, *(1 + ord(character) % 49 for character in text), 0]
        windows = [E[numbers[i : i + 3]].ravel() for i in range(len(text))]
        assert_allclose(vector, (numpy.asarray(windows) @ W.T).max(axis=0) + b, rtol=1e-5)


def test_form_features_refuses_what_a_form_does_not_have():
    with pytest.raises(ValueError, match=r"word form: TAG, NONSENSE\. Choose of: .*SHAPE"):
        form_features(4, {"LOWER": 10, "TAG": 10, "NONSENSE": 10})


@pytest.mark.parametrize(
    "attr, words, expected",
    [
        ("ORTH", ("Anna", "anna", "in"), {"Anna": "Anna", "anna": "anna", "in": "in", "In": "in"}),
        ("LOWER", ("anna", "in"), {"Anna": "anna", "ANNA": "anna", "anna": "anna", "In": "in"}),
    ],
)
def test_static_vectors_of_cased_and_lower_cased_tables(attr, words, expected, vocab):
    """Forms as written come first, their lower case next."""
    table = add_vectors(vocab, words=words, attr=attr)
    forms, _ = distinct_word_forms(make_docs(vocab))
    model = static_vectors()
    model.initialize(X=forms)
    output, backprop = model.begin_update(forms)
    found = dict(zip(forms.texts, output, strict=True))
    for word, key in expected.items():
        assert_array_equal(found[word], table[key], err_msg=word)
    assert not found["Łódź"].any()
    assert not found[","].any()
    assert output.dtype == "float32"
    backprop(output)


def test_static_vectors_leave_the_table_as_it_is(vocab):
    add_vectors(vocab)
    before = vocab.vectors.data.copy()
    model = with_word_forms(static_vectors())
    docs = make_docs(vocab)
    model.initialize(X=docs)
    Y = model.predict(docs)
    Y.dataXd[:] = 0
    assert_array_equal(vocab.vectors.data, before)


def test_static_vectors_of_subwords(vocab):
    """floret tables have a vector for everything, and spaCy's own way to find it."""
    data = numpy.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    vocab.vectors = Vectors(
        data=data, mode="floret", hash_count=2, minn=2, maxn=3, strings=vocab.strings
    )
    docs = make_docs(vocab)
    model = with_word_forms(static_vectors())
    model.initialize(X=docs)
    expected = [token.vector for doc in docs for token in doc]
    assert_allclose(model.predict(docs).dataXd, expected, rtol=1e-6)


@pytest.mark.parametrize("vectors", [{}, {"shape": (0, 3)}, {"shape": (4, 3)}])
def test_static_vectors_of_tables_without_entries(vectors, vocab):
    if vectors:
        vocab.vectors = Vectors(strings=vocab.strings, **vectors)
    forms, _ = distinct_word_forms(make_docs(vocab))
    model = static_vectors()
    model.initialize(X=forms)
    output = model.predict(forms)
    assert output.shape == (len(forms), 3 if vectors else 0)
    assert not output.any()


@pytest.mark.parametrize("width, found", [(5, "vectors of 5"), (0, "none")])
def test_static_vectors_of_another_width_are_refused(width, found, vocab):
    add_vectors(vocab, width=3)
    model = static_vectors()
    model.initialize(X=distinct_word_forms(make_docs(vocab))[0])
    other = spacy.blank("en").vocab
    if width:
        add_vectors(other, width=width)
    message = rf"trained with word vectors of 3 dimensions.*vocabulary has {found}\. Load"
    with pytest.raises(ValueError, match=message):
        model.predict(distinct_word_forms(make_docs(other))[0])


# The whole student


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


def test_one_vocabulary_serves_all_docs_of_a_batch():
    """The forms' texts come from it; strings that it lacks would be errors, not guesses."""
    forms, _ = distinct_word_forms([Doc(Vocab(), words=["only", "here"])])
    assert sorted(forms.texts) == ["here", "only"]
