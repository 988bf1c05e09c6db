"""What mkdocs runs: pages from elsewhere in the repository, links to there, and the reference."""

import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))

from reference import ROOT, fill

# Page -> the file that it is.
BORROWED = {
    "benchmarks.md": "benchmarks/README.md",
    "changelog.md": "CHANGELOG.md",
}
# Code within a line; in blocks, the highlighter puts an empty span before it.
CODE = re.compile(r"(?<!<pre>)(?<!<span></span>)<code>(?P<text>[^<]*)</code>")
# Longer words may break: they would stick out of a phone.
LONGEST = 30
LINK = re.compile(r"(?P<bang>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    for page, source in BORROWED.items():
        text = (ROOT / source).read_text(encoding="utf8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    uri = page.file.src_uri
    source = BORROWED.get(uri, f"docs/{uri}")
    return fill(relinked(markdown, uri, source))


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    return CODE.sub(lambda match: f"<code>{whole_words(match['text'])}</code>", html)


def whole_words(code: str) -> str:
    """Mark the words of code that would break at a hyphen.

    code (str): Code within a line, HTML.
    RETURNS (str): The same, each such word in a span of the class `word`.
    """
    parts = re.split(r"(\s+)", code)
    return "".join(
        f'<span class="word">{part}</span>' if "-" in part and len(part) <= LONGEST else part
        for part in parts
    )


def relinked(markdown: str, uri: str, source: str) -> str:
    """Let links lead to the site's pages, as on the site there is nothing else.

    markdown (str): A page.
    uri (str): The page, in the site.
    source (str): The page's file, in the repository.
    RETURNS (str): The page; what a link to other files of the repository says stays as words.
    """
    pages = {file: page for page, file in BORROWED.items()}

    def replace(match: re.Match) -> str:
        target = match["target"]
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        inside = pages.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else "")
        if not inside and (ROOT / path).exists():
            return match["text"]
        if not inside:
            return match[0]
        new = posixpath.relpath(inside, posixpath.dirname(uri) or ".")
        return f"{match['bang']}[{match['text']}]({new}{match['anchor'] or ''})"

    return LINK.sub(replace, markdown)
