"""Pages for users name no commits, and their tables of figures are measured or name their source.

A table of figures is written by a benchmark, out of a JSON file, into a place of the page that is
marked by `<!-- NAME: MODULE -->`. Or it has `<!-- from elsewhere -->` above it, and a link in each
row.
"""

import inspect
import re
import shutil
from importlib import import_module
from typing import List, NamedTuple

import pytest

pytest.importorskip("mkdocs", reason="the docs extra is not installed")
pytest.importorskip("matplotlib", reason="the benchmarks extra is not installed")

from hooks import BORROWED
from reference import ROOT

PAGES = ["README.md", *BORROWED.values()]
PAGES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
PLACE = re.compile(r"<!-- (?P<name>\w+): (?P<module>benchmarks[\w.]+) -->")
ELSEWHERE = "<!-- from elsewhere -->"
COMMIT = re.compile(r"\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{7,40}\b")
UNIT = r"( ?(%|M|k|MB|GB|ms|us|s|words/s|F1))?( ±\d+ %)?"
FIGURE = re.compile(rf"[*]*[-+]?\d[\d,.]*{UNIT}[*]*")
# Columns of settings, which are no measurements.
SETTINGS = ("default", "Default")


class Table(NamedTuple):
    """A table of a page.

    line (int): The number of its first line.
    rows (List[List[str]]): Its cells, with the header and without the line below that.
    marker (str): The comment above it; empty if there is none.
    is_written (bool): Whether it is in a place that a benchmark writes.
    """

    line: int
    rows: List[List[str]]
    marker: str
    is_written: bool

    @property
    def has_figures(self) -> bool:
        header, *rows = self.rows
        cells = [
            cell
            for row in rows
            for name, cell in zip(header[1:], row[1:], strict=False)
            if name not in SETTINGS
        ]
        return sum(1 for cell in cells if FIGURE.fullmatch(cell)) > 1


def tables(text: str) -> List[Table]:
    """RETURNS (List[Table]): The tables of a page, without those in code blocks."""
    found: List[Table] = []
    is_code, place, marker, before = False, "", "", ""
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.startswith("```"):
            is_code = not is_code
        if is_code:
            continue
        if match := PLACE.search(line):
            place = match["name"]
        elif line == f"<!-- end of {place} -->":
            place = ""
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not before.startswith("|"):
                found.append(Table(number, [], marker, bool(place)))
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                found[-1].rows.append(cells)
        if line:
            marker = line if line.startswith("<!--") else ""
        before = line
    return found


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_no_commits(page):
    text = (ROOT / page).read_text(encoding="utf8")
    assert not COMMIT.findall(text)


@pytest.mark.parametrize("page", PAGES)
def test_tables_of_figures_are_measured_or_name_their_source(page):
    for table in tables((ROOT / page).read_text(encoding="utf8")):
        if table.has_figures and not table.is_written:
            assert table.marker == ELSEWHERE, f"{page}:{table.line}: where are the figures from?"
            for row in table.rows[1:]:
                assert "](https://" in " ".join(row), f"{page}:{table.line}: {row[0]} has no source"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if PLACE.search((ROOT / page).read_text())]
)
def test_tables_are_those_of_the_measurements(page, tmp_path):
    text = (ROOT / page).read_text(encoding="utf8")
    modules = {match["module"] for match in PLACE.finditer(text)}
    copy = tmp_path / "page.md"
    shutil.copy(ROOT / page, copy)
    for module in modules:
        write = import_module(module).main
        takes_several = "pages" in inspect.signature(write).parameters
        write([copy] if takes_several else copy)
    assert copy.read_text(encoding="utf8") == text, f"python -m {' and '.join(modules)} {page}"


FOUND = """
| | F1 |
| --- | ---: |
| a | 80.5 |
| b | **79** |

<!-- from elsewhere -->

| | MB |
| --- | --- |
| [a](https://a.org) | 12 MB |
| b | 1,000 ±3 % |

<!-- speed: benchmarks.speed.report -->

| | ms |
| --- | --- |
| a | 1 |
| b | 2 |

<!-- end of speed -->

| setting | default | meaning |
| --- | --- | --- |
| a | 0.1 | a share |
| b | 7 | 8 bits |

```text
| | x |
| a | 1 |
| b | 2 |
```
"""


def test_tables_of_a_page_are_found():
    first, second, third, fourth = tables(FOUND)
    assert [table.has_figures for table in tables(FOUND)] == [True, True, True, False]
    assert (first.line, first.marker, first.is_written) == (2, "", False)
    assert second.marker == ELSEWHERE and second.rows[0] == ["", "MB"]
    assert third.is_written and not fourth.is_written
    assert COMMIT.findall("At 417f703, on 20261129, defaced: deadbeef1") == ["417f703", "deadbeef1"]
