"""Write the tables of docs/confidence.md from the measured figures:

python -m benchmarks.confidence.report docs/confidence.md
"""

import re
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from benchmarks.commands import ROOT, read_json
from benchmarks.low_resource.tables import corpus_of
from benchmarks.pages import fill, table

COMMAND = "benchmarks.confidence.report"
FIGURES = ROOT / "docs" / "confidence.json"
CELL = re.compile(r"(?P<dataset>\w+)-(?P<labeled>\d+), seed(?P<seed>\d+)")
# What the settings of the measurement are called on the page.
SETTINGS = {
    "neither": "neither",
    "confidence": "`confidence`",
    "spans of 0.5": "`spans_key`, `threshold` 0.5",
    "spans of 0.1": "`spans_key`, `threshold` 0.1",
    "confidence and spans of 0.1": "both, `threshold` 0.1",
}


def reliability() -> str:
    """RETURNS (str): The table of calibration errors."""
    rows = []
    for name, cell in read_json(FIGURES)["cells"].items():
        found = CELL.fullmatch(name)
        assert found, name
        numbers = [f"{100 * cell['f1']:.2f}", f"{cell['temperature']:.2f}"]
        numbers += [f"{cell[key]:.3f}" for key in ("error", "calibrated")]
        corpus = corpus_of(found["dataset"], int(found["labeled"]))
        rows.append([corpus, found["seed"], *numbers])
    errors = ["calibration error as trained", "calibrated"]
    return table(["corpus, labeled", "seed", "test F1", "temperature", *errors], rows)


def cost() -> str:
    """RETURNS (str): The table of the time that confidences take."""
    times = read_json(FIGURES)["time"]
    rows = [
        [SETTINGS[name], *(f"{value:.2f}" for value in ratios.values())]
        for name, ratios in times.items()
    ]
    sizes = next(iter(times.values()))
    columns = ["one document at a time" if size == "1" else f"batches of {size}" for size in sizes]
    return table(["setting", *(f"time, {column}" for column in columns)], rows)


def main(page: Annotated[Path, typer.Argument(help="Page with marked places")]) -> None:
    """Fill the tables of the page."""
    names = fill(page, COMMAND, {"reliability": reliability, "cost": cost})
    msg.good(f"{', '.join(sorted(names))} in {page}")


if __name__ == "__main__":
    typer.run(main)
