"""Pages of the reference, made of the code: commands out of their functions, settings out of the
functions that are registered for configs."""

import inspect
import re
from configparser import ConfigParser
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Sequence, get_args

import srsly
from docstrings import Docstring, parse
from spacy.cli._util import app
from spacy.language import Language
from typer.main import get_command

from spacy_distill.training.settings import DEFAULT_CONFIG

ROOT = Path(__file__).parents[2]
# What kind of block of a config a registry's functions are for.
REGISTRIES = {
    "spacy_architectures": "@architectures",
    "spacy_readers": "@readers",
    "thinc_losses": "@losses",
    "spacy_callbacks": "@callbacks",
    "spacy_loggers": "@loggers",
}


class Setting(NamedTuple):
    """A row of a table.

    name (str): As it is typed.
    type (str): What may be given.
    default (str): As it is typed; empty where something has to be given.
    meaning (str): What it does.
    """

    name: str
    type: str
    default: str
    meaning: str


class Registered(NamedTuple):
    """A function that configs can name.

    registry (str): The key before it, such as "@losses".
    name (str): Its registered name.
    function (Callable): The function, or a class.
    """

    registry: str
    name: str
    function: Callable


def entry_points(group: str) -> Dict[str, Callable]:
    """RETURNS (Dict[str, Callable]): What setup.cfg registers, by name."""
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    lines = parser["options.entry_points"].get(group, "").strip().splitlines()
    found = {}
    for line in lines:
        name, _, path = (part.strip() for part in line.partition("="))
        module, _, attribute = path.partition(":")
        found[name] = getattr(import_module(module), attribute)
    return found


def registered() -> List[Registered]:
    """RETURNS (List[Registered]): Every function of the package that a config can name."""
    return [
        Registered(key, name, function)
        for registry, key in REGISTRIES.items()
        for name, function in entry_points(registry).items()
    ]


# Commands


def commands_page() -> str:
    """RETURNS (str): Each command with its arguments and options, markdown."""
    functions = entry_points("spacy_cli")
    commands = get_command(app).commands  # type: ignore[attr-defined]
    return "\n\n".join(
        command_section(name, commands[name], run) for name, run in functions.items()
    )


def command_section(name: str, command: Any, run: Callable) -> str:
    """RETURNS (str): A command's description, usage and tables."""
    types = {key: item.annotation for key, item in inspect.signature(run).parameters.items()}
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = [item for item in command.params if item.param_type_name == "option"]
    usage = " ".join(argument_name(item) for item in arguments)
    tables = [
        table(title, [command_setting(item, types[item.name]) for item in items])
        for title, items in (("Argument", arguments), ("Option", options))
        if items
    ]
    more = (
        " [--section.setting VALUE]"
        if command.context_settings.get("ignore_unknown_options")
        else ""
    )
    return "\n\n".join(
        [
            f"## {name}",
            inspect.cleandoc(command.help or ""),
            f"```text\npython -m spacy {name} {usage} [OPTIONS]{more}\n```",
            *tables,
        ]
    )


def argument_name(argument: Any) -> str:
    return argument.metavar or argument.name.upper()


def command_setting(item: Any, annotation: Any) -> Setting:
    """RETURNS (Setting): An argument or an option, by what click knows of it."""
    if item.param_type_name == "argument":
        name = code(argument_name(item))
    else:
        name = ", ".join(map(code, [*item.opts, *item.secondary_opts]))
    meaning, _, described = (item.help or "").partition("  [default: ")
    default = shown_default(item.default)
    shown = described.rstrip("]") or (code(default) if default else "")
    return Setting(name, type_name(annotation), shown, escape(meaning))


def shown_default(default: Any) -> str:
    if default is None or default == "" or default is False or callable(default):
        return ""
    return str(default.value if isinstance(default, Enum) else default)


def type_name(annotation: Any) -> str:
    """RETURNS (str): What a person types: a number, a path, one of some words."""
    inner = [part for part in get_args(annotation) if part is not type(None)]
    if inner:
        return type_name(inner[0])
    if issubclass(annotation, Enum):
        return ", ".join(code(choice.value) for choice in annotation)
    return {bool: "flag", int: "whole number", float: "number", str: "text", Path: "path"}[
        annotation
    ]


# Configs


def registered_section(entry: Registered) -> str:
    """RETURNS (str): What a registered function is for, and its settings."""
    rows = function_settings(entry.function)
    return "\n\n".join(
        [
            f"### {entry.name}",
            f'`{entry.registry} = "{entry.name}"`',
            doc_of(entry.function).text,
            table("Setting", rows) if rows else "It has no settings.",
        ]
    )


def doc_of(function: Callable) -> Docstring:
    """RETURNS (Docstring): A function's; a class has its text, and its settings at __init__."""
    found = parse(inspect.getdoc(function) or "")
    if inspect.isclass(function):
        return found._replace(entries=parse(inspect.getdoc(function.__init__) or "").entries)
    return found


def function_settings(function: Callable, leave_out: Iterable[str] = ("nL",)) -> List[Setting]:
    """RETURNS (List[Setting]): One for each parameter; `nL` is set by the component."""
    meanings = doc_of(function).meanings()
    rows = []
    for key, value in inspect.signature(function).parameters.items():
        if key in leave_out:
            continue
        kind = inspect.formatannotation(value.annotation)
        meaning = meanings[key].text
        rows.append(
            Setting(code(key), code(short_type(kind)), shown(value.default), escape(meaning))
        )
    return rows


def short_type(annotation: str) -> str:
    """RETURNS (str): A type without modules and brackets that say nothing to a config's writer."""
    text = re.sub(r"\b[a-z_]\w*\.", "", annotation).replace("'", "")
    text = re.sub(r"Union\[float, Iterable\[float\]\]", "float or schedule", text)
    text = re.sub(r"Optional\[(.+)\]$", r"\1 or null", text)
    text = re.sub(r"^(Model|Callable)\[.*\]( or null)?$", r"\1\2", text)
    return text


def shown(default: Any) -> str:
    """RETURNS (str): A default as a config has it."""
    if default is inspect.Parameter.empty:
        return ""
    return code(value_text(default))


def value_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(value_text, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def component_section(name: str) -> str:
    """RETURNS (str): The settings of a component, with its default model."""
    meta = Language.get_factory_meta(name)
    defaults = meta.default_config or {}
    meanings = parse(inspect.getdoc(entry_points("spacy_factories")[name]) or "").meanings()
    rows = []
    for key, entry in meanings.items():
        default = defaults[key]
        if isinstance(default, dict):
            (default,) = (value for part, value in default.items() if part.startswith("@"))
        rows.append(
            Setting(code(key), code(short_type(entry.type)), shown(default), escape(entry.text))
        )
    return table("Setting", rows)


def distillation_settings() -> List[Setting]:
    """RETURNS (List[Setting]): The `[distillation]` block: each setting with the comment above."""
    rows, comments, block = [], [], ""
    for line in DEFAULT_CONFIG.splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if line.startswith("["):
            block = line.strip("[]").removeprefix("distillation").removeprefix(".")
        elif line.startswith("#"):
            comments.append(line.lstrip("# "))
        elif not block and value:
            rows.append(
                Setting(code(key), plain_type(value), code(value), escape(" ".join(comments)))
            )
            comments = []
    return rows


def plain_type(value: str) -> str:
    """RETURNS (str): The type of a value as it is written in a config."""
    kinds = {'"': "text", "{": "table"}
    if value[0] in kinds:
        return kinds[value[0]]
    return (
        "true or false"
        if value in ("true", "false")
        else "number"
        if "." in value
        else "whole number"
    )


# The project


def project_page() -> str:
    """RETURNS (str): The steps of project.yml with their help, and its variables."""
    config = srsly.read_yaml(ROOT / "project.yml")
    steps = [f"| `{step['name']}` | {step['help']} |" for step in config["commands"]]
    flows = [
        f"| `{name}` | {', '.join(f'`{step}`' for step in names)} |"
        for name, names in config["workflows"].items()
    ]
    variables = [
        f"| `{name}` | {code(str(value)) * bool(value != '')} |"
        for name, value in config["vars"].items()
    ]
    return "\n\n".join(
        [
            config["description"].strip(),
            "\n".join(["| Step | What it does |", "| --- | --- |", *steps]),
            "\n".join(["| Workflow | Steps |", "| --- | --- |", *flows]),
            "\n".join(["| Variable | Default |", "| --- | --- |", *variables]),
        ]
    )


# Markdown


def table(title: str, rows: Sequence[Setting]) -> str:
    """RETURNS (str): A markdown table; columns that would be empty are left out."""
    columns = [title, "Type", "Default", "Meaning"]
    kept = [n for n in range(4) if any(row[n] for row in rows)]
    lines = [[columns[n] for n in kept], ["---"] * len(kept)]
    lines += [[row[n] for n in kept] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


def escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


# What pages have in their place.
PARTS: Dict[str, Callable[..., str]] = {
    "commands": commands_page,
    "distillation": lambda: table("Setting", distillation_settings()),
    "component": component_section,
    "project": project_page,
    "registered": lambda key: "\n\n".join(
        registered_section(entry) for entry in registered() if entry.registry == key
    ),
}
MARKER = re.compile(r"^<!-- made of the code: (?P<part>\w+)(?: (?P<argument>\S+))? -->$", re.M)


def fill(markdown: str) -> str:
    """Put what is made of the code in the place of its marker.

    markdown (str): A page, with lines such as `<!-- made of the code: component ner_student -->`.
    RETURNS (str): The whole page.
    """

    def part(match: re.Match) -> str:
        arguments = [match["argument"]] if match["argument"] else []
        return PARTS[match["part"]](*arguments)

    return MARKER.sub(part, markdown)
