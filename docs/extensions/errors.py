"""The page of errors, docs/errors.md. Messages come from the code, advice is written on the page.

`python docs/extensions/errors.py` writes the page again. Codes, their order, the quoted messages
and the table of codes are made of the code. The heads of groups and what is said below a message
are the page's own, and stay. A new message has no advice: tests/test_errors.py asks for it.
"""

import ast
import builtins
import re
import sys
import textwrap
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, NamedTuple, Tuple

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "spacy_distill"
PAGE = ROOT / "docs" / "errors.md"
WIDTH = 100

CODE = re.compile(r"\[(D\d{3})\] ")
# What is filled into a message, on the page and out of the code.
NAMED_GAP = re.compile(r"\{[a-z ]+\}")
GAP = "{}"
# The name of what is filled in where the code has none.
UNNAMED = "value"
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


# Messages of the code


def name_of(node: ast.AST) -> str:
    """RETURNS (str): What is called: the last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def gap_name(node: ast.AST) -> str:
    """RETURNS (str): A name for what is filled in: the last variable or attribute in it."""
    if isinstance(node, ast.FormattedValue):
        return gap_name(node.value)
    if isinstance(node, ast.Call) and node.args:
        return gap_name(node.args[0])
    if isinstance(node, ast.Subscript):
        return gap_name(node.value)
    name = name_of(node).strip("_").replace("_", " ").lower()
    return name if NAMED_GAP.fullmatch(f"{{{name}}}") else UNNAMED


def parts_of(node: ast.AST, assigned: Mapping[str, ast.AST]) -> str:
    """RETURNS (str): A string's literal parts, with a named gap for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(parts_of(value, {}) for value in node.values)
    if isinstance(node, ast.Name) and node.id in assigned:
        return parts_of(assigned[node.id], {})
    return f"{{{gap_name(node)}}}"


def messages_in(source: str) -> Iterator[str]:
    """YIELDS (str): Every message that a module makes, with named gaps."""
    tree = ast.parse(source)
    errors = BUILTIN | {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and BUILTIN & {name_of(base) for base in node.bases}
    }
    assigned: Dict[str, ast.AST] = {
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
            yield re.sub(r"\{.*?\}", f"{{{UNNAMED}}}", text)


def package_messages() -> List[str]:
    """RETURNS (List[str]): The messages of all modules."""
    found = [m for p in sorted(SOURCE.rglob("*.py")) for m in messages_in(p.read_text("utf8"))]
    for path in sorted(SOURCE.rglob("*.pyx")):
        found += messages_in_cython(path.read_text("utf8"))
    return found


def coded_messages() -> List[Tuple[str, str]]:
    """RETURNS (List[Tuple[str, str]]): Codes with their messages, in the order of the source."""
    matches = [(CODE.match(message), message) for message in package_messages()]
    return [
        (match[1], " ".join(message[match.end() :].split())) for match, message in matches if match
    ]


def with_gaps(message: str) -> str:
    """RETURNS (str): A message without the names of its gaps."""
    return NAMED_GAP.sub(GAP, message)


# The page


class Entry(NamedTuple):
    """What the page has of a code.

    message (str): The message, in one line.
    advice (str): What is said below it, markdown.
    """

    message: str
    advice: str


class Page(NamedTuple):
    """The page in its parts.

    head (str): What stands above the table of codes.
    groups (Dict[str, str]): What stands between the heading of a group and its first code, by the
        heading.
    entries (Dict[str, Entry]): By code.
    """

    head: str
    groups: Dict[str, str]
    entries: Dict[str, Entry]


def read_page(text: str) -> Page:
    """RETURNS (Page): The parts of the page."""
    head, *sections = re.split(r"^## ", text, flags=re.M)
    groups, entries = {}, {}
    for section in sections:
        title, *parts = re.split(r"^### ", section, flags=re.M)
        heading, _, said = title.partition("\n")
        groups[heading] = said.strip()
        for part in parts:
            code, _, body = part.partition("\n")
            lines = body.strip().splitlines()
            quoted = [line[2:] for line in lines if line.startswith("> ")]
            advice = "\n".join(line for line in lines if not line.startswith("> "))
            entries[code] = Entry(" ".join(quoted), advice.strip())
    return Page(head.partition("| group | codes |")[0].strip(), groups, entries)


def anchor(heading: str) -> str:
    """RETURNS (str): The anchor that the site gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-").lower()


def make_page(text: str, messages: List[Tuple[str, str]]) -> str:
    """Write the page anew.

    text (str): The page as it is.
    messages (List[Tuple[str, str]]): Codes and messages of the code.
    RETURNS (str): The page with these codes and messages. Names of gaps are the page's where the
        message is the same, and advice stays below its code.
    RAISES (ValueError): A code belongs to a group that the page does not have.
    """
    page = read_page(text)
    by_group: Dict[str, List[str]] = {heading: [] for heading in page.groups}
    for code, message in sorted(messages):
        heading = next((name for name in page.groups if name.startswith(code[:2])), None)
        if heading is None:
            raise ValueError(f"The page has no group of {code}: write a heading '## {code[:2]}xx'.")
        known = page.entries.get(code, Entry("", ""))
        if with_gaps(known.message) == with_gaps(message):
            message = known.message
        quoted = textwrap.fill(
            message, WIDTH, initial_indent="> ", subsequent_indent="> ", break_on_hyphens=False
        )
        by_group[heading].append("\n\n".join(filter(None, [f"### {code}", quoted, known.advice])))
    table = ["| group | codes |", "| --- | --- |"]
    for heading, entries in by_group.items():
        codes = [entry.partition("\n")[0].removeprefix("### ") for entry in entries]
        links = " ".join(f"[{code}](#{code.lower()})" for code in codes)
        table.append(f"| [{heading}](#{anchor(heading)}) | {links} |")
    sections = [
        "\n\n".join(filter(None, [f"## {heading}", page.groups[heading], *entries]))
        for heading, entries in by_group.items()
    ]
    return "\n\n".join([page.head, "\n".join(table), *sections]) + "\n"


def main() -> None:
    """Write the page, and say which codes are new or gone."""
    text = PAGE.read_text(encoding="utf8")
    made = make_page(text, coded_messages())
    before, after = read_page(text).entries, read_page(made).entries
    for word, codes in (("new", {*after} - {*before}), ("gone", {*before} - {*after})):
        if codes:
            print(f"{word}: {', '.join(sorted(codes))}", file=sys.stderr)
    PAGE.write_text(made, encoding="utf8")


if __name__ == "__main__":
    main()
