"""Every code block of every page runs, from top to bottom, as a reader would run it."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from .samples import NOT_RUN

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "benchmarks/README.md", "CONTRIBUTING.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
CLONE = ["assets/newsroom", "scripts"]
# What is in a clone in which the project has run.
PROJECT = [*CLONE, "assets/pretrained", "assets/vectors"]
PROJECT += ["corpus", "packages", "report", "training"]
LABELED = ["corpus/train.spacy", "corpus/dev.spacy"]
CORPORA = [*LABELED, "corpus/unlabeled.spacy"]
TEACHER, STUDENT = "training/teacher/model-best", "training/student/model-best"
BASELINE, VECTORS = "training/baseline/model-best", "assets/vectors"
# What a page takes for granted, and says so; the others take nothing.
TAKEN = {
    "README.md": ["texts/news.txt"],
    "docs/confidence.md": ["corpus/dev.spacy", STUDENT, BASELINE],
    "docs/how-to/cluster.md": [STUDENT, "texts"],
    "docs/how-to/cores.md": [STUDENT],
    "docs/how-to/existing-pipelines.md": [STUDENT],
    "docs/how-to/few-labels.md": [f"data/{part}.txt" for part in ("train", "dev", "test")]
    + ["texts/news.txt", "data/labels.jsonl"],
    "docs/how-to/gliner.md": ["texts/news.txt", "corpus/dev.spacy"],
    "docs/how-to/hugging-face.md": ["texts/news.txt", "corpus/dev.spacy"],
    "docs/how-to/much-text.md": [*LABELED, "texts", "dev_texts", TEACHER],
    "docs/how-to/new-language.md": ["data", "corpus/unlabeled.spacy", "english"],
    "docs/how-to/no-teacher.md": [*CORPORA, TEACHER, VECTORS],
    "docs/how-to/prodigy.md": [*CORPORA, STUDENT, TEACHER, VECTORS],
    "docs/how-to/production.md": ["training/compact", TEACHER],
    "docs/how-to/smaller.md": [*CORPORA[1:], STUDENT, TEACHER, VECTORS],
    "docs/how-to/tagging.md": [STUDENT, "texts"],
    "docs/how-to/teachers.md": [*CORPORA, TEACHER, VECTORS],
    "docs/how-to/without-labels.md": ["texts/news.txt"],
    "docs/how-to/with-spacy.md": [*LABELED, STUDENT],
    "docs/report.md": ["corpus/test.spacy", "training/compact", TEACHER, BASELINE],
    "docs/teachers.md": ["texts", "corpus/dev.spacy", VECTORS],
    "docs/tutorial.md": [*CLONE, "assets/pretrained"],
    "docs/vectors.md": [*CORPORA, "words.txt", TEACHER, "assets/pretrained"],
}


@pytest.mark.parametrize("page", PAGES)
def test_page(page, samples, prepared, tmp_path, monkeypatch):
    run_page(page, TAKEN.get(page, []), samples, prepared, tmp_path, monkeypatch)


def test_tutorial_where_the_project_has_run(samples, prepared, tmp_path, monkeypatch):
    run_page("docs/tutorial.md", PROJECT, samples, prepared, tmp_path, monkeypatch)


def run_page(page, taken, samples, prepared, folder, monkeypatch):
    for part in taken:
        if (prepared / part).is_dir():
            shutil.copytree(prepared / part, folder / part)
        else:
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(prepared / part, folder / part)
    monkeypatch.chdir(folder)
    samples.run(ROOT / page, page)


@pytest.mark.parametrize("page", TAKEN)
def test_pages_say_what_they_take_for_granted(page):
    text = (ROOT / page).read_text(encoding="utf8")
    prose = re.sub(r"(?ms)^```.*?^```$", "", text)
    for part in TAKEN[page]:
        is_cloned = part in CLONE and re.search(r"\b(clone|repository)\b", prose)
        assert f"`{part}`" in prose or is_cloned, part


# Why a block is not run -> how many there are. A new one has to have a reason that is here.
REASONS = {
    "a benchmark": 9,
    "the whole project, which CI runs": 3,
    "installs": 7,
    "installs and downloads": 1,
    "builds an image": 1,
    "builds and installs": 1,
    "installs, and runs all tests": 1,
    "downloads": 4,
    "a server, which tests/examples runs": 3,
    "after a training with this logger": 1,
    "needs the extra loggers": 3,
    "Prodigy": 2,
    "the hub": 3,
    "a Streamlit app, which tests/examples runs": 1,
    "installs for a GPU": 1,
    "needs a GPU": 3,
    "needs a language model": 1,
    "a cluster, which tests/jobs starts": 2,
    "an object store, which tests/jobs starts": 2,
    "gigabytes of text": 1,
    "other libraries, which tests/tagging calls": 3,
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
    code = "\n".join(blocks)
    scripts = re.findall(r"python (scripts/\w+\.py)", code)
    modules = re.findall(r"python -m (benchmarks\.[\w.]+)", code)
    for script in [*scripts, *(f"{module.replace('.', '/')}.py" for module in modules)]:
        assert (ROOT / script).is_file(), script
    pytest.skip(f"{len(blocks)} blocks of the docs are not run: {reason}")
