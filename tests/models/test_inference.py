"""Fast inference, compared with the Thinc layers."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from thinc.api import Adam

from spacy_distill import kernels
from spacy_distill.models import chain_tagger, inference, windows
from spacy_distill.models.vector_table import vector_table
from tests.models.batches import WORDS, add_floret, add_vectors, make_docs
from tests.models.students import lstm_cnn

pytestmark = pytest.mark.usefixtures("each_kernel")

CLOSE = {"atol": 1e-6}


@pytest.fixture(params=[1, 2, 3])
def model(request, vocab):
    add_vectors(vocab)
    made = lstm_cnn(depth=request.param, nL=2)
    made.initialize(X=make_docs(vocab))
    return made


def encoder(model):
    """RETURNS (Model): The layer below the head, which has fast inference."""
    return next(node for node in model.walk() if node.shims)


def both(model, docs):
    """RETURNS (Tuple[Floats2d, Floats2d]): The output of fast inference and of the Thinc layers."""
    node = encoder(model)
    fast, slow = node.predict(docs), node.layers[0].predict(docs)
    assert_array_equal(fast.lengths, slow.lengths)
    return fast.dataXd, slow.dataXd


def test_inference_equals_the_thinc_layers(model, vocab):
    for docs in (make_docs(vocab), [Doc(vocab, words=["Anna"])], make_docs(vocab)):
        assert_allclose(*both(model, docs), **CLOSE)


@pytest.mark.parametrize("attr", ["ORTH", "NORM", "SHAPE"])
def test_inference_equals_the_thinc_layers_with_subwords(attr, vocab):
    add_floret(vocab, attr)
    vocab["met"].norm_ = "meet"
    docs = make_docs(vocab)
    docs[0][3].norm_ = "token"
    made = lstm_cnn(nL=2)
    made.initialize(X=docs)
    assert_allclose(*both(made, docs), **CLOSE)


def test_fast_inference_is_not_used_in_training(model, vocab, monkeypatch):
    def fail(*_):
        raise RuntimeError("fast")

    docs = make_docs(vocab)
    monkeypatch.setattr(chain_tagger.EncoderShim, "encoder", fail)
    model.begin_update(docs)
    with pytest.raises(RuntimeError, match="fast"):
        model.predict(docs)


def test_documents_without_tokens_are_encoded(model, vocab):
    assert encoder(model).predict([Doc(vocab)] * 2).dataXd.shape == (0, 8)


def learn(model, docs):
    scores, backprop = model.begin_update(docs)
    backprop(scores.expected_counts())
    model.finish_update(Adam(0.1))


CHANGES = ["update", "bytes", "dict", "initialize", "set_param", "inner bytes"]
CHANGES += ["vectors", "data", "new vector", "vocab", "table"]


@pytest.mark.parametrize("change", CHANGES)
def test_the_cache_is_dropped_after_changes(model, vocab, change):
    docs = make_docs(vocab)
    before = both(model, docs)[0].copy()
    if change == "update":
        learn(model, docs)
    elif change in ("bytes", "dict"):
        other = model.copy()
        learn(other, docs)
        if change == "bytes":
            model.from_bytes(other.to_bytes())
        else:
            model.from_dict(other.to_dict())
    elif change == "initialize":
        model.initialize(X=docs)
    elif change in ("set_param", "inner bytes"):
        (layer, *_) = (node for node in model.walk() if node.has_param("U"))
        if change == "set_param":
            layer.set_param("W", layer.get_param("W") * 2)
        else:
            other = layer.copy()
            other.set_param("W", layer.get_param("W") * 2)
            layer.from_bytes(other.to_bytes())
    elif change == "table":
        (layer,) = (node for node in model.walk() if "vector_table" in node.attrs)
        layer.attrs["vector_table"] = vector_table(vocab.vectors, rows=1)
    elif change == "data":
        vocab.vectors.data = vocab.vectors.data * 2
    elif change == "new vector":
        vocab.set_vector("met", numpy.ones(3, dtype="float32"))
    elif change == "vectors":
        add_vectors(vocab, words=("Anna", "met"))
    else:
        other_vocab = type(vocab)()
        add_vectors(other_vocab, words=("Anna", "1998"))
        docs = make_docs(other_vocab)
    fast, slow = both(model, docs)
    assert_allclose(fast, slow, **CLOSE)
    assert numpy.abs(fast - before).max() > 1e-3


def test_the_precision_of_the_kernels_can_change(vocab, each_kernel):
    model = lstm_cnn(nL=2, precision="int8")
    docs = make_docs(vocab)
    model.initialize(X=docs)
    rounded, exact = both(model, docs)
    assert 1e-5 < numpy.abs(rounded - exact).max() < 0.05
    try:
        kernels.use(f"{each_kernel},float32")
        assert_allclose(both(model, docs)[0], exact, **CLOSE)
    finally:
        kernels.use(each_kernel)
    assert_array_equal(both(model, docs)[0], rounded)


def test_averaged_parameters_are_used_in_inference(model, vocab):
    docs = make_docs(vocab)
    plain = both(model, docs)[0].copy()
    averages = {
        (node.id, name): node.get_param(name) * 0.5
        for node in model.walk()
        for name in node.param_names
        if node.has_param(name)
    }
    with model.use_params(averages):
        fast, slow = both(model, docs)
        assert_allclose(fast, slow, **CLOSE)
        assert numpy.abs(fast - plain).max() > 1e-3
    assert_allclose(both(model, docs)[0], plain, **CLOSE)


def test_copies_do_not_share_their_caches(model, vocab):
    docs = make_docs(vocab)
    model.predict(docs)
    copied = model.copy()
    learn(copied, docs)
    assert_allclose(*both(copied, docs), **CLOSE)
    assert_allclose(*both(model, docs), **CLOSE)


def test_caches_are_not_pickled(model, vocab):
    shim = encoder(model).shims[0]
    empty = len(pickle.dumps(shim))
    model.predict(make_docs(vocab))
    assert len(pickle.dumps(shim)) == empty and shim.to_bytes() == b""


@pytest.mark.parametrize("cache_bytes", [0, 2000, 2**20])
def test_threads_get_the_same_output(model, vocab, cache_bytes, monkeypatch):
    monkeypatch.setattr("spacy_distill.models.inference.CACHE_BYTES", cache_bytes)
    words = WORDS.split()
    batches = [[Doc(vocab, words=words[i:j])] for i in range(9) for j in range(i + 1, 13)]
    expected = [both(model, docs)[1] for docs in batches]
    encoder(model).shims[0].clear()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda docs: encoder(model).predict(docs).dataXd, batches))
    for mine, theirs in zip(found, expected, strict=True):
        assert_allclose(mine, theirs, **CLOSE)


def count_groups(model, monkeypatch):
    """Set the group size to 64 tokens. RETURNS (list): A list that gets an item for each group."""
    monkeypatch.setattr("spacy_distill.models.inference.TOKENS_PER_GROUP", 64)
    node, groups = encoder(model), []
    read = inference.CachedEncoder._encode_forms

    def counted(self, forms, lengths):
        groups.append(len(forms))
        return read(self, forms, lengths)

    monkeypatch.setattr(inference.CachedEncoder, "_encode_forms", counted)
    node.shims[0].clear()
    return groups


def test_many_documents_are_encoded_in_groups(model, vocab, rng, monkeypatch):
    groups = count_groups(model, monkeypatch)
    words = WORDS.split()
    lengths = rng.integers(0, 12, size=300).tolist()
    docs = [Doc(vocab, words=(words * 2)[n : 2 * n]) for n in lengths]
    assert_allclose(*both(model, docs), **CLOSE)
    assert len(groups) > 10 and sum(groups) == sum(lengths)


def test_long_documents_are_encoded_in_windows(model, vocab, monkeypatch):
    """With context on both sides, the output of windows is almost that of the whole document."""
    words = WORDS.split() * 20
    docs = [Doc(vocab, words=words), Doc(vocab, words=words[:5]), Doc(vocab, words=words[:90])]
    cut = windows.cut_windows
    seen = []

    def small(lengths):
        seen.append(cut(lengths, 40, 40))
        return seen[-1]

    monkeypatch.setattr("spacy_distill.models.inference.cut_windows", small)
    monkeypatch.setattr("spacy_distill.models.inference.LONGEST_WHOLE", 120)
    groups = count_groups(model, monkeypatch)
    fast, slow = both(model, docs)
    assert len(groups) > 3
    assert seen[0].lengths.max() <= 120 and len(seen[0].lengths) > 6
    # Wrong rows would differ by 0.1 or more on average.
    assert numpy.abs(fast - slow).mean() < 5e-3
    # The short document is not cut.
    short = slice(len(words), len(words) + 5)
    assert_allclose(fast[short], slow[short], **CLOSE)
