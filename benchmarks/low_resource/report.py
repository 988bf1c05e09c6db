"""Tables and learning curves of the runs in the store.

python -m benchmarks.low_resource.report docs/results.md docs/how-to/few-labels.md

Writes them into the places of the pages that are marked for them, and pictures beside the pages.
"""

from functools import partial
from math import nan
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Dict, List

import typer

from benchmarks.low_resource.gains import Runs, best_model
from benchmarks.low_resource.repeat import commands
from benchmarks.low_resource.sections import MAIN, PICTURE, SECTIONS, SILVER
from benchmarks.low_resource.store import RESULTS, Store
from benchmarks.low_resource.tables import group, of_shared_seeds
from benchmarks.pages import fill

# The systems of the picture, with their lines.
CURVES = {
    "student": ("distilled student", "tab:blue", "o-"),
    "teacher": ("teacher", "tab:orange", "s--"),
    "gold-only": ("student on the labels alone", "tab:green", "^-"),
    SILVER: ("spaCy's ner on the teacher's entities", "tab:red", "d:"),
}


def draw(sizes: Dict[int, Runs], path: Path) -> None:
    """Draw test F1 against the number of labeled sentences, of the runs of the tables."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, (label, colour, style) in CURVES.items():
        needed = MAIN if name in MAIN else ("student", name)
        shared = {size: of_shared_seeds(systems, *needed) for size, systems in sizes.items()}
        points = [
            (size, [best_model(run) for run in runs[name]]) for size, runs in shared.items() if runs
        ]
        if not points:
            continue
        x = [size for size, _ in points]
        y = [mean(values) for _, values in points]
        error = [stdev(values) if len(values) > 1 else nan for _, values in points]
        axes.errorbar(x, y, error, fmt=style, color=colour, label=label, capsize=3, markersize=5)
    axes.set_xscale("log")
    axes.set_xticks(list(sizes), [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("labeled sentences")
    axes.set_ylabel("test F1 (mean, standard deviation)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def commands_block(results: Store) -> str:
    """Make the block of the commands that train the runs again."""
    return "\n".join(("<!-- not run: a benchmark -->", "```bash", *commands(results), "```"))


def main(
    pages: Annotated[List[Path], typer.Argument(help="Pages with marked places")],
    store: Annotated[Path, typer.Option(help="Folder of the results")] = RESULTS,
) -> None:
    """Write tables into pages, and pictures next to them."""
    results = Store(store)
    groups = group(results.runs())
    contents = {name: partial(make, groups, results) for name, make in SECTIONS.items()}
    contents["commands"] = partial(commands_block, results)
    for page in pages:
        names = fill(page, "benchmarks.low_resource.report", contents)
        if "reached" in names and "conll" in groups:
            draw(groups["conll"], page.parent / PICTURE)


if __name__ == "__main__":
    typer.run(main)
