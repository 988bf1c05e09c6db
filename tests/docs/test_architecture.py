"""The rooms of the package import what docs/architecture.md says."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "spacy_distill"
ROW = re.compile(r"^\| `([\w.]+)/?` \|.*\| ([^|]+) \|$", re.MULTILINE)
TABLE = ROW.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf8"))
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {PACKAGE.name}


def imports_of_rooms():
    """The parts of the package that each part imports: rooms, and modules of the top level."""
    found = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        room, *_ = names = path.relative_to(PACKAGE).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = list(names)[: len(names) - node.level]
                modules = [*base, *(node.module or "").split(".")] if node.module else base
                found[room] |= {modules[0]} if modules else {name.name for name in node.names}
    return {room: parts - {room} for room, parts in found.items() if room != "__init__"}


def allowed_by_table():
    """The parts that each part may import, by the last column. Modules of the top level are for all
    rooms, but for those with nothing else."""
    allowed, above = {}, []
    for name, cell in TABLE:
        listed = {part.removesuffix("/") for part in re.findall(r"`([\w./]+)`", cell)}
        listed = {part.removesuffix(".py") for part in listed}
        if cell.startswith("all of the above except"):
            first, _, rest = cell.partition(";")
            excepted = set(re.findall(r"`(\w+)`", first))
            listed = {*above, *re.findall(r"`(\w+)`", rest)} - excepted
        elif cell.startswith("all rooms"):
            listed = set(ROOMS)
        is_strict, all_of_them = (cell.startswith(word) for word in ("nothing", "all "))
        allowed[name.removesuffix(".py")] = listed, is_strict, all_of_them
        above.append(name)
    return allowed


def test_the_table_has_each_room():
    assert {name for name, _ in TABLE if not name.endswith(".py")} == ROOMS
    files = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "progress.py"}
    assert {name for name, _ in TABLE if name.endswith(".py")} == files


@pytest.mark.parametrize("room", sorted(imports_of_rooms()))
def test_a_room_imports_what_the_table_says(room):
    allowed, is_strict, may_import_all = allowed_by_table()[room]
    imported = imports_of_rooms()[room]
    if is_strict:
        assert imported - {"progress"} <= allowed <= imported | {"progress"}
        return
    assert imported & ROOMS <= allowed
    if not may_import_all:
        assert allowed & ROOMS <= imported  # what is listed is needed
