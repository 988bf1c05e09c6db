"""Tables in Markdown of one corpus's runs, and what tables are made of."""

from collections import defaultdict
from math import isfinite
from statistics import mean, stdev
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from low_resource_gains import Run, Runs, compare, cost, gains, interval
from low_resource_systems import STUDENT_OF, SYSTEMS

NAMES = {
    "conll": "CoNLL-2003",
    "newsroom": "newsroom",
    "swedish": "Swedish web news",
    "wnut": "WNUT 2017",
}
# Whose scores are told by type.
BY_TYPE = ("transformer", "gold-only", "teacher", "student", "spacy-gold", "spacy-silver")
# What is counted, where it is not sentences.
UNITS = {"newsroom": "articles of each file"}
# By corpus and labels.
Groups = Dict[str, Dict[int, Runs]]


def group(runs: Sequence[Run]) -> Groups:
    """RETURNS (Groups): By corpus, labels and system, in the usual order."""
    found: Groups = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for run in runs:
        found[run["dataset"]][run["labeled"]][run["system"]].append(run)
    order = {name: number for number, name in enumerate(SYSTEMS)}

    def place(name: str) -> Any:
        base = name.partition("@")[0]
        # Those that there were once come last.
        known = "student" if base.startswith(STUDENT_OF) else base
        return order.get(known, len(order)), name

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


def between(bounds: Optional[Tuple[Optional[float], Optional[float]]]) -> str:
    """RETURNS (str): The bounds of an interval; empty if there is none."""
    if bounds is None or None in bounds:
        return ""
    return "{:+.2f} to {:+.2f}".format(*bounds)


def gained(values: Sequence[float]) -> List[str]:
    """RETURNS (List[str]): Mean of some differences of F1, its confidence interval, and how many
    there are."""
    return [f"{mean(values):+.2f}", between(interval(values)), str(len(values))]


def thousands(words: float) -> str:
    """RETURNS (str): So many words, in thousands."""
    return f"{words / 1000:,.0f}" if isfinite(words) else "never"


def corpus_of(dataset: str, size: int) -> str:
    """RETURNS (str): A corpus, and how much of it is labeled."""
    return f"{NAMES[dataset]}, {count(dataset, size)}"


def mean_of(systems: Runs, *names: str) -> List[str]:
    """RETURNS (List[str]): Mean test F1 of some systems; "" without runs."""
    return [f"{mean(map(f1, systems[name])):.1f}" if name in systems else "" for name in names]


def count(dataset: str, size: int) -> str:
    """RETURNS (str): How much of a corpus is labeled."""
    return f"{size:,} {UNITS.get(dataset, '')}".strip()


def f1(run: Run) -> float:
    """RETURNS (float): Test F1, in percent."""
    return run["scores"]["test"]["f"]


def scores_table(sizes: Dict[int, Runs]) -> str:
    """RETURNS (str): Overall scores and costs of each system at each size."""
    rows = []
    told = any(energies(runs) for systems in sizes.values() for runs in systems.values())
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
            if told:
                energy = energies(runs)
                values.append(f"{mean(energy) / 1000:.1f}" if energy else "")
            rows.append([f"{size:,}", name, *values, str(len(runs))])
    header = ["labeled", "system", "test F1", "precision", "recall", "seqeval F1", "dev F1"]
    header += ["agreement", "CPU s", *(["kJ"] if told else []), "seeds"]
    return table(header, rows, 2)


def energies(runs: Sequence[Run]) -> List[float]:
    """RETURNS (List[float]): Joules of the runs whose machine told them."""
    return [run["cost"]["joules"] for run in runs if run["cost"]["joules"] is not None]


def types_table(sizes: Dict[int, Runs]) -> str:
    """RETURNS (str): F1, precision and recall of each type, of BY_TYPE."""
    rows = []
    for size, systems in sizes.items():
        for name, runs in systems.items():
            if name not in BY_TYPE:
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
    """RETURNS (str): By how much students, and their teachers, are better than others with the same
    labels."""
    rows = []
    for size, systems in sizes.items():
        for gain in gains(systems):
            rows.append([f"{size:,}", gain.system, gain.other, *gained(gain.values)])
    header = ["labeled", "system", "compared with", "gain, F1", "95 % interval", "seeds"]
    return table(header, rows, 3)


def costs_table(sizes: Dict[int, Runs], rates: Dict[str, float]) -> str:
    """RETURNS (str): What a student costs at each size, and when that is paid back, if it is better
    than without teachers; empty if there is nothing to say."""
    rows = []
    for size, systems in sizes.items():
        found = cost(systems, rates)
        if found is not None:
            seconds = (found.training, found.reading, found.distilling)
            row = [f"{size:,}", *(f"{n:,.0f}" for n in seconds)]
            beside = compare(systems, "student", "gold-only")
            if beside is not None and beside.f1 > beside.other:
                words = (found.paid_back, found.all_paid_back)
                rows.append([*row, *map(thousands, words)])
            else:
                rows.append([*row, "no gain", "no gain"])
    header = ["labeled", "teachers, CPU s", "transformer's reading", "distilling"]
    header += ["paid back, thousand words", "with the teachers"]
    return table(header, rows, 1) if rows else ""
