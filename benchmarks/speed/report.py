"""Tables and pictures of the measurements in this folder:

python -m benchmarks.speed.report docs/performance.md
"""

from functools import partial
from math import nan
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Callable, Dict, List, Sequence

import typer

from benchmarks.commands import ROOT, read_json
from benchmarks.pages import fill, table

Result = Dict[str, Any]
SPEED = ROOT / "docs" / "speed.json"
COMMAND = "benchmarks.speed.report"


def spread(cell: Result) -> str:
    """Format the median of the rounds' words per second, and the largest deviation from it."""
    values = cell["words_per_second"]
    middle = median(values)
    away = max(max(values) / middle - 1, 1 - min(values) / middle)
    return f"{middle:,.0f} ±{100 * away:.0f} %"


def ratio(values: Sequence[float], others: Sequence[float]) -> float:
    """Compute the median of the rounds' ratios."""
    return median(value / other for value, other in zip(values, others, strict=True))


def faster(mine: Result, other: Result) -> float:
    """Format the ratio of two speeds."""
    return ratio(mine["words_per_second"], other["words_per_second"])


# The sizes of batches in the table. The picture has all.
ALONE, IN_BATCHES = "1", "64"


def batches_table(measured: Result) -> str:
    """Make the table of words per second, one document at a time and in batches, with the student's
    advantage."""
    systems = measured["systems"]
    first, student = next(iter(systems.items()))
    rows: List[List[str]] = []
    energy = "joules_per_million_words"
    has_energy = any(energy in system["batches"][IN_BATCHES] for system in systems.values())
    for name, system in systems.items():
        row = [name]
        for size in (ALONE, IN_BATCHES):
            cell = system["batches"][size]
            times = faster(student["batches"][size], cell)
            row += [spread(cell), "" if name == first else f"{times:,.1f}"]
        middle, late = system["batches"][ALONE]["ms_per_document"]
        row += [f"{middle:.2f}", f"{late:.2f}", f"{system['parameters'] / 1e6:.1f} M"]
        if has_energy:
            row.append(f"{median(system['batches'][IN_BATCHES].get(energy, [nan])):,.0f}")
        rows.append(row)
    at = ("words/s, one at a time", "slower", f"words/s, batches of {IN_BATCHES}", "slower")
    last = ["J a million words"] if has_energy else []
    return table(["", *at, "ms alone", "95 %", "parameters", *last], rows)


def compared_table(measured: Result) -> str:
    """Make the short table of speeds in batches, for users who compare systems."""
    systems = measured["systems"]
    first, student = next(iter(systems.items()))
    rows = []
    for name, system in systems.items():
        cell = system["batches"][IN_BATCHES]
        times = faster(student["batches"][IN_BATCHES], cell)
        alone, _ = system["batches"][ALONE]["ms_per_document"]
        slower = "" if name == first else f"{times:,.1f}"
        size = f"{system['parameters'] / 1e6:.1f} M"
        rows.append([name, spread(cell), slower, f"{alone:.2f}", size])
    return table(["", "words/s", "slower", "ms for one sentence", "parameters"], rows)


def short_table(measured: Result) -> str:
    """Make the table of the milliseconds of one short document, with the ratio of the medians to
    the first row."""
    systems = measured["systems"]
    student, _ = next(iter(systems.values()))["ms_per_document"]
    rows = []
    for name, cell in systems.items():
        middle, late = cell["ms_per_document"]
        rows.append([name, f"{middle:.2f}", f"{late:.2f}", f"{middle / student:.2f}"])
    return table(["", "ms", "95 %", "times the student's"], rows)


def section_table(name: str, measured: Result) -> str:
    """Make the table of words per second, with the ratio to the first row."""
    cells = measured["systems"]
    first = next(iter(cells))
    rows = []
    for key, cell in cells.items():
        share = faster(cell, cells[first])
        rows.append([key, spread(cell), f"{share:.2f}" if share > 0.1 else f"{share:.2g}"])
    return table([name, "words/s", f"times the {first}'s"], rows)


def recurrence_table(measured: Result) -> str:
    """Make the table of milliseconds of the first row, and the ratios of the others."""
    systems = measured["milliseconds"]
    first = next(iter(systems))
    rows = []
    for name, kinds in systems.items():
        row = [name]
        for kind, cells in kinds.items():
            for size, values in cells.items():
                if name == first:
                    row.append(f"{median(values):.2f} ms")
                else:
                    row.append(f"{ratio(values, systems[first][kind][size]):.1f}")
        rows.append(row)
    header = [f"{kind}, {size}" for kind, cells in systems[first].items() for size in cells]
    return table(["times as long", *header], rows)


def shown_table(measured: Result) -> str:
    """Make a table as a script printed it."""
    return table(measured["header"], measured["rows"])


# The tables that the scripts of these names print.
SHOWN = (
    *("parts", "rates", "shortcuts", "differences", "vectors", "windows", "footprint", "cores"),
    "encoders",
    "sizes",
)
SECTIONS: Dict[str, Callable[[Result], str]] = {
    "batches": batches_table,
    "compared": compared_table,
    **{name: partial(section_table, name) for name in ("documents", "text")},
    "short": short_table,
    "recurrence": recurrence_table,
    **{name: shown_table for name in SHOWN},
}

# The measurements of tables that are called otherwise.
MEASURED = {"compared": "batches"}


def draw(measured: Result, path: Path) -> None:
    """Draw words a second by batch size, on a logarithmic scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.6))
    plot = figure.subplots()
    for name, system in measured["systems"].items():
        cells = system["batches"]
        speeds = [median(cell["words_per_second"]) for cell in cells.values()]
        width = 2.5 if name == "student" else 1.2
        dashed = "--" if "int8" in name else "-"
        plot.plot(
            list(cells), speeds, dashed, marker="o", markersize=4, linewidth=width, label=name
        )
    plot.set_yscale("log")
    plot.set_xlabel("sentences in a batch")
    plot.set_ylabel("words per second, one thread")
    plot.grid(True, which="major", alpha=0.3)
    plot.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    figure.savefig(path, dpi=140, bbox_inches="tight")


def main(
    pages: Annotated[List[Path], typer.Argument(help="Pages with marked places")],
    results: Annotated[Path, typer.Option(help="JSON file of measurements")] = SPEED,
) -> None:
    """Write tables into pages, and the picture next to them."""
    measured = read_json(results)
    contents = {
        name: partial(make, measured[MEASURED.get(name, name)])
        for name, make in SECTIONS.items()
        if MEASURED.get(name, name) in measured
    }
    for page in pages:
        if "batches" in fill(page, COMMAND, contents):
            draw(measured["batches"], page.parent / "speed.png")


if __name__ == "__main__":
    typer.run(main)
