"""Docstrings in spaCy's style become parameters and outcomes of the site's pages."""

from pathlib import Path

import pytest

griffe = pytest.importorskip("griffe", reason="the docs extra is not installed")

from docstrings import Entry, as_google, parse

ROOT = Path(__file__).parents[2]

DOCSTRING = """Count words. Note: this is text.

More text.

docs (Iterable[Doc]): The documents,
    on two lines.
least, most (int): How many.
as_in: As elsewhere.
RETURNS (Dict[str, int]): The counts.
RAISES (ValueError): There is none.
RAISES (OSError): It cannot be read."""


def test_its_parts():
    text, entries = parse(DOCSTRING)
    assert text == "Count words. Note: this is text.\n\nMore text."
    assert entries == [
        Entry("docs", "Iterable[Doc]", "The documents, on two lines."),
        Entry("least", "int", "How many."),
        Entry("most", "int", "How many."),
        Entry("as_in", "", "As elsewhere."),
        Entry("RETURNS", "Dict[str, int]", "The counts."),
        Entry("RAISES", "ValueError", "There is none."),
        Entry("RAISES", "OSError", "It cannot be read."),
    ]


def test_in_the_style_that_mkdocstrings_reads():
    assert as_google(DOCSTRING).splitlines() == [
        "Count words. Note: this is text.",
        "",
        "More text.",
        "",
        "Args:",
        "    docs (Iterable[Doc]): The documents, on two lines.",
        "    least (int): How many.",
        "    most (int): How many.",
        "    as_in: As elsewhere.",
        "",
        "Returns:",
        "    Dict[str, int]: The counts.",
        "",
        "Raises:",
        "    ValueError: There is none.",
        "    OSError: It cannot be read.",
    ]


@pytest.mark.parametrize("text", ["One line.", "RETURNS (str): It alone.", ""])
def test_short_ones(text):
    assert parse(text).text == ("" if text.startswith("RETURNS") else text)


def test_every_docstring_of_the_package_is_read_whole():
    package = griffe.load("spacy_distill", search_paths=[str(ROOT)])
    modules = [module for room in package.modules.values() for module in room.modules.values()]
    members = [member for module in modules for member in module.members.values()]
    docstrings = [member.docstring.value for member in members if member.has_docstring]
    assert len(docstrings) > 200
    for docstring in docstrings:
        text, _ = parse(docstring)
        assert not any(
            line.startswith(("RETURNS", "RAISES", "YIELDS")) for line in text.splitlines()
        )
