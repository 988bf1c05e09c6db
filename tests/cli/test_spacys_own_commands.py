"""spaCy's own commands on a pipeline with a `ner_student`, and on the project's configs."""

import json
from pathlib import Path

import pytest
import spacy
from spacy import displacy
from spacy.cli import app
from spacy.cli.find_threshold import find_threshold
from spacy.tokens import Doc, DocBin, Span
from spacy.util import load_config, load_model_from_config, registry
from thinc.api import Config, fix_random_seed
from typer.testing import CliRunner

import spacy_distill
from spacy_distill.training.prepare import PrepareTraining

CONFIGS = Path(spacy_distill.__file__).parent / "configs"
SENTENCES = [("Anna sails to Oslo .", 4), ("Carl left Kiel .", 3), ("Anna called Carl .", None)]


def make_docs(vocab):
    for words, place in SENTENCES * 40:
        doc = Doc(vocab, words=words.split(" "))
        spans = [Span(doc, 0, 1, label="PER")]
        spans += [Span(doc, place - 1, place, label="LOC")] if place else []
        doc.set_ents(spans)
        yield doc


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A corpus, and a student that `spacy train` trained on it with the packaged config."""
    folder = tmp_path_factory.mktemp("commands")
    DocBin(docs=make_docs(spacy.blank("en").vocab)).to_disk(folder / "corpus.spacy")
    fix_random_seed(0)
    steps = ["--training.optimizer.learn_rate.total_steps", "100"]
    small = ["--components.ner_student.model.encode.width", "32"]
    run("train", CONFIGS / "student.cfg", "--output", folder, *paths(folder), *steps, *small)
    return folder


def paths(folder):
    corpus = folder / "corpus.spacy"
    return ["--paths.train", corpus, "--paths.dev", corpus]


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.cfg")), ids=lambda path: path.name)
def test_an_optimizer_can_be_made_of_its_block_alone(path):
    """`debug data`, `assemble` and `resume_training` create it with `nlp.create_optimizer`, so
    the block must not contain variables."""
    block = load_config(path, interpolate=False)["training"]["optimizer"]
    assert registry.resolve({"optimizer": block})["optimizer"].learn_rate >= 0


def test_steps_are_set_once(folder):
    config = Config().from_disk(folder / "model-last" / "config.cfg")
    assert config["training"]["max_steps"] == 100


@pytest.mark.parametrize("steps, told", [(3000, "3000"), (0, "without limit")])
def test_steps_after_the_learning_rate_has_fallen_are_refused(folder, tmp_path, steps, told):
    arguments = [*paths(folder), "--training.max_steps", steps]
    command = ["train", CONFIGS / "student.cfg", "--output", tmp_path, *arguments]
    with pytest.raises(ValueError, match=rf"max_steps is {told}, but .* in 1000 steps"):
        run(*command)


@pytest.mark.parametrize("kind", ["teacher", "transformer"])
def test_a_transformer_that_is_no_folder_is_not_downloaded(folder, tmp_path, kind):
    pytest.importorskip("spacy_transformers", reason="the configs' transformer is of this library")
    command = ["train", CONFIGS / f"{kind}.cfg", "--output", tmp_path, *paths(folder)]
    with pytest.raises(ValueError, match=r"D292.*no model 'owner/name'.*write hf:OWNER/NAME"):
        run(*command, "--paths.transformer", "owner/name")


def test_a_transformer_on_the_hub_has_a_prefix():
    pytest.importorskip("spacy_transformers", reason="the config's transformer is of this library")
    overrides = {"paths.transformer": "hf:owner/name"}
    config = load_config(CONFIGS / "transformer.cfg", overrides=overrides)
    nlp = load_model_from_config(config, auto_fill=True)
    PrepareTraining()(nlp)
    assert nlp.get_pipe("transformer").model.attrs["name"] == "owner/name"


def test_configs_are_checked_and_filled(folder):
    run("init", "fill-config", CONFIGS / "student.cfg", folder / "filled.cfg")
    filled = Config().from_disk(folder / "filled.cfg", interpolate=False)
    assert filled["components"]["ner_student"]["threshold"] == 0.5
    assert "Config is valid" in run("debug", "config", folder / "filled.cfg", *paths(folder))
    output = run("debug", "data", folder / "filled.cfg", *paths(folder))
    assert "120 training docs" in output


def test_a_pipeline_is_assembled_from_a_trained_student(folder):
    config = load_config(folder / "model-last" / "config.cfg")
    source = {"source": str(folder / "model-last"), "component": "ner_student"}
    config["components"] = {"sentencizer": {"factory": "sentencizer"}, "ner_student": source}
    config["nlp"]["pipeline"] = ["sentencizer", "ner_student"]
    config.to_disk(folder / "assemble.cfg")
    run("assemble", folder / "assemble.cfg", folder / "assembled")
    assembled, student = spacy.load(folder / "assembled"), spacy.load(folder / "model-last")
    found, expected = (
        [(ent.text, ent.label_) for ent in nlp("Anna sails to Oslo .").ents]
        for nlp in (assembled, student)
    )
    assert found == expected and found


def test_accuracy_and_speed(folder):
    model, corpus = folder / "model-best", folder / "corpus.spacy"
    for command in (["evaluate"], ["benchmark", "accuracy"]):
        run(*command, model, corpus, "--output", folder / "scores.json")
        assert json.loads((folder / "scores.json").read_text())["ents_f"] > 0.9
    output = run("benchmark", "speed", model, corpus, "--batches", "30", "--warmup", "1")
    assert "words/s" in output


def test_the_threshold_of_likely_spans_is_found(folder, tmp_path):
    config = {"components": {"ner_student": {"spans_key": "sc"}}}
    spacy.load(folder / "model-best", config=config).to_disk(tmp_path / "with_spans")
    arguments = tmp_path / "with_spans", folder / "corpus.spacy", "ner_student", "threshold"
    best, score, scores = find_threshold(*map(str, arguments), "spans_sc_f", n_trials=5)
    assert 0 < best < 1 and score > 0.9
    # A threshold of 0 writes unlikely spans, a threshold of 1 almost none.
    assert scores[0.0] < score > scores[1.0]


def test_the_minimum_confidence_is_found(folder):
    arguments = folder / "model-best", folder / "corpus.spacy", "ner_student", "min_confidence"
    best, score, scores = find_threshold(*map(str, arguments), "ents_f", n_trials=5)
    assert score > 0.9 and scores[best] == score > scores[1.0]


def test_a_package_is_made(folder, tmp_path):
    run("package", folder / "model-best", tmp_path, "--build", "none", "--name", "ner_student")
    meta = json.loads((tmp_path / "en_ner_student-0.0.0" / "meta.json").read_text())
    assert meta["labels"]["ner_student"] == ["LOC", "PER"]
    assert any(line.startswith("spacy-distill") for line in meta["requirements"])
    package = tmp_path / "en_ner_student-0.0.0" / "en_ner_student" / "en_ner_student-0.0.0"
    assert "ner_student" in run("info", package)


def test_displacy_shows_entities_and_likely_spans(folder):
    config = {"components": {"ner_student": {"spans_key": "sc"}}}
    doc = spacy.load(folder / "model-best", config=config)("Anna sails to Oslo .")
    for style in ("ent", "span"):
        html = displacy.render(doc, style=style, jupyter=False)
        assert "Anna" in html and "PER" in html and "LOC" in html


def test_debug_data_counts_entities_with_a_config_of_ner(folder):
    run("init", "config", folder / "ner.cfg", "--lang", "en", "--pipeline", "ner", "--force")
    assert "2 label(s)" in run("debug", "data", folder / "ner.cfg", *paths(folder))
