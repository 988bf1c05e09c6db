"""What tests of several folders share."""

import os
import shutil

import numpy
import pytest
import spacy
from spacy.tokens import Span
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_distill import kernels
from tests.entry_points import remember_entry_points

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
# Without them it asks for updates and the like, and every request counts here.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

remember_entry_points()


@pytest.fixture(scope="module", params=kernels.CHOICES)
def each_kernel(request):
    """Runs a module's tests with each instruction set, and with numpy."""
    before = f"{kernels.in_use},{'int8' if kernels.allows_integers else 'float32'}"
    kernels.use(request.param)
    yield request.param
    kernels.use(before)


# For a module and not for all: as long as it is open, no other event loop can run.
@pytest.fixture(scope="module")
def browser():
    """A browser without a screen."""
    reason = "playwright is not installed (extra: test)"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if chromium is None:
        pytest.skip("no chromium on the PATH")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def two_names():
    """A student that has learnt that Anna Berg is a person and Oslo a place."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner_student", config={"model": {"encode": {"width": 32, "depth": 1}}})
    doc = nlp.make_doc("Anna Berg sails to Oslo .")
    doc.set_ents([Span(doc, 0, 2, label="PER"), Span(doc, 4, 5, label="LOC")])
    example = Example(nlp.make_doc(doc.text), doc)
    nlp.initialize(lambda: [example])
    optimizer = Adam(0.01)
    for _ in range(40):
        nlp.update([example], sgd=optimizer)
    return nlp


@pytest.fixture
def rng():
    return numpy.random.default_rng(0)


@pytest.fixture
def vocab():
    """A new vocabulary, because tests add vectors to it."""
    return spacy.blank("xx").vocab


@pytest.fixture
def write_text(tmp_path):
    """A function that writes a text in UTF-8 to a file of a name, and returns its path."""

    def write(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf8")
        return path

    return write


@pytest.fixture(scope="session")
def contents():
    """Read the bytes of a folder's files, by name."""

    def read(folder):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    return read


@pytest.fixture(scope="session")
def in_child():
    """Run a function in a forked process, which may be killed. Return its exit status, or minus
    the signal that ended it."""

    def status(work):
        child = os.fork()
        if child == 0:
            try:
                work()
                os._exit(0)
            except BaseException:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    return status
