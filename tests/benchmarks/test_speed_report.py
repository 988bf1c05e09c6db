"""Tables of speed agree with the measurements."""

import json
import shutil

import pytest
import typer

from benchmarks.commands import ROOT
from benchmarks.pages import show
from benchmarks.speed.report import (
    SPEED,
    batches_table,
    recurrence_table,
    section_table,
    short_table,
)
from benchmarks.speed.report import main as write_report


def test_a_picture_is_drawn_next_to_the_page(tmp_path):
    """tests/docs/test_figures.py compares the tables."""
    pytest.importorskip("matplotlib", reason="the benchmarks extra is not installed")
    shutil.copy(ROOT / "docs" / "performance.md", tmp_path)
    write_report([tmp_path / "performance.md"], SPEED)
    assert (tmp_path / "speed.png").stat().st_size > 10_000


def test_ratios_are_medians_of_the_rounds_ratios():
    # The second way is 2, 4 and 3 times slower; the ratio of the medians would be 2.
    times = {"kernels": [1.0, 1.0, 3.0], "other": [2.0, 4.0, 9.0]}
    systems = {name: {"predict": {"64": values}} for name, values in times.items()}
    text = recurrence_table({"milliseconds": systems})
    assert "| kernels | 1.00 ms |" in text and "| other | 3.0 |" in text
    cells = {name: {"words_per_second": [6 / t for t in values]} for name, values in times.items()}
    assert "| other | 2 ±100 % | 0.33 |" in section_table("documents", {"systems": cells})
    timed = {name: {**cell, "ms_per_document": [1, 2]} for name, cell in cells.items()}
    systems = {
        name: {"parameters": 2e6, "batches": {"1": cell, "64": cell}}
        for name, cell in timed.items()
    }
    text = batches_table({"systems": systems})
    assert "| other | 2 ±100 % | 3.0 | 2 ±100 % | 3.0 | 1.00 | 2.00 | 2.0 M |" in text
    for cell, joules in zip(timed.values(), (7, 2000), strict=True):
        cell["joules_per_million_words"] = [joules]
    assert "| 2.0 M | 2,000 |" in batches_table({"systems": systems})
    timed["other"]["ms_per_document"] = [2.5, 4]
    assert "| other | 2.50 | 4.00 | 2.50 |" in short_table({"systems": timed})


def test_a_table_is_shown_and_kept_with_its_provenance(tmp_path, capsys):
    output = tmp_path / "speed.json"
    for name in ("parts", "windows"):
        show(output, name, ("part", "us"), [("BiLSTM", "1.5")])
    kept = json.loads(output.read_text(encoding="utf8"))
    assert list(kept) == ["parts", "windows"] and "1.5" in capsys.readouterr().out
    assert kept["parts"]["rows"] == [["BiLSTM", "1.5"]] and kept["parts"]["made_with"]["code"]
    page = tmp_path / "page.md"
    page.write_text("<!-- parts: benchmarks.speed.report --> <!-- end of parts -->")
    write_report([page], output)
    assert "| BiLSTM | 1.5 |" in page.read_text(encoding="utf8")
    page.write_text("<!-- batches: benchmarks.speed.report --> <!-- end of batches -->")
    with pytest.raises((SystemExit, typer.Exit)):  # that was not measured
        write_report([page], output)
