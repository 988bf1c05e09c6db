"""Tools for tables of runs, and the table of all systems."""

from collections import defaultdict
from math import isfinite
from statistics import mean, stdev
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from benchmarks.low_resource.gains import Run, Runs, best_model, interval
from benchmarks.low_resource.systems import STUDENT_OF, SYSTEMS
from benchmarks.pages import table

NAMES = {
    "conll": "CoNLL-2003",
    "newsroom": "newsroom",
    "swedish": "Swedish web news",
    "wnut": "WNUT 2017",
}
# Units of labels, where these are not sentences.
UNITS = {"newsroom": "articles of each file"}
# By corpus and labels.
Groups = Dict[str, Dict[int, Runs]]


def group(runs: Sequence[Run]) -> Groups:
    """Group runs by corpus, labels and system, in the usual order."""
    found: Groups = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for run in runs:
        found[run["dataset"]][run["labeled"]][run["system"]].append(run)
    order = {name: number for number, name in enumerate(SYSTEMS)}

    def place(name: str) -> Any:
        base = name.partition("@")[0]
        known = "student" if base.startswith(STUDENT_OF) else base
        return order.get(known, len(order)), name

    return {
        dataset: {
            size: {name: sizes[size][name] for name in sorted(sizes[size], key=place)}
            for size in sorted(sizes)
        }
        for dataset, sizes in sorted(found.items())
    }


def spread(values: Sequence[float]) -> str:
    """Format mean and standard deviation."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{mean(values):.2f} ± {stdev(values):.2f}"


def between(bounds: Optional[Tuple[Optional[float], Optional[float]]]) -> str:
    """Format the bounds of an interval; "" if there is none."""
    if bounds is None or None in bounds:
        return ""
    return "{:+.2f} to {:+.2f}".format(*bounds)


def gained(values: Sequence[float]) -> List[str]:
    """Format the mean of differences of F1, its confidence interval, and their number."""
    return [f"{mean(values):+.2f}", between(interval(values)), str(len(values))]


def thousands(words: float) -> str:
    """Format a number of words in thousands."""
    return f"{words / 1000:,.0f}" if isfinite(words) else "never"


def corpus_of(dataset: str, size: int) -> str:
    """Describe a corpus and its labeled share."""
    return f"{NAMES[dataset]}, {count(dataset, size)}"


def mean_of(systems: Runs, *names: str, of: Callable[[Run], float] = best_model) -> List[str]:
    """Format the mean test F1 of some systems; "" without runs."""
    return [f"{mean(map(of, systems[name])):.1f}" if name in systems else "" for name in names]


def of_shared_seeds(systems: Runs, *names: str) -> Runs:
    """Keep the runs of some systems whose seeds all of these have; none if a system has no run."""
    seeds = set.intersection(*({run["seed"] for run in systems.get(name, [])} for name in names))
    return {name: [run for run in systems[name] if run["seed"] in seeds] for name in names if seeds}


def count(dataset: str, size: int) -> str:
    """Describe the number of labels of a corpus."""
    return f"{size:,} {UNITS.get(dataset, '')}".strip()


def scores_table(sizes: Dict[int, Runs]) -> str:
    """Make the table of scores and costs of each system at each size."""
    rows = []
    for size, systems in sizes.items():
        for name, runs in systems.items():
            columns: List[Callable[[Run], Any]] = [
                best_model,
                lambda run: run["scores"]["test"]["p"],
                lambda run: run["scores"]["test"]["r"],
                lambda run: run["scores"]["test"]["seqeval_f"],
                lambda run: run["scores"]["dev"]["f"],
            ]
            values = [spread([column(run) for run in runs]) for column in columns]
            agreed = [run["agreement"]["test"] for run in runs if run["agreement"]]
            values.append(f"{mean(agreed):.1f}" if agreed else "")
            costs = [run["cost"]["processor_seconds"] for run in runs if run["cost"]]
            values.append(f"{mean(costs):,.0f}" if costs else "")
            rows.append([f"{size:,}", name, *values, str(len(runs))])
    header = ["labeled", "system", "test F1", "precision", "recall", "seqeval F1", "dev F1"]
    header += ["agreement", "CPU s", "seeds"]
    return table(header, rows, 2)
