"""Tables in JSON files and in the marked places of pages."""

import re
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence, Set

from wasabi import msg

from benchmarks.commands import provenance, read_json, write_json


def table(header: Sequence[str], rows: Sequence[Sequence[str]], n_left: int = 1) -> str:
    """Make a table in Markdown, with its first `n_left` columns aligned to the left."""
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"Rows of another length than the header: {header}")
    line = ["---"] * n_left + ["---:"] * (len(header) - n_left)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, line, *rows))


def about(value: float) -> str:
    """Format a speed, or a ratio of speeds, with two significant digits: the others differ from run
    to run."""
    return f"{value:.2g}" if value < 10 else f"{float(f'{value:.2g}'):,.0f}"


def keep(output: Optional[Path], name: str, content: Any) -> None:
    """Write a measurement with its provenance to a JSON file of several; do nothing if the path
    is None."""
    if output is not None:
        known = read_json(output) if output.exists() else {}
        write_json(output, {**known, name: {**content, "made_with": provenance()}})


def show(
    output: Optional[Path], name: str, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print a table, and write it to a JSON file if there is one."""
    aligns = ("l", *"r" * (len(header) - 1))
    msg.table(rows, header=header, aligns=aligns, divider=True)
    keep(output, name, {"header": list(header), "rows": [list(row) for row in rows]})


def fill(page: Path, command: str, contents: Mapping[str, Callable[[], str]]) -> Set[str]:
    """Write tables into the marked places of a page.

    page (Path): The page. A place is `<!-- NAME: COMMAND --> <!-- end of NAME -->`.
    command (str): The module that writes the tables.
    contents (Mapping[str, Callable[[], str]]): What makes the text of each place, by its name.
    RETURNS (Set[str]): The names of the places that were written.
    """
    text = page.read_text(encoding="utf8")
    place = re.compile(
        rf"(?P<begin><!-- (?P<name>\w+): {re.escape(command)} -->).*?<!-- end of (?P=name) -->",
        re.S,
    )
    names = [match["name"] for match in place.finditer(text)]
    is_whole = len(names) == text.count(f": {command} -->")
    if not names or not is_whole or not set(names) <= set(contents):
        example = f"<!-- NAME: {command} --> <!-- end of NAME -->"
        msg.fail(
            f"{page} has no place for tables",
            f"Write {example}, with one of the names {', '.join(contents)}",
            exits=1,
        )

    def filled(match: re.Match) -> str:
        content = contents[match["name"]]()
        return f"{match['begin']}\n\n{content}\n\n<!-- end of {match['name']} -->"

    page.write_text(place.sub(filled, text), encoding="utf8")
    return set(names)
