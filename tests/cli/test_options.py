"""One convention for all commands: an option has one name, one letter and one meaning."""

from collections import defaultdict
from dataclasses import fields
from importlib.metadata import entry_points

import pytest
from spacy.cli._util import app
from typer.main import get_command

from spacy_distill.cli.teacher_options import DEFAULTS, HELP, read_options
from spacy_distill.teachers import TeacherOptions

OWN = {
    point.name: point.load()
    for point in entry_points(group="spacy_cli")
    if point.value.startswith("spacy_distill")
}
COMMANDS = {name: get_command(app).commands[name] for name in OWN}
# They load no pipeline.
WITHOUT_PIPELINE = {"distill-init"}
# OUTPUT is an argument, as in spaCy's `apply`.
WITH_OUTPUT_ARGUMENT = {"distill-tag"}
# It prints its result.
WITHOUT_OUTPUT = {"distill-threshold"}


def options(name):
    """List the options of a command, as click objects."""
    return [item for item in COMMANDS[name].params if item.param_type_name == "option"]


def test_teacher_options_are_the_fields_of_the_class():
    assert set(HELP) == {field.name for field in fields(TeacherOptions)}
    typed = {name: DEFAULTS.get(name, "") for name in HELP}
    assert read_options(typed) == TeacherOptions()


def test_all_commands_are_looked_at():
    assert len(COMMANDS) == 11


def test_a_letter_is_one_option():
    names = defaultdict(set)
    for command in COMMANDS:
        for option in options(command):
            (name, *_) = [text for text in option.opts if text.startswith("--")]
            letters = [text for text in option.opts if not text.startswith("--")]
            for letter in letters:
                names[letter].add(name)
    assert {letter: sorted(found) for letter, found in names.items()} == {
        "-o": ["--output"],
        "-F": ["--force"],
        "-V": ["--verbose"],
        "-VV": ["--verbose"],
        "-g": ["--gpu-id"],
        "-c": ["--code"],
        "-b": ["--batch-size"],
        "-n": ["--n-process"],
        "-l": ["--lang"],
    }


def test_an_option_has_the_same_letters_and_values_everywhere():
    found = defaultdict(set)
    for command in COMMANDS:
        for option in options(command):
            found[option.opts[0]].add((tuple(option.opts), option.is_flag, option.multiple))
    assert {name: forms for name, forms in found.items() if len(forms) > 1} == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_common_options(command):
    names = {name for option in options(command) for name in option.opts}
    assert "--verbose" in names
    assert ("--force" in names) == (command not in WITHOUT_OUTPUT)
    assert ("--output" in names) == (command not in WITH_OUTPUT_ARGUMENT | WITHOUT_OUTPUT)
    assert (names >= {"--gpu-id", "--code"}) == (command not in WITHOUT_PIPELINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_short_help(command):
    for item in COMMANDS[command].params:
        help_text = (item.help or "").partition("  [default: ")[0]
        assert help_text and not help_text.endswith("."), item.name
        assert len(help_text.split()) <= 45, item.name
    assert COMMANDS[command].help
