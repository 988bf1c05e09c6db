"""Every code block of every page runs, from top to bottom, as a reader would run it."""

import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from .samples import NOT_RUN

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "PROJECT.md", "benchmarks/README.md", "CONTRIBUTING.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
# Pages that begin with less than all, and those that take a trained student for granted.
TAKEN = {"docs/tutorial.md": ["assets/newsroom", "assets/pretrained", "scripts"]}
TAKE_STUDENT = ["docs/confidence.md", "docs/how-to/prodigy.md", "docs/report.md"]


@pytest.mark.parametrize("page", PAGES)
def test_page(page, samples, prepared, tmp_path, monkeypatch):
    for part in TAKEN.get(page, os.listdir(prepared)):
        if (prepared / part).is_dir():
            shutil.copytree(prepared / part, tmp_path / part)
        else:
            shutil.copy(prepared / part, tmp_path / part)
    if page not in TAKE_STUDENT:
        for name in ("student", "compact"):
            shutil.rmtree(tmp_path / "training" / name, ignore_errors=True)
    monkeypatch.chdir(tmp_path)
    samples.run(ROOT / page, page)


# Why a block is not run -> how many there are. A new one has to have a reason that is here.
REASONS = {
    "a benchmark": 13,
    "the whole project, which CI runs": 2,
    "installs": 4,
    "installs and downloads": 1,
    "builds and installs": 1,
    "installs, and runs all tests": 1,
    "downloads": 1,
    "a server, which tests/examples runs": 3,
    "after a training with this logger": 1,
    "needs the extra loggers": 3,
    "Prodigy": 2,
    "installs for a GPU": 1,
    "needs a GPU": 1,
}


def marked_blocks():
    """YIELDS (Tuple[str, str]): The reason and the code of each block that is not run."""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf8")
        for match in re.finditer(r"(?ms)^```\w+\n(.*?)^```$", text):
            marked = NOT_RUN.search(text[: match.start()])
            if marked:
                yield marked["reason"], match[1]


def test_blocks_that_are_not_run_are_few_and_known():
    found = Counter(reason for reason, _ in marked_blocks())
    assert found == REASONS


@pytest.mark.parametrize("reason", REASONS)
def test_not_run(reason):
    """What is not run has scripts that are there, at least."""
    blocks = [code for found, code in marked_blocks() if found == reason]
    for script in re.findall(r"python ((?:scripts|benchmarks)/\w+\.py)", "\n".join(blocks)):
        assert (ROOT / script).is_file(), script
    pytest.skip(f"{len(blocks)} blocks of the docs are not run: {reason}")
