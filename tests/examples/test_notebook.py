"""The notebook runs from its first cell to its last, with small models and few steps."""

import base64
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.tokens import DocBin

from spacy_distill.vectors.word_tables import vectors_pipeline
from tests.tiny_bert import save_tiny_bert

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed (extra: test)")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (extra: test)")
pytest.importorskip("ipykernel", reason="ipykernel is not installed (extra: test)")
pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: train)")

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "distil.ipynb"


def outputs(notebook, start):
    """RETURNS (Tuple[str, Dict[str, str]]): What the cell that starts so prints and shows."""
    (cell,) = [cell for cell in notebook.cells if cell.source.startswith(start)]
    text = "".join(item["text"] for item in cell.outputs if item.output_type == "stream")
    shown = {}
    for item in cell.outputs:
        shown.update(item.get("data", {}))
    return text, shown


def check(notebook):
    """Make sure that the cells show what the text around them says.

    RETURNS (Tuple[Dict[str, List[float]], int]): F1, words per second and MB of each pipeline, and
        how many entities with confidences are printed.
    """
    text, _ = outputs(notebook, "import os")
    counts = dict(re.findall(r"^(\w+) +(\d+) articles", text, flags=re.MULTILINE))
    assert counts == {"train": "35", "dev": "56", "unlabeled": "364", "test": "65"}
    _, shown = outputs(notebook, "displacy.render")
    assert 'class="entities"' in shown["text/html"] and "<mark" in shown["text/html"]
    text, _ = outputs(notebook, "STEPS")
    assert "Teacher reads" in text and "Calibrated" in text
    text, _ = outputs(notebook, "folders")
    rows = re.findall(r"^(teacher|baseline|student) +([\d.]+) +([\d,]+) +([\d.]+)$", text, re.M)
    text, _ = outputs(notebook, "student = spacy.load")
    confidences = [float(number) for number in re.findall(r"^([\d.]+)  [A-Z]+ ", text, re.M)]
    assert all(0 <= number <= 1 for number in confidences)
    text, shown = outputs(notebook, "import matplotlib")
    assert base64.b64decode(shown["image/png"]).startswith(b"\x89PNG")
    assert re.search(r"\d+ entities, expected calibration error", text)
    numbers = {name: [float(value.replace(",", "")) for value in row] for name, *row in rows}
    return numbers, len(confidences)


@pytest.fixture
def clone(tmp_path):
    """A folder with what the notebook's first commands make, in small."""
    corpus = tmp_path / "corpus"
    script = [ROOT / "scripts" / "convert_newsroom.py", ROOT / "assets" / "newsroom" / "raw"]
    subprocess.run([sys.executable, *map(str, script), str(corpus)], check=True)
    docs = DocBin().from_disk(corpus / "train.spacy").get_docs(spacy.blank("en").vocab)
    words = sorted({token.lower_ for doc in docs for token in doc if token.is_alpha})
    vectors = numpy.random.default_rng(0).normal(size=(len(words), 4)).astype("float32")
    (tmp_path / "assets" / "pretrained").mkdir(parents=True)
    vectors_pipeline(words, vectors, "en").to_disk(tmp_path / "assets" / "vectors")
    save_tiny_bert(tmp_path / "assets" / "pretrained" / "mpnet", words, positions=256)
    (tmp_path / "examples").mkdir()
    return tmp_path


def test_it_runs(clone, monkeypatch):
    monkeypatch.setenv("QUICK", "1")
    # Streamlit sets it in a process that has imported it, and then no picture is shown.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(clone / "examples")}}
    nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    numbers, _ = check(notebook)
    assert set(numbers) == {"teacher", "baseline", "student"}


def test_its_stored_outputs_are_those_of_its_cells():
    """They were made by one run from the first cell to the last."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    numbers, n_confidences = check(notebook)
    teacher, baseline, student = numbers.values()
    assert n_confidences == 8
    assert baseline[0] + 3 < student[0] and teacher[0] - 3 < student[0]
    assert student[1] > 50 * teacher[1] and student[2] < 14
    assert NOTEBOOK.stat().st_size < 100_000
