"""The code blocks of a page, run from top to bottom in one folder.

- `python` blocks run in this process, with one namespace for the page.
- `bash` blocks run each in a shell of its own. `python` is answered by `python_server.py`.
- `ini` blocks are parts of a student's config: they are merged into the one of `distill-init`.
- `output` blocks are what the block before them prints, with "..." for what varies.
- A block under `<!-- not run: REASON -->` is not run.
"""

import contextlib
import doctest
import io
import os
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple

from spacy.util import registry
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser
from thinc.api import Config

from spacy_distill.training.settings import fill_settings, resolve_settings

NOT_RUN = re.compile(r"<!-- not run: (?P<reason>[^>]+?) -->\s*$")
# The longest that a block may take, seconds.
LIMIT = 1200
COMPARE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Skipped(NamedTuple):
    """A block that is not run."""

    page: str
    line: int
    reason: str


class Samples:
    """Runs the blocks of pages."""

    def __init__(self, substitutes: Dict[str, str], environment: Dict[str, str]) -> None:
        """Take what is other than on the machine of a reader.

        substitutes (Dict[str, str]): What stands in pages -> what is run in its place.
        environment (Dict[str, str]): Variables of the shells.
        """
        self.substitutes = substitutes
        self.environment = environment
        self.skipped: List[Skipped] = []

    def run(self, page: Path, name: str) -> int:
        """Run a page in the current folder.

        page (Path): The markdown file.
        name (str): What to call it.
        RETURNS (int): How many blocks ran.
        """
        runners = {
            "python": self.run_python,
            "bash": self.run_bash,
            "ini": self.run_ini,
            "output": self.compare,
        }
        parsers = [
            CodeBlockParser(language=language, evaluator=self.unless_marked(run, name))
            for language, run in runners.items()
        ]
        document = Document.parse(str(page), *parsers)
        document.namespace["printed"] = ""
        document.namespace["ran"] = 0
        for example in document.examples():
            example.evaluate()
        return document.namespace["ran"]

    def unless_marked(self, run: Callable[[Example], None], name: str):
        """RETURNS (Callable): Runs a block, or notes why it is not run."""

        def evaluate(example: Example) -> None:
            marked = NOT_RUN.search(example.document.text[: example.region.start])
            if marked:
                self.skipped.append(Skipped(name, example.line, marked["reason"]))
            else:
                run(example)
                example.namespace["ran"] += 1

        return evaluate

    def substituted(self, text: str) -> str:
        """RETURNS (str): What is run."""
        for before, after in self.substitutes.items():
            text = re.sub(before, after, text)
        return text

    def run_python(self, example: Example) -> None:
        # Line numbers in errors are the page's.
        source = "\n" * example.line + self.substituted(example.parsed)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(source, example.path, "exec"), example.namespace)
        example.namespace["printed"] = printed.getvalue()

    def run_bash(self, example: Example) -> None:
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", self.substituted(example.parsed)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            env={**os.environ, **self.environment},
        )
        if done.returncode:
            raise AssertionError(
                f"{example.path}:{example.line}: exit status {done.returncode}\n"
                f"{example.parsed}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            )
        example.namespace["printed"] = done.stdout

    def run_ini(self, example: Example) -> None:
        text = self.substituted(example.parsed)
        sections = re.findall(r"(?m)^\[(.+)\]$", text)
        outer = {
            name.rsplit(".", depth)[0]
            for name in sections
            for depth in range(1, name.count(".") + 1)
        }
        outer = sorted(outer - {*sections})
        part = Config().from_str("".join(f"[{name}]\n" for name in outer) + text, interpolate=False)
        # What the block changes: the config of a teacher, or that of a student.
        name = "teacher.cfg" if "components.ner_teacher" in text else "student.cfg"
        config = Config().from_disk(files("spacy_distill.configs") / name, interpolate=False)
        config = Config(config.merge(part), is_interpolated=False)
        settings = fill_settings(config).interpolate()
        resolve_settings(settings)
        for component in settings["components"].values():
            registry.fill({"model": component["model"]}, validate=True)
        for section in ("corpora", "initialize", "training"):
            blocks = {
                key: value
                for key, value in settings[section].items()
                if key in part.get(section, {})
            }
            registry.resolve({section: {k: v for k, v in blocks.items() if isinstance(v, dict)}})

    def compare(self, example: Example) -> None:
        printed, expected = example.namespace["printed"], example.parsed
        if not doctest.OutputChecker().check_output(expected, printed, COMPARE):
            raise AssertionError(
                f"{example.path}:{example.line}: it prints\n{printed}\nand not\n{expected}"
            )
