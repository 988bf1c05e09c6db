"""The tables of the project's student, its teacher and its baseline, from the report of the
project:

python -m benchmarks.project docs/results.md --report report/report.json
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Optional

import typer

from benchmarks.commands import ROOT, read_json, write_json
from benchmarks.pages import about, fill, table

FIGURES = ROOT / "docs" / "project.json"
KEPT = ("role", "parameters", "megabytes", "scores", "per_label", "words_per_second")
Systems = List[Dict[str, Any]]


def scores_table(systems: Systems) -> str:
    """Make the table that `distill-report` prints."""
    labels = list(systems[0]["per_label"])
    rows = []
    for system in systems:
        f1 = [system["scores"], *(system["per_label"][label] for label in labels)]
        row = [system["role"], *(f"{100 * scores['f1']['value']:.1f}" for scores in f1)]
        rows.append([*row, *sizes(system)])
    return table(["", "F1", *labels, "parameters", "MB", "words/s"], rows)


def compression_table(systems: Systems) -> str:
    """Make the table of sizes and speeds, compared with the teacher's."""
    teacher = next(system for system in systems if system["role"] == "teacher")
    rows = []
    for system in (teacher, *(one for one in systems if one is not teacher)):
        f1 = f"{100 * system['scores']['f1']['value']:.1f}"
        smaller = [f"{teacher[key] / system[key]:.0f}" for key in ("parameters", "megabytes")]
        faster = about(system["words_per_second"] / teacher["words_per_second"])
        rows.append([system["role"], f1, *sizes(system), *smaller, faster])
    header = ["", "F1", "parameters", "MB", "words/s", "times fewer parameters"]
    return table([*header, "times smaller", "times as fast"], rows)


def sizes(system: Dict[str, Any]) -> List[str]:
    """Format parameters, megabytes and words per second."""
    parameters = f"{system['parameters'] / 1e6:.2f} M"
    return [parameters, f"{system['megabytes']:.1f}", about(system["words_per_second"])]


SECTIONS: Dict[str, Callable[[Systems], str]] = {
    "project": scores_table,
    "compression": compression_table,
}


def main(
    pages: Annotated[List[Path], typer.Argument(help="Pages with marked places")],
    report: Annotated[
        Optional[Path], typer.Option(help="New figures: report.json of distill-report")
    ] = None,
    figures: Annotated[Path, typer.Option(help="JSON file of the figures")] = FIGURES,
) -> None:
    """Write tables into pages. With --report, take over its figures first."""
    if report is not None:
        content = read_json(report)
        systems = [{key: system[key] for key in KEPT} for system in content["systems"]]
        made = {key: content[key] for key in ("created", "made_with", "hardware", "data")}
        write_json(figures, {**made, "systems": systems})
    found = read_json(figures)["systems"]
    contents = {name: partial(make, found) for name, make in SECTIONS.items()}
    for page in pages:
        fill(page, "benchmarks.project", contents)


if __name__ == "__main__":
    typer.run(main)
