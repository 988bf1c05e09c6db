"""The selection of layers in a training, and the deletion of the others."""

import io

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_pipeline
from thinc.api import Config, fix_random_seed

from spacy_distill import prune
from spacy_distill.configs import make_config
from spacy_distill.encoders.feature_cache import FEATURES
from spacy_distill.models.layer_gates import all_gates, find_gated, set_gates
from spacy_distill.training.layer_selection import LayerSelection
from tests.tiny_bert import save_tiny_bert
from tests.training.conftest import FRAMES, PEOPLE, PLACES, make_docs

DENSE = {"@architectures": "spacy-distill.DenseBiLSTM.v1", "width": 12, "depth": 4}
SELECTION = {"@callbacks": "spacy-distill.LayerSelection.v1", "layers": 2, "start": 4, "end": 24}
DELETION = {"@callbacks": "spacy-distill.DeleteLayers.v1"}


def with_dense(**encode):
    return {"components": {"ner_student": {"model": {"encode": {**DENSE, **encode}}}}}


def make_student(gates, **encode):
    fix_random_seed(0)
    nlp = spacy.blank("en")
    model = {"encode": {**DENSE, **encode}, "embed": {"characters": {"filters": 8}}}
    pipe = nlp.add_pipe("ner_student", config={"model": model, "confidence": True})
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in make_docs(nlp.vocab)]
    nlp.initialize(lambda: examples)
    pipe.cfg["temperature"] = 1.3
    (layer,) = find_gated(pipe.model)
    set_gates(layer, numpy.asarray(gates))
    # Larger weights, so that all layers count.
    for node in pipe.model.walk():
        if node.has_param("W") and node.has_dim("nI"):
            node.set_param("W", node.get_param("W") * 2)
    return nlp, layer


def emissions(nlp, name="ner_student"):
    docs = [nlp.make_doc(doc.text) for doc in make_docs(nlp.vocab)]
    return nlp.get_pipe(name).predict_chain(docs).emissions


# Deletion


@pytest.mark.parametrize(
    "precision, gates",
    [("float32", [1, 0, 0.7, 0.4]), ("int8", [0, 0.9, 0, 0])],
)
def test_predictions_are_those_with_closed_gates(precision, gates):
    nlp, layer = make_student(gates, precision=precision)
    before, expected = nlp.to_bytes(), emissions(nlp)
    small = prune(nlp)
    limit = 1e-5 if precision == "float32" else 0.05
    assert_allclose(emissions(small), expected, atol=limit)
    assert nlp.to_bytes() == before
    pipe = small.get_pipe("ner_student")
    n_kept = numpy.count_nonzero(gates)
    assert small.config["components"]["ner_student"]["model"]["encode"]["depth"] == n_kept
    assert pipe.labels == ("LOC", "PER") and pipe.cfg["temperature"] == 1.3 and pipe.confidence
    assert pipe.model.get_ref("output_layer").get_dim("nI") == 12 * n_kept
    assert not find_gated(pipe.model)
    shapes = [node.get_param("W").shape for node in pipe.model.walk() if node.has_param("U")]
    n_inputs = layer.get_dim("nI")
    assert shapes == [(48, n_inputs + 12 * below) for below in range(n_kept)]
    loaded = spacy.blank("en").from_config(small.config).from_bytes(small.to_bytes())
    assert_array_equal(emissions(loaded), emissions(small))


def test_the_number_of_layers_can_be_chosen():
    nlp, layer = make_student([0.9, 0.2, 0.7, 1])
    small = prune(nlp, layers=2)
    set_gates(layer, numpy.asarray([0.9, 0, 0, 1]))
    assert_allclose(emissions(small), emissions(nlp), atol=1e-5)
    assert len(prune(nlp, layers=9).get_pipe("ner_student").to_bytes()) > len(small.to_bytes()) / 2


def test_a_pruned_student_can_be_trained_further():
    small = prune(make_student([1, 0, 0, 1])[0])
    examples = [Example(small.make_doc(doc.text), doc) for doc in make_docs(small.vocab)]
    optimizer = small.resume_training()
    before = emissions(small)
    losses = [small.update(examples, sgd=optimizer)["ner_student"] for _ in range(10)]
    assert losses[-1] < losses[0] and abs(emissions(small) - before).max() > 0.1


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda nlp: prune(nlp, layers=0), r"\[D642\].*layers = 0"),
        (lambda nlp: prune(prune(nlp)), r"\[D643\].*found ner_student, expected"),
        (lambda nlp: prune(spacy.blank("en")), r"\[D643\].*found no components"),
    ],
)
def test_what_cannot_be_deleted(change, match):
    nlp, _ = make_student([1, 0, 0, 1])
    with pytest.raises(ValueError, match=match):
        change(nlp)


def test_layers_within_a_function_of_ones_own():
    nlp, _ = make_student([1, 0, 0, 1])
    model = nlp.get_pipe_config("ner_student")["model"]
    model["encode"]["@architectures"] = "own.Dense.v1"
    with pytest.raises(ValueError, match=r"\[D644\].*has 0 blocks"):
        prune(nlp)


def test_a_head_that_reads_something_else():
    nlp, layer = make_student([1, 0, 0, 1])
    layer._dims["nO"] = 47
    with pytest.raises(ValueError, match=r"\[D645\].*width 48, expected 47"):
        prune(nlp)


# The selection


@pytest.mark.parametrize(
    "settings, match",
    [
        ({"layers": 0, "end": 5}, "layers = 0: expected at least 1"),
        ({"layers": 1, "end": 5, "start": 5}, "end = 5: expected more than"),
        ({"layers": 1, "end": 5, "start": -1}, "start = -1"),
        ({"layers": 1, "end": 5, "penalty": 0.0}, "penalty = 0.0: expected above 0"),
    ],
)
def test_settings_out_of_range(settings, match):
    with pytest.raises(ValueError, match=rf"\[D646\].*{match}"):
        LayerSelection(**settings)


def test_the_schedule_of_a_selection():
    nlp, layer = make_student([1, 1, 1, 1])
    select = LayerSelection(layers=2, start=3, end=6, penalty=0.1)
    select(nlp, {"step": 2, "epoch": 0})
    assert (layer.attrs["keep"], layer.attrs["rate"]) == (2, 0)
    select(nlp, {"step": 3, "epoch": 0})
    assert (layer.attrs["keep"], layer.attrs["penalty"]) == (2, 0.1)
    assert layer.attrs["rate"] == pytest.approx(10 / 0.3)
    set_gates(layer, numpy.asarray([0.2, 0.8, 0.1, 0.9]))
    for step in (6, 7):
        select(nlp, {"step": step, "epoch": 1})
        assert_array_equal(all_gates(layer, 4), [0, 1, 0, 1])
        assert layer.attrs["rate"] == 0


def test_frozen_components_are_left_out():
    nlp, _ = make_student([1, 1, 1, 1])
    nlp.config["training"]["frozen_components"] = ["ner_student"]
    with pytest.raises(ValueError, match=r"\[D643\]"):
        LayerSelection(layers=2, end=5)(nlp, {"step": 0, "epoch": 0})


def test_a_distillation_ends_with_as_many_layers(quietly, teacher, config, corpora, tmp_path):
    changed = config(
        **with_dense(),
        training={"before_update": SELECTION, "before_to_disk": DELETION},
        distillation={"max_steps": 60},
    )
    nlp = quietly(teacher, changed, tmp_path / "output")
    (layer,) = find_gated(nlp.get_pipe("ner_student").model)
    assert sorted(all_gates(layer, 4)) == [0, 0, 1, 1]
    for name in ("model-best", "model-last"):
        saved = spacy.load(tmp_path / "output" / name)
        assert saved.config["components"]["ner_student"]["model"]["encode"]["depth"] == 2
        assert saved.evaluate(Corpus(corpora["dev"])(saved))["ents_f"] > 0.9
    assert_allclose(emissions(saved), emissions(nlp), atol=0.05)
    # The run is known as a finished one, though the saved config has fewer layers.
    quietly(teacher, changed, tmp_path / "output", resume=True)


def test_a_resumed_selection_ends_with_the_same_layers(quietly, teacher, config, tmp_path):
    """It is interrupted while the gates move."""
    changed = with_dense(), {"before_update": {**SELECTION, "end": 14}, "eval_frequency": 4}
    changed = config(**changed[0], training=changed[1], distillation={"max_steps": 18})
    whole = quietly(teacher, changed, tmp_path / "whole")
    stopped = {"n": 0}

    @spacy.registry.callbacks("spacy_distill_tests.Interrupted.v1")
    def make_interrupted():
        select = LayerSelection(layers=2, start=4, end=14)

        def callback(nlp, step):
            if step["step"] == 10 and not stopped["n"]:
                stopped["n"] += 1
                raise KeyboardInterrupt
            select(nlp, step)

        return callback

    interrupted = Config(changed, is_interpolated=False)
    interrupted["training"]["before_update"] = {"@callbacks": "spacy_distill_tests.Interrupted.v1"}
    with pytest.raises(KeyboardInterrupt):
        quietly(teacher, interrupted, tmp_path / "resumed")
    resumed = quietly(teacher, interrupted, tmp_path / "resumed", resume=True)
    one, other = (find_gated(nlp.get_pipe("ner_student").model)[0] for nlp in (whole, resumed))
    assert_array_equal(all_gates(one, 4), all_gates(other, 4))
    assert_array_equal(emissions(whole), emissions(resumed))


def test_a_config_of_distill_init_with_dense_layers(quietly, teacher, corpora):
    text = make_config("student", lang="en").replace("filters = 64", "filters = 8")
    config = Config().from_str(text, interpolate=False)
    model = config["components"]["ner_student"]["model"]
    model["encode"] = {**DENSE, "precision": "int8"}
    config["training"]["before_update"] = {**SELECTION, "start": 0, "end": 2}
    overrides = {
        "paths.train": str(corpora["labeled"]),
        "paths.dev": str(corpora["dev"]),
        "paths.unlabeled": str(corpora["unlabeled"]),
        "distillation.max_steps": 3,
    }
    nlp = quietly(teacher, config, overrides=overrides)
    assert prune(nlp).config["components"]["ner_student"]["model"]["encode"]["depth"] == 2


# A teacher


@pytest.fixture(scope="module")
def gated_teacher(tmp_path_factory):
    """A teacher over a frozen transformer of four layers, which `spacy train` has trained with a
    selection of one of its five states."""
    folder = tmp_path_factory.mktemp("teacher")
    words = [word for name in PEOPLE + PLACES for word in name.split()]
    words += [word for frame in FRAMES for word in frame.split() if "{" not in word]
    save_tiny_bert(folder / "bert", words, depth=4, initializer_range=0.2)
    docs = make_docs(spacy.blank("en").vocab)
    DocBin(docs=docs).to_disk(folder / "docs.spacy")
    config = Config().from_str(make_config("teacher", transformer=str(folder / "bert")))
    config["components"]["ner_teacher"]["model"]["embed"]["left"]["characters"]["filters"] = 4
    config["components"]["ner_teacher"]["model"]["encode"]["width"] = 16
    mix = config["components"]["ner_teacher"]["model"]["embed"]["right"]
    mix["@architectures"] = "spacy-distill.GatedLayerMix.v1"
    mix["transformer"]["layers"] = None
    config["paths"] |= {"train": str(folder / "docs.spacy"), "dev": str(folder / "docs.spacy")}
    for name in ("train", "dev"):
        config["corpora"][name]["path"] = str(folder / "docs.spacy")
    config["training"] |= {
        "before_update": {**SELECTION, "layers": 1, "start": 0, "end": 30},
        "max_steps": 60,
        "eval_frequency": 60,
        "dropout": 0.1,
    }
    config["training"]["logger"]["progress_bar"] = False
    config["training"]["optimizer"]["learn_rate"] |= {
        "total_steps": 60,
        "warmup_steps": 2,
        "initial_rate": 0.02,
    }
    config["training"]["gpu_allocator"] = None
    (folder / "output").mkdir()
    FEATURES.clear()
    nlp = init_nlp(config)
    train_pipeline(nlp, folder / "output", stdout=io.StringIO(), stderr=io.StringIO())
    return spacy.load(folder / "output" / "model-last")


def test_a_teacher_is_trained_with_a_selection(gated_teacher):
    (layer,) = find_gated(gated_teacher.get_pipe("ner_teacher").model)
    assert sorted(all_gates(layer, 5)) == [0, 0, 0, 0, 1]
    found = [ent.text for ent in gated_teacher("Anna Berg sails to Oslo .").ents]
    assert found == ["Anna Berg", "Oslo"]


@pytest.mark.parametrize(
    "gates, kept",
    [([0, 0.5, 1, 0, 0], [1, 2]), ([1, 0, 0, 0, 0], [0])],
)
def test_a_pruned_teacher_computes_no_layer_above_the_highest(gated_teacher, gates, kept):
    pipe = gated_teacher.get_pipe("ner_teacher")
    (layer,) = find_gated(pipe.model)
    former = all_gates(layer, 5)
    set_gates(layer, numpy.asarray(gates))
    layer.attrs["keep"] = 0
    try:
        expected = emissions(gated_teacher, "ner_teacher")
        small = prune(gated_teacher)
    finally:
        set_gates(layer, former)
    FEATURES.clear()
    assert_allclose(emissions(small, "ner_teacher"), expected, atol=1e-5)
    embed = small.config["components"]["ner_teacher"]["model"]["embed"]["right"]
    assert embed["@architectures"] == "spacy-distill.LayerMix.v1"
    assert embed["transformer"]["layers"] == kept
    nodes = small.get_pipe("ner_teacher").model.walk()
    (transformer,) = (node for node in nodes if "learn_rate_factor" in node.attrs)
    depth = max(max(kept), 1)
    assert transformer.shims[0].transformer.config.num_hidden_layers == depth
    assert len(transformer.shims[0].transformer.encoder.layer) == depth
    loaded = spacy.blank("en").from_config(small.config).from_bytes(small.to_bytes())
    assert_array_equal(emissions(loaded, "ner_teacher"), emissions(small, "ner_teacher"))
    # The teacher itself still has all layers.
    assert len(pipe.to_bytes()) > len(small.get_pipe("ner_teacher").to_bytes()) - 1000
    assert find_gated(pipe.model)
