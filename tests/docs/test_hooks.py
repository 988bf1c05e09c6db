"""Links of pages lead to pages of the site."""

import pytest

pytest.importorskip("mkdocs", reason="the docs extra is not installed")

from hooks import BORROWED, relinked, whole_words
from reference import ROOT


@pytest.mark.parametrize(
    "uri, source, link, wanted",
    [
        ("results.md", "docs/results.md", "[a](losses.md#b)", "[a](losses.md#b)"),
        ("results.md", "docs/results.md", "[a](../benchmarks/README.md#b)", "[a](benchmarks.md#b)"),
        ("how-to/gpu.md", "docs/how-to/gpu.md", "[a](../losses.md)", "[a](../losses.md)"),
        ("how-to/gpu.md", "docs/how-to/gpu.md", "[a](../../CHANGELOG.md)", "[a](../changelog.md)"),
        ("benchmarks.md", "benchmarks/README.md", "![a](../docs/speed.png)", "![a](speed.png)"),
        ("project.md", "docs/project.md", "[`a.yml`](../project.yml)", "`a.yml`"),
        ("results.md", "docs/results.md", "[a](../benchmarks/pages.py)", "a"),
        ("results.md", "docs/results.md", "[a](../nowhere.md)", "[a](../nowhere.md)"),
        ("results.md", "docs/results.md", "[a](https://b.org/c)", "[a](https://b.org/c)"),
    ],
)
def test_links(uri, source, link, wanted):
    assert relinked(f"See {link}.", uri, source) == f"See {wanted}."


def test_borrowed_pages_are_there():
    assert all((ROOT / source).is_file() for source in BORROWED.values())


@pytest.mark.parametrize(
    "code, wanted",
    [
        ("ner_student", "ner_student"),
        ("--lang en", '<span class="word">--lang</span> en'),
        ("a-name-of-more-than-thirty-characters", "a-name-of-more-than-thirty-characters"),
    ],
)
def test_options_stay_whole(code, wanted):
    assert whole_words(code) == wanted
