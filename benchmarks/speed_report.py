"""Tables and the picture of what `speed.py` measured:

python benchmarks/speed_report.py speed
"""

import json
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Dict, List, Sequence

import typer
from wasabi import msg

Result = Dict[str, Any]


def middle(cell: Result) -> float:
    """RETURNS (float): Median words a second."""
    return median(cell["words_per_second"])


def spread(cell: Result) -> str:
    """RETURNS (str): The median, and how far the rounds lie from it, in percent."""
    values = cell["words_per_second"]
    away = max(max(values) / middle(cell) - 1, 1 - min(values) / middle(cell))
    return f"{middle(cell):,.0f} ±{100 * away:.0f} %"


def ratio(mine: Result, other: Result, form: str = ",.1f") -> str:
    """RETURNS (str): How many times faster, the median over rounds."""
    pairs = zip(mine["words_per_second"], other["words_per_second"], strict=True)
    return format(median(a / b for a, b in pairs), form)


def print_table(header: Sequence[str], rows: List[tuple], markdown: bool) -> None:
    if not markdown:
        msg.table(rows, header=header, aligns=("l", *"r" * (len(header) - 1)), divider=True)
        return
    rule = ("---", *["---:"] * (len(header) - 1))
    print("\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows)), end="\n\n")


def print_tables(results: Result, markdown: bool = False) -> None:
    """Print what was measured, a table a section."""
    for n_threads, sections in results["threads"].items():
        print(f"\n{n_threads} thread{'s' if n_threads != '1' else ''}\n")
        if "batches" in sections:
            print_batches(sections["batches"], sections.get("memory", {}), markdown)
        for name in ("documents", "text", "parallel", "streams", "training"):
            if name in sections:
                print_section(name, sections[name], markdown)


def print_batches(systems: Result, memory: Result, markdown: bool) -> None:
    first_name, student = next(iter(systems.items()))
    sizes = list(student["batches"])
    rows: List[tuple] = []
    ratios: List[tuple] = []
    for name, system in systems.items():
        cells = system["batches"]
        median_ms, late_ms = cells["1"]["ms_per_document"]
        rows.append(
            (
                name,
                *(spread(cells[size]) for size in sizes),
                f"{median_ms:.2f}",
                f"{late_ms:.2f}",
                f"{system['parameters'] / 1e6:.1f} M",
                *([f"{memory[name]:,.0f}"] if memory else []),
            )
        )
        if name != first_name:
            faster = [ratio(student["batches"][size], cells[size]) for size in sizes]
            alone = median_ms / student["batches"]["1"]["ms_per_document"][0]
            smaller = system["parameters"] / student["parameters"]
            ratios.append((name, *faster, f"{alone:.1f}", f"{smaller:.1f}"))
    at = [f"batch {size}" for size in sizes]
    header = ("words/s", *at, "ms alone", "95 %", "parameters", *(["peak MB"] if memory else []))
    print_table(header, rows, markdown)
    header = ("the student is so many times faster", *at, "alone", "fewer parameters")
    print_table(header, ratios, markdown)


def print_section(name: str, cells: Result, markdown: bool) -> None:
    first = next(iter(cells))
    rows = []
    for key, cell in cells.items():
        if name == "documents":
            compared = ratio(cells[first], cell)
        else:
            # What is done in parallel, to the same alone.
            other = key.split(",")[0] if name == "parallel" else first
            compared = ratio(cell, cells[other], ".2f")
        rows.append((key, spread(cell), compared))
    last = {"documents": f"{first} is faster", "parallel": "to one thread"}.get(name, f"to {first}")
    print_table((name, "words/s", last), rows, markdown)


def draw_picture(results: Result, path: Path) -> None:
    """Draw words a second by batch size, on a logarithmic scale."""
    from matplotlib import pyplot

    shown = {n: s["batches"] for n, s in results["threads"].items() if "batches" in s}
    if not shown:
        return
    figure, plots = pyplot.subplots(
        1, len(shown), figsize=(5.2 * len(shown) + 1.2, 4.6), sharey=True, squeeze=False
    )
    for plot, (n_threads, systems) in zip(plots[0], shown.items(), strict=True):
        for name, system in systems.items():
            sizes = list(system["batches"])
            speeds = [middle(system["batches"][size]) for size in sizes]
            bold = {"linewidth": 2.5} if name == "student" else {"linewidth": 1.2}
            dashed = "--" if "int8" in name else "-"
            plot.plot(sizes, speeds, dashed, marker="o", markersize=4, label=name, **bold)
        plot.set_yscale("log")
        plot.set_xlabel("sentences in a batch")
        plot.set_title(f"{n_threads} thread{'s' if n_threads != '1' else ''}")
        plot.grid(True, which="major", alpha=0.3)
    plots[0][0].set_ylabel("words per second")
    plots[0][-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    figure.savefig(path, dpi=140, bbox_inches="tight")


def main(
    folder: Annotated[Path, typer.Argument(help="The output folder of speed.py", exists=True)],
    markdown: Annotated[bool, typer.Option(help="Tables as the docs have them")] = False,
) -> None:
    """Print and draw what is in a folder."""
    results = json.loads((folder / "speed.json").read_text())
    print_tables(results, markdown)
    draw_picture(results, folder / "speed.png")


if __name__ == "__main__":
    typer.run(main)
