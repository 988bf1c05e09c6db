"""Tables and learning curves of the runs that `low_resource.py` has stored.

python benchmarks/low_resource_report.py docs/results.md docs/which.md docs/how-to/few-labels.md

Writes them into the places of the pages that are marked for them, and pictures beside the pages.
"""

import re
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any, Callable, Dict, List, Sequence

import typer
from low_resource_data import ROOT
from low_resource_gains import cost, gains
from low_resource_store import Store
from low_resource_systems import SYSTEMS
from wasabi import msg

# A place in a page, and what stands there so far.
PLACE = re.compile(
    r"(?P<begin><!-- (?P<name>[\w ]+): low_resource_report\.py -->).*?<!-- end of (?P=name) -->",
    re.S,
)
# What test F1 of CoNLL-2003's students is meant to be at least, and what is aimed at, by labels.
TARGETS = {
    150: (77.5, 81.0),
    300: (80.0, 84.0),
    750: (84.5, 87.0),
    1500: (86.5, 88.5),
    3000: (88.5, 90.0),
    14041: (90.3, 91.3),
}
# What is drawn: a system and its line.
CURVES = {
    "student": ("distilled student", "tab:blue", "o-"),
    "teacher": ("teacher (ensemble)", "tab:orange", "s--"),
    "gold-only": ("student on the labels alone", "tab:green", "^-"),
    "transformer": ("transformer, fine-tuned", "tab:brown", "v:"),
    "spacy-silver": ("spaCy ner, silver data", "tab:red", "d-."),
    "spacy-gold": ("spaCy ner, labels alone", "tab:gray", "x-."),
}
NAMES = {
    "conll": "CoNLL-2003",
    "newsroom": "newsroom",
    "swedish": "Swedish web news",
    "wnut": "WNUT 2017",
}
# What is counted, where it is not sentences.
UNITS = {"newsroom": "articles of each file"}
Run = Dict[str, Any]
# Runs by system, of one corpus and number of labels.
Runs = Dict[str, List[Run]]
# By corpus and labels.
Groups = Dict[str, Dict[int, Runs]]


def group(runs: Sequence[Run]) -> Groups:
    """RETURNS (Groups): By corpus, labels and system, in the usual order."""
    found: Groups = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for run in runs:
        found[run["dataset"]][run["labeled"]][run["system"]].append(run)
    order = {name: number for number, name in enumerate(SYSTEMS)}

    def place(name: str) -> Any:
        return order[name.partition("@")[0]], name

    return {
        dataset: {
            size: {name: sizes[size][name] for name in sorted(sizes[size], key=place)}
            for size in sorted(sizes)
        }
        for dataset, sizes in sorted(found.items())
    }


def table(header: Sequence[str], rows: Sequence[Sequence[str]], n_left: int) -> str:
    """RETURNS (str): A table in Markdown, so many of its columns to the left."""
    line = ["---"] * n_left + ["---:"] * (len(header) - n_left)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, line, *rows))


def spread(values: Sequence[float]) -> str:
    """RETURNS (str): Mean and standard deviation."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{mean(values):.2f} ± {stdev(values):.2f}"


def count(dataset: str, size: int) -> str:
    """RETURNS (str): How much of a corpus is labeled."""
    return f"{size:,} {UNITS.get(dataset, '')}".strip()


def f1(run: Run) -> float:
    return run["scores"]["test"]["f"]


def scores_table(sizes: Dict[int, Runs]) -> str:
    """RETURNS (str): Overall scores of each system at each size."""
    rows = []
    for size, systems in sizes.items():
        for name, runs in systems.items():
            columns: List[Callable[[Run], Any]] = [
                f1,
                lambda run: run["scores"]["test"]["p"],
                lambda run: run["scores"]["test"]["r"],
                lambda run: run["scores"]["test"]["seqeval_f"],
                lambda run: run["scores"]["dev"]["f"],
            ]
            values = [spread([column(run) for run in runs]) for column in columns]
            agreed = [run["agreement"]["test"] for run in runs if run["agreement"]]
            values.append(f"{mean(agreed):.1f}" if agreed else "")
            values.append(f"{mean(run['cost']['processor_seconds'] for run in runs):,.0f}")
            energy = [run["cost"]["joules"] for run in runs if run["cost"]["joules"] is not None]
            values.append(f"{mean(energy) / 1000:.1f}" if energy else "not told")
            rows.append([f"{size:,}", name, *values, str(len(runs))])
    header = ["labeled", "system", "test F1", "precision", "recall", "seqeval F1", "dev F1"]
    header += ["agreement", "CPU s", "kJ", "seeds"]
    return table(header, rows, 2)


def types_table(sizes: Dict[int, Runs]) -> str:
    """RETURNS (str): F1, precision and recall of each type, of what is drawn."""
    rows = []
    for size, systems in sizes.items():
        for name, runs in systems.items():
            if name not in CURVES:
                continue
            types = sorted({label for run in runs for label in run["scores"]["test"]["per_type"]})
            for label in types:
                found = [run["scores"]["test"]["per_type"].get(label) for run in runs]
                values = [
                    f"{mean(item[key] if item else 0.0 for item in found):.1f}" for key in "fpr"
                ]
                rows.append([f"{size:,}", name, label, *values])
    return table(["labeled", "system", "type", "F1", "precision", "recall"], rows, 3)


def gains_table(sizes: Dict[int, Runs]) -> str:
    """RETURNS (str): By how much students are better than others with the same labels."""
    rows = []
    for size, systems in sizes.items():
        for gain in gains(systems):
            between = "{:+.2f} to {:+.2f}".format(*gain.interval) if gain.interval else ""
            row = [gain.student, gain.other, f"{mean(gain.values):+.2f}", between]
            rows.append([f"{size:,}", *row, str(len(gain.values))])
    header = ["labeled", "student", "compared with", "gain, F1", "95 % interval", "seeds"]
    return table(header, rows, 3)


def costs_table(sizes: Dict[int, Runs], rates: Dict[str, float]) -> str:
    """RETURNS (str): What a student costs at each size, and when that is paid back; empty if there
    is nothing to say."""
    found = {size: cost(systems, rates) for size, systems in sizes.items()}
    rows = []
    for size, row in found.items():
        if row is not None:
            seconds = (f"{n:,.0f}" for n in (row.training, row.reading, row.distilling))
            words = (f"{n / 1000:,.0f}" for n in (row.paid_back, row.all_paid_back))
            rows.append([f"{size:,}", *seconds, *words])
    header = ["labeled", "teachers, CPU s", "transformer's reading", "distilling"]
    header += ["paid back after 1,000 words", "with the teachers"]
    return table(header, rows, 1) if rows else ""


def draw(dataset: str, sizes: Dict[int, Runs], path: Path) -> None:
    """Draw test F1 against the number of labels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name, (label, colour, style) in CURVES.items():
        points = [
            (size, [f1(run) for run in runs[name]]) for size, runs in sizes.items() if name in runs
        ]
        if not points:
            continue
        x = [size for size, _ in points]
        y = [mean(values) for _, values in points]
        error = [stdev(values) if len(values) > 1 else 0.0 for _, values in points]
        axes.errorbar(x, y, error, fmt=style, color=colour, label=label, capsize=3, markersize=5)
    axes.set_xscale("log")
    axes.set_xticks(list(sizes), [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("labeled " + UNITS.get(dataset, "sentences"))
    axes.set_ylabel("test F1 (mean, standard deviation)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def all_tables(groups: Groups, results: Store, folder: Path) -> str:
    """RETURNS (str): Every table of every corpus; pictures are drawn into the page's folder."""
    parts = []
    for dataset, sizes in groups.items():
        parts += [f"### {dataset}: all systems", scores_table(sizes)]
        if len(sizes) > 1:
            picture = f"results-{dataset}.png"
            draw(dataset, sizes, folder / picture)
            parts.append(f"![Learning curves of {dataset}]({picture})")
        parts += [f"### {dataset}: gains", gains_table(sizes)]
        costs = costs_table(sizes, results.rates(dataset))
        if costs:
            parts += [f"### {dataset}: costs", costs]
        parts += [f"### {dataset}: by type", types_table(sizes)]
    return "\n\n".join(parts)


def reached_table(groups: Groups, results: Store, folder: Path) -> str:
    """RETURNS (str): What was meant to be reached with CoNLL-2003, and what was."""
    rows = []
    for size, systems in groups.get("conll", {}).items():
        if "student" in systems and size in TARGETS:
            targets = [f"{target:.1f}" for target in TARGETS[size]]
            means = mean_of(systems, "student", "teacher", "gold-only", "spacy-silver")
            seeds = [str(len(systems.get(name, []))) for name in ("student", "spacy-silver")]
            rows.append([f"{size:,}", *targets, *means, *seeds])
    header = ["labeled", "at least", "aim", "distilled student", "its teacher", "gold-only student"]
    return table([*header, "spaCy on silver data", "seeds", "of spaCy"], rows, 0)


def expected_table(groups: Groups, results: Store, folder: Path) -> str:
    """RETURNS (str): What students of few labels reach with CoNLL-2003."""
    rows = [
        [f"{size:,}", *mean_of(systems, "student", "teacher", "gold-only")]
        for size, systems in groups.get("conll", {}).items()
        if "student" in systems
    ]
    header = ["labeled sentences", "student", "its teachers' average"]
    return table([*header, "student on the labels alone"], rows, 0)


def mean_of(systems: Runs, *names: str) -> List[str]:
    """RETURNS (List[str]): Mean test F1 of some systems; "" without runs."""
    return [f"{mean(map(f1, systems[name])):.1f}" if name in systems else "" for name in names]


def worth_table(groups: Groups, results: Store, folder: Path) -> str:
    """RETURNS (str): What the student gains by distillation, on each corpus."""
    rows = []
    for dataset, sizes in groups.items():
        for size, systems in sizes.items():
            for gain in gains(systems):
                if (gain.student, gain.other) == ("student", "gold-only"):
                    between = "{:.2f} to {:.2f}".format(*gain.interval) if gain.interval else ""
                    value, seeds = f"{mean(gain.values):.2f}", str(len(gain.values))
                    rows.append([NAMES[dataset], count(dataset, size), value, between, seeds])
    return table(["corpus", "labeled", "gain", "95 % interval", "seeds"], rows, 1)


SECTIONS: Dict[str, Callable[[Groups, Store, Path], str]] = {
    "tables": all_tables,
    "reached": reached_table,
    "expected": expected_table,
    "worth": worth_table,
}


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

        def filled(place: re.Match, folder: Path = page.parent) -> str:
            name = place["name"]
            content = SECTIONS[name](groups, results, folder)
            return f"{place['begin']}\n\n{content}\n\n<!-- end of {name} -->"

        page.write_text(PLACE.sub(filled, text), encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
