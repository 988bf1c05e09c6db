"""The whole tagger, with the package's layers and with others."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Adam, Model

from spacy_distill.chain import BiluoTags, ChainCounts
from spacy_distill.models.chain_head import CRF, Softmax
from spacy_distill.models.chain_tagger import ChainTagger
from spacy_distill.models.word_forms import WordEmbedding
from tests.models.batches import CHAIN_PARTS, WORDS, add_vectors, make_docs, random_chain
from tests.models.gradients import check_parameters
from tests.models.students import lstm_cnn


def small_student(**settings):
    return lstm_cnn(rows={"LOWER": 50, "SHAPE": 20}, **settings)


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
def test_the_chain_of_a_doc_does_not_depend_on_its_batch(with_vectors, vocab):
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


def test_student_without_vectors_lacks_only_their_columns(vocab):
    docs = make_docs(vocab)
    plain = small_student(nL=1)
    plain.initialize(X=docs)
    add_vectors(vocab, width=3)
    rich = small_student(nL=1)
    rich.initialize(X=docs)
    inputs = [
        next(node for node in model.walk() if node.has_param("U")).get_dim("nI")
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
    # spaCy loads components in this way: the labels are set, and the rest is loaded from bytes.
    loaded = small_student(crf=crf)
    loaded.attrs["resize_output"](loaded, 2)
    loaded.from_bytes(model.to_bytes())
    found = loaded.predict(docs)
    for name in CHAIN_PARTS:
        assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    # The loaded model can be trained further, and labels can be added.
    chain, backprop = loaded.begin_update(docs)
    backprop(chain.expected_counts())
    loaded.attrs["resize_output"](loaded, 3)
    grown = loaded.predict(docs).emissions
    assert_allclose(grown[:, :9], expected.emissions, rtol=1e-5, atol=1e-6)


def test_a_student_learns_its_sentence(vocab):
    """A few steps of gradient descent reach the gold tags."""
    doc = Doc(vocab, words=["Anna", "Kowalska", "met", "Bob", "in", "Łódź", "."])
    tags = BiluoTags(("PER", "LOC"))
    gold = tags.tag_ids(["B-PER", "L-PER", "O", "U-PER", "O", "U-LOC", "O"])
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


@registry.architectures("spacy-distill-tests.Neighbours.v1")
def Neighbours():
    """A custom encoder: it concatenates the features of a token and its neighbours."""

    def forward(model, Xs, is_train):
        padded = [numpy.pad(X, ((1, 1), (0, 0))) for X in Xs]
        Ys = [numpy.hstack((P[:-2], P[1:-1], P[2:])) for P in padded]

        def backprop(dYs):
            dXs = []
            for dY in dYs:
                before, here, after = numpy.split(dY, 3, axis=1)
                dX = here.copy()
                dX[:-1] += before[1:]
                dX[1:] += after[:-1]
                dXs.append(dX)
            return dXs

        return Ys, backprop

    return Model("neighbours", forward)


ENCODERS = {
    "of this package": {"@architectures": "spacy-distill.BiLSTM.v1", "width": 8, "depth": 2},
    "spaCy's": {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": 8,
        "window_size": 1,
        "maxout_pieces": 2,
        "depth": 2,
    },
    "somebody's": {"@architectures": "spacy-distill-tests.Neighbours.v1"},
    "none": None,
}


@pytest.fixture(params=ENCODERS)
def tagger(request, vocab):
    """A model from a config, with each type of encoder."""
    config = {
        "@architectures": "spacy-distill.ChainTagger.v1",
        "embed": {
            "@architectures": "spacy-distill.WordEmbedding.v1",
            "vectors": {"@architectures": "spacy-distill.WordVectors.v1"},
            "features": {"@architectures": "spacy-distill.FormFeatures.v1", "width": 4},
            "characters": {"@architectures": "spacy-distill.CharacterCNN.v1", "filters": 4},
        },
        "encode": ENCODERS[request.param],
        "head": {"@architectures": "spacy-distill.CRF.v1", "nL": 2},
    }
    add_vectors(vocab)
    model = registry.resolve({"model": config})["model"]
    model.initialize(X=make_docs(vocab))
    return model


def test_training_and_inference_have_the_same_output(tagger, vocab):
    """For many documents, and for one that is longer than a window."""
    words = WORDS.split()
    long = [Doc(vocab, words=(words * 30)[:400]), Doc(vocab, words=words)]
    many = [Doc(vocab, words=words[n % 5 : n % 9 + 1]) for n in range(600)]
    allows_windows = any("inference" in node.attrs for node in tagger.walk())
    for docs in (make_docs(vocab), many, long):
        trained, _ = tagger(docs, is_train=True)
        predicted = tagger.predict(docs)
        assert_array_equal(predicted.lengths, trained.lengths)
        # A BiLSTM encodes long documents in windows.
        tolerance = 0.05 if docs is long and allows_windows else 1e-5
        assert_allclose(predicted.emissions, trained.emissions, atol=tolerance)


def test_gradients_of_every_encoder(tagger, vocab, rng):
    docs = make_docs(vocab)
    teacher = random_chain(rng, [len(doc) for doc in docs], 2, constrained=True)

    def loss():
        return float(teacher.cross_entropy(tagger(docs, is_train=True)[0]).sum())

    chain, backprop = tagger.begin_update(docs)
    backprop(chain.expected_counts() - teacher.expected_counts())
    assert check_parameters(tagger, loss, rng) >= 4 + 5


def test_a_tok2vec_can_replace_embedding_and_encoder(vocab):
    """The output of a tok2vec is a list of arrays."""
    tok2vec = registry.architectures.get("spacy.HashEmbedCNN.v2")
    embed = tok2vec(
        width=8,
        depth=1,
        embed_size=50,
        window_size=1,
        maxout_pieces=2,
        subword_features=True,
        pretrained_vectors=None,
    )
    model = ChainTagger(embed, Softmax(nL=1))
    docs = make_docs(vocab)
    model.initialize(X=docs)
    trained, backprop = model.begin_update(docs)
    assert_allclose(model.predict(docs).emissions, trained.emissions, atol=1e-5)
    backprop(trained.expected_counts())


def test_custom_layers_receive_word_forms(vocab):
    """Each form is computed once, and again when its parameters change."""
    seen = []

    def forward(model, forms, is_train):
        seen.append(len(forms))
        lengths = numpy.asarray([[len(text)] for text in forms.texts], dtype="float32")
        return lengths * model.get_param("W"), lambda dY: None

    layer = Model("length", forward, dims={"nO": 1}, params={"W": numpy.ones(1, dtype="float32")})
    model = ChainTagger(WordEmbedding(features=layer), CRF(nL=1))
    docs = make_docs(vocab)
    model.initialize(X=docs)
    expected = model.predict(docs).emissions
    seen.clear()
    assert_allclose(model.predict(docs[::-1]).emissions.sum(), expected.sum(), rtol=1e-5)
    assert not seen
    layer.set_param("W", 2 * layer.get_param("W"))
    assert not numpy.allclose(model.predict(docs).emissions, expected)


def test_an_embedding_without_layers_is_rejected():
    with pytest.raises(ValueError, match="D607"):
        WordEmbedding()
