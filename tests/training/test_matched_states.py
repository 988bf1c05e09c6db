"""Students that learn the hidden states of a transformer."""

import re
from pathlib import Path

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.training import Example
from thinc.api import Adam, Config, Model, Ragged

from spacy_distill.encoders.feature_cache import FEATURES
from spacy_distill.models.taps import TAP_ATTR
from spacy_distill.pipeline.cross_view import CrossViewHeads
from spacy_distill.pipeline.matched_states import LayerPair, StateMatching
from tests.tiny_bert import save_tiny_bert
from tests.training.conftest import FRAMES, make_docs
from tests.training.test_cross_view import (
    UnreadTeacher,
    files_of,
    make_student,
    no_teacher,
    require_gradients,
)

WIDTH = 12
DEEP = {"components": {"ner_student": {"model": {"encode": {"depth": 2}}}}}
LAST = [LayerPair(-1, 1)]


class HashedStates:
    """A layer that returns random states of each word, as a transformer without context."""

    def __init__(self, n_layers=3):
        self.n_layers, self.n_calls = n_layers, 0
        self.model = Model("hashed_states", self.forward, dims={"nO": WIDTH})

    def forward(self, model, docs, is_train):
        self.n_calls += 1
        states = [
            numpy.random.default_rng(token.orth % 2**32).normal(size=(self.n_layers, WIDTH))
            for doc in docs
            for token in doc
        ]
        data = numpy.asarray(states, dtype="float32").reshape((-1, self.n_layers, WIDTH))
        return Ragged(data, numpy.asarray([len(doc) for doc in docs])), lambda dY: docs


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    words = {token.text for doc in make_docs(spacy.blank("xx").vocab, FRAMES) for token in doc}
    return save_tiny_bert(tmp_path_factory.mktemp("states") / "bert", words, depth=2)


def states_of(bert, layers=((1, 1), (-1, 2)), **settings):
    block = {"@losses": "spacy-distill.MatchedStates.v1", "transformer": str(bert)}
    return {"states": {**block, "layers": [list(pair) for pair in layers], **settings}}


# The loss


@pytest.mark.parametrize("views", [None, {"views": ["full", "past"], "hidden": 8}])
def test_the_gradient_of_an_update_is_that_of_its_loss(teacher, views):
    """Cross-view heads can read the same layers, and add gradients of their own."""
    nlp = spacy.blank("xx")
    pipe, _, plain = make_student(nlp)
    pairs = [LayerPair(1, 0), LayerPair(2, 2), LayerPair(-1, 1)]
    states = StateMatching(HashedStates().model, pairs, weight=0.7)
    auxiliary = [states]
    if views is not None:
        auxiliary.append(CrossViewHeads(targets="teacher", **views))
    source = teacher.get_pipe("ner_teacher")
    plain = [*plain, Example(nlp.make_doc(""), nlp.make_doc(""))]

    def loss():
        return pipe.distill(source, plain, auxiliary=auxiliary)["ner_student"]

    require_gradients(loss, pipe, lambda: states.models("ner_student", pipe.model).values())


@pytest.mark.parametrize("encoder", ["BiLSTM", "DenseBiLSTM"])
def test_states_are_learnt(encoder):
    """Students that know no labels still learn the states, and the projections learn with them."""
    nlp = spacy.blank("xx")
    encode = {"@architectures": f"spacy-distill.{encoder}.v1", "width": 16, "depth": 2}
    pipe, _, plain = make_student(nlp, encode=encode)
    states = StateMatching(HashedStates().model, LAST, 1.0)
    (projection,) = states.models("ner_student", pipe.model).values()
    before = projection.get_param("W").copy()
    optimizer, losses = Adam(0.01), []
    for _ in range(60):
        found = pipe.distill(no_teacher(pipe), plain, auxiliary=[states])
        losses.append(found["ner_student_states"])
        pipe.finish_update(optimizer)
        states.finish_update(optimizer)
    assert 1 < losses[0] < 3
    assert losses[-1] < 0.6 * losses[0]
    assert (projection.get_param("W") != before).any()


def test_the_weight_may_fall_to_0():
    nlp = spacy.blank("xx")
    pipe, _, plain = make_student(nlp)
    transformer = HashedStates()
    states = StateMatching(transformer.model, LAST, weight=iter([1.0, 0.5, 0.0]))
    shares = []
    for _ in range(4):
        losses = pipe.distill(no_teacher(pipe), plain, auxiliary=[states])
        shares.append(losses["ner_student_states"])
        states.advance()
    assert shares[0] == pytest.approx(2 * shares[1], rel=1e-4)
    assert shares[2:] == [0, 0]
    assert transformer.n_calls == 2


def test_layers_are_observed_in_a_training_pass_alone():
    nlp = spacy.blank("xx")
    pipe, _, plain = make_student(nlp)
    states = StateMatching(HashedStates().model, LAST, 1.0)

    pipe.distill(no_teacher(pipe), plain, auxiliary=[states])
    assert not any(TAP_ATTR in node.attrs for node in pipe.model.walk())
    chain = no_teacher(pipe).predict_chain([example.reference for example in plain])
    with pytest.raises(RuntimeError), states.observed("ner_student", pipe.model, plain, chain):
        raise RuntimeError("in the forward pass")
    assert not any(TAP_ATTR in node.attrs for node in pipe.model.walk())


# Training


def test_from_the_config(quietly, teacher, config, bert, tmp_path):
    short = {"max_steps": 3, "calibrate": False}
    plain = quietly(teacher, config(**DEEP, distillation=short), tmp_path / "plain")
    matched = config(**DEEP, distillation={**short, **states_of(bert)})
    nlp = quietly(teacher, matched, tmp_path / "matched")
    described = nlp.meta["distillation"]["states"]
    assert described["layers"] == [[1, 1], [-1, 2]]
    # A card that is published has no path of this machine.
    assert described["transformer"] == "bert"
    assert nlp.config["components"] == plain.config["components"]
    saved, usual = (files_of(tmp_path / name / "model-last") for name in ("matched", "plain"))
    model = "ner_student/model"
    assert len(saved[model]) == len(usual[model]) and saved[model] != usual[model]


def test_the_block_of_the_docs(quietly, teacher, config, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf8")
    (block,) = re.findall(r"```ini\n(\[distillation.states\].*?)```", page, re.DOTALL)
    states = Config().from_str("[distillation]\n\n" + block)["distillation"]["states"]
    states["transformer"] = str(save_tiny_bert(tmp_path / "deep", ["Anna", "sails"], depth=9))
    quietly(teacher, config(**DEEP, distillation={"max_steps": 3, "states": states}))


def test_without_a_teacher(quietly, config, bert):
    """Then cross-view heads learn too, on batches of their own."""
    quietly("none", config(**DEEP, distillation={"max_steps": 4, **states_of(bert)}))


@pytest.mark.parametrize(
    "layers, match",
    [
        ([], r"\[D842\]"),
        ([[2]], r"\[D842\]"),
        ([[0, 1]], r"\[D842\].*layers = \[\[0, 1\]\]"),
        ([[1, -1]], r"\[D842\]"),
        ([[3, 1]], r"\[D840\] The layer 3 of 'ner_student'.*2 of them"),
        ([[-3, 1]], r"\[D840\] The layer -3"),
        ([[1, 3]], r"\[D641\] The layers \[3\]"),
    ],
)
def test_layers_that_do_not_exist(quietly, config, bert, layers, match):
    with pytest.raises(ValueError, match=match):
        quietly(UnreadTeacher(), config(**DEEP, distillation=states_of(bert, layers)))


def test_an_encoder_that_cannot_be_observed(quietly, teacher, config, bert):
    encode = {"@architectures": "spacy-distill.SRU.v1", "width": 16, "depth": 1}
    model = {"components": {"ner_student": {"model": {"encode": encode}}}}
    with pytest.raises(ValueError, match=r"\[D840\].*none that can be observed"):
        quietly(teacher, config(**model, distillation=states_of(bert)))


def test_features_of_all_layers_serve_for_some(bert, monkeypatch):
    """A teacher that mixes all layers has read the documents already."""
    from spacy_distill.encoders.encoder import Encoder
    from spacy_distill.encoders.transformer_layers import TransformerLayers

    nlp = spacy.blank("xx")
    docs = [nlp.make_doc("Anna Berg sails to Oslo ."), nlp.make_doc("It rains .")]
    FEATURES.clear()
    every, some = TransformerLayers(bert), TransformerLayers(bert, layers=[0, 2])
    for layer in (every, some):
        layer.initialize()
    states = every.predict(docs).dataXd
    read = Encoder.states
    monkeypatch.setattr(Encoder, "states", lambda *_: pytest.fail("the transformer reads"))
    assert_allclose(some.predict(docs).dataXd, states[:, [0, 2]])
    monkeypatch.setattr(Encoder, "states", read)
    other = [nlp.make_doc("Carl waits .")]
    assert some.predict([*docs, *other]).dataXd.shape == (12, 2, 16)
    FEATURES.clear()
