"""Tables and pictures of the measurements in this folder:

python -m benchmarks.speed.report docs/performance.md
"""

from functools import partial
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


def batches_table(measured: Result) -> str:
    """Make the table of words per second by batch size, with the student's advantage."""
    systems = measured["systems"]
    first, student = next(iter(systems.items()))
    sizes = list(student["batches"])
    rows: List[List[str]] = []
    ratios: List[List[str]] = []
    for name, system in systems.items():
        cells = system["batches"]
        alone, late = cells["1"]["ms_per_document"]
        parameters = f"{system['parameters'] / 1e6:.1f} M"
        speeds = [spread(cells[size]) for size in sizes]
        rows.append([name, *speeds, f"{alone:.2f}", f"{late:.2f}", parameters])
        if name != first:
            times = [f"{faster(student['batches'][size], cells[size]):,.1f}" for size in sizes]
            ratios.append([name, *times])
    at = [f"batch {size}" for size in sizes]
    speeds_table = table(["words/s", *at, "ms alone", "95 %", "parameters"], rows)
    return f"{speeds_table}\n\n{table(['the student is times faster than', *at], ratios)}"


def section_table(name: str, measured: Result) -> str:
    """Make the table of words per second, with the ratio to the first row."""
    cells = measured["systems"]
    first = next(iter(cells))
    rows = []
    for key, cell in cells.items():
        # Parallel runs are compared with the same system on one thread.
        other = key.split(",")[0] if name == "parallel" else first
        rows.append([key, spread(cell), f"{faster(cell, cells[other]):.2f}"])
    last = "to one thread" if name == "parallel" else f"to {first}"
    return table([name, "words/s", last], rows)


def memory_table(measured: Result) -> str:
    rows = [[name, f"{peak:,.0f}"] for name, peak in measured["systems"].items()]
    return table(["system", "peak MB"], rows)


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


SECTIONS: Dict[str, Callable[[Result], str]] = {
    "batches": batches_table,
    **{
        name: partial(section_table, name)
        for name in ("documents", "text", "parallel", "streams", "training")
    },
    "memory": memory_table,
    "recurrence": recurrence_table,
    **{name: shown_table for name in ("parts", "shortcuts", "windows", "footprint", "cores")},
}


def draw(measured: Result, path: Path) -> None:
    """Draw words a second by batch size, on a logarithmic scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, plot = pyplot.subplots(figsize=(6.4, 4.6))
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
    pyplot.close(figure)


def main(
    pages: Annotated[List[Path], typer.Argument(help="Pages with marked places")],
    results: Annotated[Path, typer.Option(help="JSON file of measurements")] = SPEED,
) -> None:
    """Write tables into pages, and the picture next to them."""
    measured = read_json(results)
    contents = {
        name: partial(make, measured[name]) for name, make in SECTIONS.items() if name in measured
    }
    for page in pages:
        if "batches" in fill(page, COMMAND, contents):
            draw(measured["batches"], page.parent / "speed.png")


if __name__ == "__main__":
    typer.run(main)
