"""What a user looks for is near the start page."""

import re

import pytest

pytest.importorskip("mkdocs", reason="the docs extra is not installed")

from hooks import BORROWED, LINK, relinked
from reference import ROOT

DOCS = ROOT / "docs"
# A task in the words of the start page -> the page that answers it, and what stands there.
TASKS = {
    "gigabytes of text": ("how-to/much-text.md", ["en_core_web_trf", "--gpu-id", "--resume"]),
    "200 labeled sentences": ("how-to/few-labels.md", ["--kind teacher", "corpus/unlabeled.spacy"]),
    "GLiNER": ("how-to/gliner.md", ["gliner_spacy", "ent._.score", "distill gliner"]),
    "make it smaller": ("how-to/smaller.md", ["--bits 4", "--size small", "--prune"]),
    "confidence threshold": ("confidence.md", ["min_confidence", "distill-threshold"]),
    "serve it": ("how-to/fastapi.md", ["uvicorn", "docker run"]),
    "run it on a cluster": ("how-to/cluster.md", ["--executor ray", "s3://"]),
}


def text_of(page):
    return (ROOT / BORROWED.get(page, f"docs/{page}")).read_text(encoding="utf8")


def links(page, line=None):
    """RETURNS (Set[str]): The pages of the site to which a page leads."""
    source = BORROWED.get(page, f"docs/{page}")
    text = relinked(text_of(page) if line is None else line, page, source)
    folder = (DOCS / page).parent
    targets = {match["target"] for match in LINK.finditer(text) if "://" not in match["target"]}
    found = {(folder / target).resolve() for target in targets if target.endswith(".md")}
    return {str(path.relative_to(DOCS)) for path in found if path.is_relative_to(DOCS)}


def test_every_page_is_two_clicks_from_the_start():
    reached = {"index.md"}
    for _ in range(2):
        reached |= {target for page in reached for target in links(page)}
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} | {*BORROWED}
    assert pages <= reached, pages - reached


@pytest.mark.parametrize("task", TASKS)
def test_tasks_are_found(task):
    page, parts = TASKS[task]
    rows = [line for line in text_of("index.md").splitlines() if task in line]
    assert [row for row in rows if page in links("index.md", row)]
    text = re.sub(r"\s+", " ", text_of(page))
    assert all(part in text for part in parts), task
