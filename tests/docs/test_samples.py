"""Every code block of every page runs, from top to bottom, as a reader would run it."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "PROJECT.md", "benchmarks/README.md", "CONTRIBUTING.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
# Pages that begin with less than all, and those that take a trained student for granted.
TAKEN = {"docs/tutorial.md": ["assets/newsroom", "assets/pretrained", "scripts"]}
TAKE_STUDENT = ["docs/confidence.md", "docs/how-to/prodigy.md"]


@pytest.mark.parametrize("page", PAGES)
def test_page(page, samples, prepared, tmp_path, monkeypatch):
    for part in TAKEN.get(page, os.listdir(prepared)):
        if (prepared / part).is_dir():
            shutil.copytree(prepared / part, tmp_path / part)
        else:
            shutil.copy(prepared / part, tmp_path / part)
    if page not in TAKE_STUDENT:
        shutil.rmtree(tmp_path / "training" / "student", ignore_errors=True)
    monkeypatch.chdir(tmp_path)
    samples.run(ROOT / page, page)
