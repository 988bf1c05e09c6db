"""Each message of the package has a code, and docs/errors.md says what is behind it. Read off the
source, so that neither can be forgotten."""

import ast
import builtins
import re
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Tuple

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "spacy_distill"
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf8")

CODE = re.compile(r"\[(D\d{3})\] ")
# A message with what is filled in left out.
GAP = "{}"
# What needs no code, and why.
WITHOUT_CODE = {
    "module '{}' has no attribute '{}'": "Python's own words for a name that is not there",
}
# Exceptions that say nothing to anyone.
SILENT = {
    "Exit": "typer's way to end a command whose message is printed already",
    "EndedBySignal": "SIGTERM and SIGHUP; the command that catches it prints what is kept",
    "LayerReached": "ends a transformer's pass early, and is caught where that begins",
}
# How commands print an error that they caught, which has its code.
CAUGHT = "' '.join(str(error).split())"
BUILTIN = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}


def name_of(node: ast.AST) -> str:
    """RETURNS (str): What is called: the last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def parts_of(node: ast.AST, assigned: Mapping[str, ast.AST]) -> str:
    """RETURNS (str): A string's literal parts, with a gap for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(parts_of(value, {}) for value in node.values)
    if isinstance(node, ast.Name) and node.id in assigned:
        return parts_of(assigned[node.id], {})
    return GAP


def messages_in(source: str) -> Iterator[str]:
    """YIELDS (str): Every message that a module makes, with gaps."""
    tree = ast.parse(source)
    errors = BUILTIN | {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and BUILTIN & {name_of(base) for base in node.bases}
    }
    assigned = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, (ast.Constant, ast.JoinedStr))
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
            # A class, and no error that was caught or kept.
            if node.exc.id in errors:
                yield ""
        elif isinstance(node, ast.Call):
            name = name_of(node.func)
            is_error = name in errors or name.endswith("Error")
            if not is_error and name not in ("warn", "fail"):
                continue
            arguments = node.args if name in ("warn", "fail") else node.args[:1]
            if name in SILENT or [ast.unparse(item) for item in arguments] == [CAUGHT]:
                continue
            # Commands print a title, and the text on the next line.
            yield ": ".join(parts_of(item, assigned) for item in arguments)


def messages_in_cython(source: str) -> Iterator[str]:
    """YIELDS (str): The same of Cython, which `ast` cannot read."""
    for name, text in re.findall(r'raise (\w+)\((?:f?"(.*)")?\)', source):
        # When memory is over, Python says it in its own way.
        if name != "MemoryError":
            yield re.sub(r"\{.*?\}", GAP, text)


def package_messages() -> List[str]:
    """RETURNS (List[str]): Those of all modules."""
    found = [m for p in sorted(SOURCE.rglob("*.py")) for m in messages_in(p.read_text("utf8"))]
    for path in sorted(SOURCE.rglob("*.pyx")):
        found += messages_in_cython(path.read_text("utf8"))
    return found


def coded() -> List[Tuple[str, str]]:
    """RETURNS (List[Tuple[str, str]]): Codes with their messages, in the order of the source."""
    matches = [(CODE.match(message), message) for message in package_messages()]
    return [(match[1], message[match.end() :]) for match, message in matches if match]


def entries() -> Dict[str, Tuple[str, str]]:
    """RETURNS (Dict[str, Tuple[str, str]]): Messages with gaps, and what is said of them, by the
    codes of the page."""
    found = {}
    for entry in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        code, _, text = entry.partition("\n")
        text = re.split(r"^## ", text, flags=re.MULTILINE)[0]
        quoted = [line[2:] for line in text.splitlines() if line.startswith("> ")]
        said = [line for line in text.splitlines() if line and not line.startswith("> ")]
        found[code] = re.sub(r"\{[a-z ]+\}", GAP, " ".join(quoted)), " ".join(said)
    return found


def test_every_message_has_a_code():
    bare = {message for message in package_messages() if not CODE.match(message)}
    assert bare == set(WITHOUT_CODE)


def test_a_code_stands_for_one_message():
    codes = [code for code, _ in coded()]
    assert sorted(codes) == sorted(set(codes))


def test_the_page_has_the_codes_of_the_source_and_no_others():
    codes = [code for code, _ in coded()]
    listed = re.findall(r"^### (\w+)$", PAGE, flags=re.MULTILINE)
    assert listed == sorted(codes)
    assert re.findall(r"\[(\w+)\]\(#\w+\)", PAGE.partition("\n## ")[0]) == listed


def test_codes_are_under_their_groups():
    for group in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        codes = re.findall(r"^### (\w+)$", group, flags=re.MULTILINE)
        assert codes and {code[:2] for code in codes} == {group[:2]}


def test_the_page_quotes_what_the_source_says():
    quoted = {code: message for code, (message, _) in entries().items()}
    # A line of the page may break where a message has a line break or two spaces.
    assert quoted == {code: " ".join(message.split()) for code, message in coded()}


def test_the_page_says_more_than_the_message():
    short = [code for code, (_, said) in entries().items() if len(said.split()) < 10]
    assert not short


def test_the_page_names_no_code_that_is_not_there():
    assert set(re.findall(r"\bD\d{3}\b", PAGE)) <= {code for code, _ in coded()}


@pytest.mark.parametrize(
    "source, messages",
    [
        ("raise ValueError('no code')", ["no code"]),
        ("raise ValueError", [""]),
        ("raise ValueError()", [""]),
        ("class Own(KeyError): pass\nraise Own(f'{x} is [D101] late')", ["{} is [D101] late"]),
        ("def wrong():\n  return imported.OwnError(f'[D1] {x}')", ["[D1] {}"]),
        ("warnings.warn('no code', stacklevel=2)", ["no code"]),
        ("text = 'no code'\nmsg.fail(text, error, exits=1)", ["no code: {}"]),
        ("msg.fail(' '.join(str(error).split()), exits=1)", []),
        ("raise typer.Exit(130) from None", []),
        ("try: pass\nexcept OSError as error: raise", []),
    ],
)
def test_messages_are_found_in_every_form(source, messages):
    assert list(messages_in(source)) == messages


def test_messages_are_found_in_cython():
    source = 'raise MemoryError()\nraise ValueError(f"no {code}")\nraise ValueError()'
    assert list(messages_in_cython(source)) == ["no {}", ""]
