"""Tables and learning curves of the runs that `low_resource.py` has stored.

python benchmarks/low_resource_report.py docs/results.md docs/how-to/few-labels.md

Writes them into the places of the pages that are marked for them, and pictures beside the pages.
"""

import re
from math import nan
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Dict, List

import typer
from commands import ROOT
from low_resource_gains import Runs
from low_resource_sections import PICTURE, SECTIONS
from low_resource_store import Store
from low_resource_tables import f1, group
from wasabi import msg

# A place in a page, and what stands there so far.
PLACE = re.compile(
    r"(?P<begin><!-- (?P<name>[\w ]+): low_resource_report\.py -->).*?<!-- end of (?P=name) -->",
    re.S,
)
# What is drawn: a system and its line.
CURVES = {
    "student": ("distilled student", "tab:blue", "o-"),
    "teacher": ("teacher (ensemble)", "tab:orange", "s--"),
    "gold-only": ("student on the labels alone", "tab:green", "^-"),
    "transformer": ("transformer, fine-tuned", "tab:brown", "v:"),
    "spacy-silver": ("spaCy ner, silver data", "tab:red", "d-."),
    "spacy-gold": ("spaCy ner, labels alone", "tab:gray", "x-."),
}


def draw(sizes: Dict[int, Runs], path: Path) -> None:
    """Draw test F1 against the number of labeled sentences."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name, (label, colour, style) in CURVES.items():
        points = [
            (size, [f1(run) for run in runs[name]]) for size, runs in sizes.items() if name in runs
        ]
        if len(points) < 2:  # no curve
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
    pyplot.close(figure)


def main(
    pages: Annotated[List[Path], typer.Argument(help="Pages with marked places")],
    store: Annotated[Path, typer.Option(help="Folder of the results")] = (
        ROOT / "benchmarks" / "results"
    ),
) -> None:
    """Write tables into pages, and pictures beside them."""
    results = Store(store)
    groups = group(list(results.runs()))
    for page in pages:
        text = page.read_text(encoding="utf8")
        names = [place["name"] for place in PLACE.finditer(text)]
        whole = len(names) == text.count(": low_resource_report.py -->")
        if not names or not whole or not set(names) <= set(SECTIONS):
            places = ", ".join(SECTIONS)
            example = "<!-- NAME: low_resource_report.py --> <!-- end of NAME -->"
            msg.fail(f"{page} has no place for tables", f"Write {example}: {places}", exits=1)

        def filled(place: re.Match) -> str:
            content = SECTIONS[place["name"]](groups, results)
            return f"{place['begin']}\n\n{content}\n\n<!-- end of {place['name']} -->"

        page.write_text(PLACE.sub(filled, text), encoding="utf8")
        if "reached" in names and "conll" in groups:
            draw(groups["conll"], page.parent / PICTURE)


if __name__ == "__main__":
    typer.run(main)
