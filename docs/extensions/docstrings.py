"""Docstrings as spaCy writes them, read for the site's pages.

A setting is a line `name (Type): what it is`, further lines of it are indented; `RETURNS`, `YIELDS`
and `RAISES` take a setting's place.
"""

import re
from typing import Dict, List, NamedTuple

from griffe import Extension, Object

# Line breaks within a meaning are indented by four spaces.
ENTRY = re.compile(
    r"^(?P<names>[A-Za-z_*]\w*(?:, [a-z_*]\w*)*)(?: \((?P<type>.+?)\))?: (?P<text>.*)$"
)
OUTCOMES = {"RETURNS": "Returns", "YIELDS": "Yields", "RAISES": "Raises"}


class Entry(NamedTuple):
    """What a docstring says of a parameter, or of an outcome.

    name (str): The parameter's name, or RETURNS, YIELDS or RAISES.
    type (str): As it is written; empty if the line has none.
    text (str): The meaning, on one line.
    """

    name: str
    type: str
    text: str


class Docstring(NamedTuple):
    """A docstring in its parts.

    text (str): What comes before the first entry, markdown.
    entries (List[Entry]): In their order.
    """

    text: str
    entries: List[Entry]

    def meanings(self) -> Dict[str, Entry]:
        """RETURNS (Dict[str, Entry]): The parameters' entries by name."""
        return {entry.name: entry for entry in self.entries if entry.name not in OUTCOMES}


def parse(docstring: str) -> Docstring:
    """Take a docstring apart.

    docstring (str): The text, without the source's indentation.
    RETURNS (Docstring): Its parts.
    """
    text: List[str] = []
    entries: List[List[str]] = []
    for line in docstring.splitlines():
        match = ENTRY.match(line)
        # A sentence with a colon is no entry: those are in the last paragraph, or have a type.
        if match and (match["type"] or match["names"] in OUTCOMES or (entries or ends(text))):
            entries.append([match["names"], match["type"] or "", match["text"]])
        elif entries and (line.startswith("    ") or not line.strip()):
            entries[-1][2] += f" {line.strip()}"
        else:
            text.append(line)
    return Docstring(
        "\n".join(text).strip(),
        [
            Entry(name, kind, meaning.strip())
            for names, kind, meaning in entries
            for name in names.split(", ")
        ],
    )


def ends(text: List[str]) -> bool:
    """RETURNS (bool): Whether a paragraph has just ended."""
    return bool(text) and not text[-1].strip()


def as_google(docstring: str) -> str:
    """Write a docstring in the style that mkdocstrings reads.

    docstring (str): One in spaCy's style.
    RETURNS (str): The same in Google's.
    """
    text, entries = parse(docstring)
    lines = [text]
    section = ""
    for name, kind, meaning in entries:
        title = OUTCOMES.get(name, "Args")
        if title != section:
            lines += ["", f"{title}:"]
            section = title
        if title == "Args":
            lines.append(f"    {name} ({kind}): {meaning}" if kind else f"    {name}: {meaning}")
        else:
            lines.append(f"    {kind}: {meaning}")
    return "\n".join(lines).strip()


class SpacyDocstrings(Extension):
    """Lets mkdocstrings read docstrings in spaCy's style."""

    def on_object(self, *, obj: Object, **kwargs) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_google(obj.docstring.value)
