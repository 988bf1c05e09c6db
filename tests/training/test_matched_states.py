"""Students that learn the hidden states of a transformer."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from thinc.api import Adam, Model, Ragged

from spacy_distill.pipeline.cross_view import CrossViewHeads
from spacy_distill.pipeline.matched_states import MatchedStates
from tests.tiny_bert import save_tiny_bert
from tests.training.conftest import FRAMES, make_docs
from tests.training.test_cross_view import files_of, make_student, no_teacher

WIDTH = 12
DEEP = {"components": {"ner_student": {"model": {"encode": {"depth": 2}}}}}


def hashed_states(n_layers=3):
    """A layer that returns random states of each word, as a transformer without context."""

    def forward(model, docs, is_train):
        states = [
            numpy.random.default_rng(token.orth % 2**32).normal(size=(n_layers, WIDTH))
            for doc in docs
            for token in doc
        ]
        data = numpy.asarray(states, dtype="float32").reshape((-1, n_layers, WIDTH))
        return Ragged(data, numpy.asarray([len(doc) for doc in docs])), lambda dY: docs

    return Model("hashed_states", forward, dims={"nO": WIDTH})


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    words = {token.text for doc in make_docs(spacy.blank("xx").vocab, FRAMES) for token in doc}
    return save_tiny_bert(tmp_path_factory.mktemp("states") / "bert", words, depth=2)


def states_of(bert, layers=((1, 1), (2, 2)), **settings):
    transformer = {"@architectures": "spacy-distill.TransformerLayers.v1", "name": str(bert)}
    block = {"@architectures": "spacy-distill.MatchedStates.v1", "transformer": transformer}
    return {"states": {**block, "layers": [list(pair) for pair in layers], **settings}}


# The loss


@pytest.mark.parametrize("views", [None, {"views": ["full", "past"], "hidden": 8}])
def test_the_gradient_of_an_update_is_that_of_its_loss(teacher, views):
    """Cross-view heads can read the same layers, and add gradients of their own."""
    nlp = spacy.blank("xx")
    pipe, _, plain = make_student(nlp)
    options = {"states": MatchedStates(hashed_states(), [[1, 0], [2, 2], [2, 1]], weight=0.7)}
    if views is not None:
        options["views"] = CrossViewHeads(targets="teacher", **views)
    source = teacher.get_pipe("ner_teacher")

    def loss():
        return pipe.distill(source, plain, **options)["ner_student"]

    loss()
    for node in pipe.model.walk():
        for name in node.grad_names:
            node.get_grad(name)[...] = 0
    loss()
    layers = [node for node in pipe.model.walk() if node.has_param("U")]
    gradients = [layer.get_grad("W").copy() for layer in layers]
    for layer, gradient in zip(layers, gradients, strict=True):
        W, norm = layer.get_param("W"), numpy.linalg.norm(gradient)
        before, values = W.copy(), []
        for step in (3e-3, -3e-3):
            W[...] = before + step * gradient / norm
            values.append(loss())
        W[...] = before
        assert_allclose((values[0] - values[1]) / 6e-3, norm, rtol=0.03)


def test_states_are_learnt():
    """Students that know no labels still learn the states, and the projections learn with them."""
    nlp = spacy.blank("xx")
    pipe, _, plain = make_student(nlp)
    states = MatchedStates(hashed_states(), [[2, 1]])
    optimizer, losses = Adam(0.01), []
    for _ in range(40):
        losses.append(pipe.distill(no_teacher(pipe), plain, states=states)["ner_student_states"])
        pipe.finish_update(optimizer)
        states.finish_update(optimizer)
    assert 1 < losses[0] < 3
    assert losses[-1] < 0.5 * losses[0]


def test_the_weight_may_fall_to_0():
    nlp = spacy.blank("xx")
    pipe, _, plain = make_student(nlp)
    transformer = hashed_states()
    states = MatchedStates(transformer, [[2, 1]], weight=iter([1.0, 0.5, 0.0]))
    shares = []
    for _ in range(4):
        losses = pipe.distill(no_teacher(pipe), plain, states=states)
        shares.append(losses["ner_student_states"])
        states.advance()
    assert shares[0] == pytest.approx(2 * shares[1], rel=1e-4)
    assert shares[2:] == [0, 0]


# Training


def test_from_the_config(quietly, teacher, config, bert, tmp_path):
    short = {"max_steps": 3, "calibrate": False}
    plain = quietly(teacher, config(**DEEP, distillation=short), tmp_path / "plain")
    matched = config(**DEEP, distillation={**short, **states_of(bert)})
    nlp = quietly(teacher, matched, tmp_path / "matched")
    assert nlp.meta["distillation"]["states"]["layers"] == [[1, 1], [2, 2]]
    assert nlp.config["components"] == plain.config["components"]
    saved, usual = (files_of(tmp_path / name / "model-last") for name in ("matched", "plain"))
    model = "ner_student/model"
    assert len(saved[model]) == len(usual[model]) and saved[model] != usual[model]


def test_without_a_teacher(quietly, config, bert):
    """Then cross-view heads learn too, on batches of their own."""
    quietly("none", config(**DEEP, distillation={"max_steps": 4, **states_of(bert)}))


@pytest.mark.parametrize(
    "layers,match",
    [
        ([], r"\[D842\]"),
        ([[2]], r"\[D842\]"),
        ([[0, 1]], r"\[D842\].*layers = \[\[0, 1\]\]"),
        ([[1, -1]], r"\[D842\]"),
        ([[3, 1]], r"\[D840\] The layer 3 of 'ner_student'.*2 layers"),
        ([[1, 3]], r"\[D841\].* 3 layers, counted from 0: found the number 3"),
    ],
)
def test_layers_that_do_not_exist(quietly, teacher, config, bert, layers, match):
    with pytest.raises(ValueError, match=match):
        quietly(teacher, config(**DEEP, distillation=states_of(bert, layers)))


def test_an_encoder_that_cannot_be_observed(quietly, teacher, config, bert):
    encode = {"@architectures": "spacy-distill.SRU.v1", "width": 16, "depth": 1}
    model = {"components": {"ner_student": {"model": {"encode": encode}}}}
    with pytest.raises(ValueError, match=r"\[D840\].*no layers that can be observed"):
        quietly(teacher, config(**model, distillation=states_of(bert)))
