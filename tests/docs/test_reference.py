"""The reference tells of everything that can be configured, as it is in the code."""

import inspect
import re
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from spacy.cli._util import app
from spacy.language import Language
from thinc.api import Config
from typer.testing import CliRunner

from spacy_distill.training.settings import DEFAULT_CONFIG

pytest.importorskip("griffe", reason="the docs extra is not installed")

from reference import fill, registered, value_text

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Functions of a config, for which the page has a section each.
GROUPS = [
    "spacy_architectures",
    "spacy_readers",
    "spacy_callbacks",
    "spacy_loggers",
    "thinc_losses",
]
# Set by the component, not in configs.
NOT_TOLD = ["nL"]


def page(name):
    return fill((DOCS / "reference" / name).read_text(encoding="utf8"))


def section(text, heading):
    """RETURNS (str): What stands under a heading."""
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert found, f"the page has no section {heading}"
    return found[1]


def rows(text):
    """RETURNS (Dict[str, List[str]]): The rows of tables, by the name in their first cell."""
    lines = re.findall(r"^\| (`.+) \|$", text, re.M)
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return {row[0].strip("`"): [cell.strip() for cell in row[1:]] for row in cells}


def ours(group):
    return {
        point.name: point.load()
        for point in entry_points(group=group)
        if point.value.startswith("spacy_distill")
    }


@pytest.mark.parametrize("group", GROUPS)
def test_every_registered_function_is_told(group):
    text = page("config.md")
    for name, function in ours(group).items():
        told = rows(section(text, name))
        parameters = inspect.signature(function).parameters
        assert set(told) == set(parameters) - set(NOT_TOLD), name
        for key, cells in told.items():
            default = parameters[key].default
            assert cells[-1], f"{name}: {key} has no meaning"
            if default is not inspect.Parameter.empty:
                assert f"`{value_text(default)}`" in cells, f"{name}: {key}"


def test_no_group_of_functions_is_left_out():
    named = set(re.findall(r"^(\w+) =$", (ROOT / "setup.cfg").read_text(), re.M))
    groups = {name for name in named if name.startswith(("spacy_", "thinc_"))}
    assert groups == {*GROUPS, "spacy_cli", "spacy_factories"}
    assert len(registered()) == sum(len(ours(group)) for group in GROUPS)


def test_the_distillation_block_is_told():
    defaults = Config().from_str(DEFAULT_CONFIG)["distillation"]
    plain = {key: value for key, value in defaults.items() if key != "batcher"}
    text = section(page("config.md"), "Distillation")
    told = rows(text)
    for key, value in plain.items():
        if isinstance(value, dict) and value:
            assert f"[distillation.{key}]" in told
        else:
            assert f"`{value_text(value)}`" in told[key] and told[key][-1], key
    # What is told of inner blocks by hand.
    for block in ("batcher", "optimizer"):
        settings = re.findall(r"`(\w+) = ([^`]+)`", told[f"[distillation.{block}]"][0])
        assert settings
        for key, value in settings:
            assert value_text(defaults[block][key]) == value, f"{block}: {key}"


@pytest.mark.parametrize("factory", ["ner_student", "ner_teacher"])
def test_components_are_told(factory):
    defaults = Language.get_factory_meta(factory).default_config
    told = rows(section(page("config.md"), factory))
    assert set(told) == set(defaults)
    for key, value in defaults.items():
        if not isinstance(value, dict):
            assert f"`{value_text(value)}`" in told[key], key
        assert told[key][-1], f"{key} has no meaning"


def test_every_command_and_option_is_told():
    text = page("commands.md")
    commands = ours("spacy_cli")
    assert len(commands) >= 7
    for name in commands:
        result = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
        assert result.exit_code == 0
        # Those that a line of the help begins with; others are examples.
        options = re.findall(r"^[\s│*]*(?:-\w, )?(--[a-z][a-z-]*)(?![.\w-])", result.output, re.M)
        assert len(options) > 1, result.output
        told = section(text, name)
        for option in set(options) - {"--help"}:
            assert f"`{option}`" in told, f"{name} {option}"


def test_the_soft_corpus_has_its_settings():
    from spacy_distill.corpora.soft_corpus import SoftCorpus

    told = rows((DOCS / "how-to" / "much-text.md").read_text(encoding="utf8"))
    parameters = inspect.signature(SoftCorpus).parameters
    for key in set(parameters) - {"path"}:
        default = parameters[key].default
        assert told[key][0] == ("none" if default is None else str(default)), key


PACKAGES = ["spacy_distill", "spacy_distill.chain", "spacy_distill.losses"]
PACKAGES += ["spacy_distill.teachers", "spacy_distill.evaluation"]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_public_surface_is_told(package):
    text = (DOCS / "reference" / "api.md").read_text(encoding="utf8")
    told = {line.rpartition(".")[2] for line in re.findall(r"^::: (\S+)$", text, re.M)}
    # Described in words, and a type's name.
    told |= {"NERStudent", "NERTeacher", "TeacherSource", "__version__"}
    assert set(import_module(package).__all__) <= told


@pytest.mark.parametrize("heading", ["Teachers", "Chains", "Losses", "Corpora", "Evaluation"])
def test_names_are_where_the_page_says(heading):
    text = (DOCS / "reference" / "api.md").read_text(encoding="utf8")
    told = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", text, re.M | re.S)[1]
    packages = [import_module(name) for name in re.findall(r"`(spacy_distill\.[\w.]+)`", told)]
    for line in re.findall(r"^::: (\S+)$", told, re.M):
        name = line.rpartition(".")[2]
        assert any(hasattr(package, name) for package in packages), name


def test_the_steps_of_the_project_are_told():
    import srsly

    project = srsly.read_yaml(ROOT / "project.yml")
    text = fill((DOCS / "project.md").read_text(encoding="utf8"))
    told = re.findall(r"^\| `(\S+)` \|", text, re.M)
    assert told == [
        *(step["name"] for step in project["commands"]),
        *project["workflows"],
        *project["vars"],
    ]
