"""The site in a real browser, opened from disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the docs extra is not installed")

ROOT = Path(__file__).parents[2]
WIDTHS = "() => [document.scrollingElement.scrollWidth, innerWidth]"
# Options of one word that take more than one line.
BROKEN = """() => [...document.querySelectorAll(".md-content code .word")]
    .filter(word => word.getClientRects().length > 1).map(word => word.textContent)"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site: the one that SPACY_DISTILL_SITE names, or a new one."""
    if "SPACY_DISTILL_SITE" in os.environ:
        return Path(os.environ["SPACY_DISTILL_SITE"])
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture
def opened(browser):
    """Opens a page in a window, and watches what it asks for."""
    contexts = []

    def open_page(address, width=1280):
        context = browser.new_context(viewport={"width": width, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("address", ["index.html", "how-to/gpu.html"])
def test_search_finds_pages_that_are_opened_from_disk(site, opened, address):
    page = opened(site / address)
    page.locator(".md-search__input").click()
    page.keyboard.type("Prodigy")
    found = page.locator(".md-search-result__link").first
    found.wait_for(timeout=10_000)
    assert "how-to/prodigy.html" in found.get_attribute("href")
    assert [url for url in page.asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("address", ["teachers.html", "reference/commands.html", "comparison.html"])
def test_options_stay_whole_and_pages_fit(site, opened, address, width):
    page = opened(site / address, width)
    assert page.evaluate(BROKEN) == []
    scrolled, inner = page.evaluate(WIDTHS)
    assert scrolled <= inner
