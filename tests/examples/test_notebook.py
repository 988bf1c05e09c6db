"""The notebook runs from its first cell to its last, with little of all."""

import base64
import re
from pathlib import Path
from statistics import mean

import pytest

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
    """Make sure that the cells show what the text around them says."""
    text, _ = outputs(notebook, "nlp = spacy.blank")
    counts = dict(re.findall(r"^(\w+) +(\d+) articles", text, flags=re.MULTILINE))
    assert (counts["labeled"], counts["dev"], counts["test"]) == ("35", "56", "65")
    _, shown = outputs(notebook, "displacy.render")
    assert 'class="entities"' in shown["text/html"] and "<mark" in shown["text/html"]
    text, _ = outputs(notebook, "student = spacy_distill.distill")
    assert "Teacher reads: 100%" in text and "Calibrated" in text
    text, _ = outputs(notebook, "def f1")
    scores = dict(re.findall(r"^(teacher \d|average|student) +([\d.]+)$", text, flags=re.MULTILINE))
    text, _ = outputs(notebook, "sure = spacy.load")
    confidences = [float(number) for number in re.findall(r"^([\d.]+)  [A-Z]+ ", text, re.M)]
    assert confidences and all(0 <= number <= 1 for number in confidences)
    text, shown = outputs(notebook, "import matplotlib")
    assert base64.b64decode(shown["image/png"]).startswith(b"\x89PNG")
    n_entities, error = re.search(r"(\d+) entities, .* error ([\d.]+)", text).groups()
    assert int(n_entities) > 0 and 0 <= float(error) < 1
    return {name: float(score) for name, score in scores.items()}


def test_it_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("QUICK", "1")
    monkeypatch.setenv("NEWSROOM", str(ROOT / "assets" / "newsroom" / "raw"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # Streamlit sets it in a process that has imported it, and then no picture is shown.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    scores = check(notebook)
    assert set(scores) == {"teacher 0", "teacher 1", "average", "student"}
    assert all(0 < score < 100 for score in scores.values())


def test_its_stored_outputs_are_those_of_its_cells():
    """They were made by one run from the first cell to the last."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    scores = check(notebook)
    student = scores.pop("student")
    del scores["average"]
    assert student > mean(scores.values())
    assert NOTEBOOK.stat().st_size < 100_000
