"""`python -m spacy distill-init`."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
import spacy
from spacy.cli import app
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from thinc.api import Config
from typer.testing import CliRunner

from spacy_distill import configs, distill
from spacy_distill.cli.init import Kind, Size
from spacy_distill.configs import make_config

KINDS = [kind.value for kind in Kind]
ROOT = Path(__file__).parents[2]


def run(*arguments):
    return CliRunner().invoke(app, ["distill-init", *map(str, arguments)])


def test_the_command_has_the_kinds_and_sizes_of_the_function():
    assert list(configs.KINDS) == KINDS
    assert [size.value for size in Size] == list(configs.SIZES)


def packaged(kind):
    return (files("spacy_distill.configs") / f"{kind}.cfg").read_text(encoding="utf8")


def test_the_projects_configs_are_those_of_the_command():
    for kind in ("student", "teacher"):
        path = ROOT / "configs" / f"{kind}.cfg"
        assert path.read_text(encoding="utf8") == make_config(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_by_default_it_is_the_packages_config(kind, tmp_path):
    result = run("--output", tmp_path / "new" / "config.cfg", "--kind", kind)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "new" / "config.cfg").read_text() == packaged(kind)
    assert run("--kind", kind).output == packaged(kind)


def test_settings_are_changed_and_comments_stay(tmp_path):
    path = tmp_path / "student.cfg"
    options = ["--lang", "sv", "--size", "small", "--labeled", "600", "--vectors", "my/vectors"]
    result = run("--output", path, *options)
    assert f"spacy distill TEACHER {path} " in result.output.replace("\n", "")
    config = load_config(path, interpolate=True)
    assert config["nlp"]["lang"] == "sv" and config["initialize"]["vectors"] == "my/vectors"
    model = config["components"]["ner_student"]["model"]["encode"]
    assert (model["width"], model["depth"]) == (100, 1)
    # Four times the usual labels: twice the steps.
    assert config["training"]["max_steps"] == 2000
    text = path.read_text()
    assert text.count("#") == packaged("student").count("#")
    assert len(text.splitlines()) == len(packaged("student").splitlines())


@pytest.mark.parametrize(
    "options, told",
    [
        ([], True),
        (["--kind", "soft", "--lang", "sv"], True),
        (["--vectors", "assets/vectors"], False),
        # A transformer needs no word vectors.
        (["--kind", "teacher"], False),
        (["--kind", "transformer"], False),
    ],
)
def test_without_word_vectors_the_command_shows_how_to_make_them(options, told, tmp_path):
    output = run("-o", tmp_path / "config.cfg", *options).output
    assert ("Without word vectors" in output) is told
    commands = re.findall(r"^python -m spacy distill-vectors .* --lang (\w+)$", output, re.M)
    assert commands == ([("sv" if "sv" in options else "en")] if told else [])


def test_few_labels_get_the_usual_steps():
    assert make_config("teacher", labeled=20) == packaged("teacher")
    assert "total_steps = 800" in make_config("teacher", labeled=600)


@pytest.mark.parametrize("kind", ["teacher", "transformer"])
def test_a_teachers_transformer(kind, tmp_path):
    config = make_config(kind, transformer="hf:KB/bert-base-swedish-cased")
    assert 'transformer = "hf:KB/bert-base-swedish-cased"' in config
    assert f'transformer = "{tmp_path}"' in make_config(kind, transformer=str(tmp_path))


def test_a_transformer_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "minilm").mkdir()
    path = tmp_path / "teacher.cfg"
    given = ["--kind", "teacher", "--transformer"]
    result = run("-o", path, *given, str(tmp_path / "minlm"))
    said = "".join(result.output.split())
    assert result.exit_code == 1 and f"Didyoumean'{tmp_path}/minilm'" in said
    assert run("-o", path, *given, "roberta-base").exit_code == 1 and not path.exists()
    assert run("-o", path, *given, "hf:roberta-base").exit_code == 0


@pytest.mark.parametrize("kind", ["student", "soft"])
def test_students_grow_with_their_size(kind, tmp_path):
    sizes = []
    for size in Size:
        (tmp_path / "student.cfg").write_text(make_config(kind, lang="sv", size=size.value))
        nlp = load_model_from_config(load_config(tmp_path / "student.cfg"), auto_fill=True)
        nlp.get_pipe("ner_student").add_label("LOC")
        doc = nlp.make_doc("Anna bor i Oslo")
        nlp.get_pipe("ner_student").initialize(lambda doc=doc: [Example(doc, doc)])
        sizes.append(len(nlp.get_pipe("ner_student").model.to_bytes()))
    assert nlp.lang == "sv" and sizes == sorted(set(sizes))


def test_a_language_has_its_own_tokenizer(tmp_path):
    (tmp_path / "student.cfg").write_text(make_config(lang="zh"))
    nlp = load_model_from_config(load_config(tmp_path / "student.cfg"), auto_fill=True)
    assert [token.text for token in nlp.make_doc("我在北京")] == list("我在北京")


@pytest.mark.parametrize("value", ["C:\\Users\\v", 'odd "name"', "a/b", "$HOME"])
def test_values_are_read_without_changes(value):
    text = make_config(vectors=value)
    assert Config().from_str(text, interpolate=False)["paths"]["vectors"] == value


@pytest.mark.parametrize(
    "options",
    [
        ["--kind", "soft", "--labeled", "300"],
        ["--kind", "teacher", "--size", "small"],
        ["--kind", "transformer", "--vectors", "vectors"],
        ["--kind", "teacher", "--lang", "sv"],
        ["--transformer", "hf:roberta-base"],
    ],
)
def test_options_that_do_not_fit_are_refused(options, tmp_path):
    result = run("-o", tmp_path / "config.cfg", *options)
    assert result.exit_code == 1 and "--" in result.output
    assert not (tmp_path / "config.cfg").exists()


def test_its_config_can_be_distilled(tmp_path):
    vocab = spacy.blank("sv").vocab
    doc = Doc(vocab, ["Anna", "bor", "i", "Oslo"])
    doc.set_ents([Span(doc, 3, 4, label="LOC")])
    DocBin(docs=[doc]).to_disk(tmp_path / "dev.spacy")
    teacher = spacy.blank("sv")
    teacher.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Oslo"}])
    assert run("-o", tmp_path / "student.cfg", "--lang", "sv", "--size", "small").exit_code == 0
    paths = {f"paths.{name}": str(tmp_path / "dev.spacy") for name in ("unlabeled", "dev")}
    overrides = {**paths, "distillation.max_steps": 60, "training.logger.progress_bar": False}
    nlp = distill(teacher, tmp_path / "student.cfg", overrides=overrides)
    assert [ent.text for ent in nlp("Anna bor i Oslo").ents] == ["Oslo"]


def test_errors_are_reported_in_one_line(tmp_path):
    path = tmp_path / "student.cfg"
    path.write_text("Mine.")
    result = run("-o", path)
    assert result.exit_code == 1 and "exists already" in " ".join(result.output.split())
    assert path.read_text() == "Mine." and run("-o", path, "--force").exit_code == 0
    assert run("-o", tmp_path / "other.cfg", "--lang", "tlh").exit_code == 1
    assert run("-o", tmp_path, "--force").exit_code == 1  # a folder
    assert not (tmp_path / "other.cfg").exists()


@pytest.mark.parametrize("settings", [{"kind": "pupil"}, {"size": "huge"}])
def test_kinds_and_sizes_that_do_not_exist_are_named(settings):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=rf"\[D714\] There is no {name} '{value}' of a config"):
        make_config(**settings)
