"""Tables in Markdown of the runs that `low_resource.py` has stored."""

from collections import defaultdict
from statistics import mean, stdev
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from low_resource_gains import cost, gains, interval, paired
from low_resource_store import Store
from low_resource_systems import OF, SYSTEMS
from student_kinds import KINDS, LOSSES

# What test F1 of CoNLL-2003's students is meant to be at least, and what is aimed at, by labels.
TARGETS = {
    150: (77.5, 81.0),
    300: (80.0, 84.0),
    750: (84.5, 87.0),
    1500: (86.5, 88.5),
    3000: (88.5, 90.0),
    14041: (90.3, 91.3),
}
NAMES = {
    "conll": "CoNLL-2003",
    "newsroom": "newsroom",
    "swedish": "Swedish web news",
    "wnut": "WNUT 2017",
}
# Whose scores are told by type.
BY_TYPE = ("transformer", "gold-only", "teacher", "student", "spacy-gold", "spacy-silver")
# Students of several kinds, and losses, by what is behind the first hyphen of a system's name.
KIND_NAMES = {
    None: "LSTM-CNN-CRF, the package's",
    "softmax": "LSTM-CNN-softmax",
    "cnn": "CNN (`MaxoutWindowEncoder`), CRF",
    "unidirectional": "LSTM from left to right, CRF",
}
LOSS_NAMES = {
    "loss-hard": "hard pseudo-labels",
    "loss-soft": "chains, alpha 0.1 and beta 0.9",
    "loss-chains-2": "chains, temperature 2",
    "loss-tokens": "tokens",
    "loss-tokens-2": "tokens, temperature 2",
    "loss-5-best": "5 best sequences",
    "loss-fuzzy": "5 best sequences, fuzzy",
    "loss-annealed": "chains, annealed",
    "loss-confident": "chains, sentences above 0.9",
}
# Students of other teachers than the four, and what teaches them.
TAUGHT_BY = {
    "gold-only": "nobody",
    "student-of-gold-only": "itself",
    "student-of-joined-0": "one over the transformer",
    "student": "all four",
    "student-2": "these and their student",
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
        base = name.partition("@")[0]
        return order["student" if base.startswith(OF) else base], name

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


def gained(values: Sequence[float]) -> List[str]:
    """RETURNS (List[str]): Mean of some differences of F1, and its confidence interval; empty of
    one alone."""
    between = interval(values)
    return [f"{mean(values):+.2f}", "{:+.2f} to {:+.2f}".format(*between) if between else ""]


def count(dataset: str, size: int) -> str:
    """RETURNS (str): How much of a corpus is labeled."""
    return f"{size:,} {UNITS.get(dataset, '')}".strip()


def f1(run: Run) -> float:
    """RETURNS (float): Test F1, in percent."""
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
            row = [gain.system, gain.other, *gained(gain.values)]
            rows.append([f"{size:,}", *row, str(len(gain.values))])
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
            if mean(paired(systems["student"], systems["gold-only"])) > 0:
                words = (found.paid_back, found.all_paid_back)
                rows.append([*row, *(f"{n / 1000:,.0f}" for n in words)])
            else:
                rows.append([*row, "no gain", "no gain"])
    header = ["labeled", "teachers, CPU s", "transformer's reading", "distilling"]
    header += ["paid back after 1,000 words", "with the teachers"]
    return table(header, rows, 1) if rows else ""


def reached_table(groups: Groups, results: Store) -> str:
    """RETURNS (str): What was meant to be reached with CoNLL-2003, and what was."""
    rows = []
    for size, systems in groups.get("conll", {}).items():
        if "student" in systems and size in TARGETS:
            targets = [f"{target:.1f}" for target in TARGETS[size]]
            means = mean_of(systems, "student", "teacher", "gold-only", "spacy-silver")
            above = paired(systems["student"], systems.get("spacy-silver", []))
            seeds = [str(len(systems["student"])), str(len(above))]
            rows.append([f"{size:,}", *targets, *means, gained(above)[0] if above else "", *seeds])
    header = ["labeled", "at least", "aim", "distilled student", "its teacher", "gold-only student"]
    header += ["spaCy on silver data", "student above spaCy, same seeds", "seeds", "of spaCy"]
    return table(header, rows, 0)


def expected_table(groups: Groups, results: Store) -> str:
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


def worth_table(groups: Groups, results: Store) -> str:
    """RETURNS (str): What the student gains by distillation, on each corpus."""
    rows = []
    for dataset, sizes in groups.items():
        for size, systems in sizes.items():
            for gain in gains(systems):
                if (gain.system, gain.other) == ("student", "gold-only"):
                    seeds = str(len(gain.values))
                    corpus = [NAMES[dataset], count(dataset, size)]
                    row = [*corpus, *gained(gain.values), seeds]
                    drawn = results.bootstrap(f"{dataset}-{size}")
                    if drawn:
                        between = "{low:+.2f} to {high:+.2f}".format(**drawn)
                        row += [f"{drawn['value']:+.2f}: {between}", str(len(drawn["seeds"]))]
                    rows.append([*row, *[""] * (7 - len(row))])
    header = ["corpus", "labeled", "gain", "95 %, seeds", "seeds", "95 %, test sentences", "models"]
    return table(header, rows, 1)


def kinds_table(groups: Groups, results: Store) -> str:
    """RETURNS (str): What distillation gains and costs for students of several kinds, where others
    than the package's were trained: of the seeds that all of them have."""
    rows = []
    for dataset, sizes in groups.items():
        for size, systems in sizes.items():
            pairs = {kind: pair_of(kind) for kind in (None, *KINDS)}
            there = {kind: pair for kind, pair in pairs.items() if set(pair) <= systems.keys()}
            if len(there) < 2:
                continue
            common = with_common_seeds(systems, [name for pair in there.values() for name in pair])
            if not common["student"]:
                continue
            corpus = f"{NAMES[dataset]}, {count(dataset, size)}"
            for kind, pair in there.items():
                row = [corpus, KIND_NAMES[kind], *mean_of(common, *pair)]
                row += gain_and_cost(systems, common, pair, results.rates(dataset))
                rows.append(row)
    header = ["corpus, labeled", "student", "labels alone", "distilled", "gain, F1"]
    header += ["95 % interval", "seeds", "words/s", "paid back after 1,000 words"]
    return table(header, rows, 2)


def pair_of(kind: Optional[str]) -> Tuple[str, str]:
    """RETURNS (Tuple[str, str]): The systems of a kind of student, on the labels alone and
    distilled."""
    return ("gold-only", "student") if kind is None else (f"gold-only-{kind}", f"student-{kind}")


def with_common_seeds(systems: Runs, names: Sequence[str]) -> Runs:
    """RETURNS (Runs): Of some systems, the runs of those seeds that all of them have."""
    seeds = set.intersection(*({run["seed"] for run in systems[name]} for name in names))
    return {name: [run for run in systems[name] if run["seed"] in seeds] for name in names}


def gain_and_cost(
    systems: Runs, common: Runs, pair: Tuple[str, str], rates: Dict[str, float]
) -> List[str]:
    """RETURNS (List[str]): What a student gains on the labels alone, with its interval and the
    number of seeds, how fast it reads, and when its training and the teachers' are paid back."""
    alone, student = pair
    values = paired(common[student], common[alone])
    whole = cost({**systems, student: common[student]}, rates, student)
    row = [*gained(values), str(len(values))]
    row.append(f"{rates[student]:,.0f}" if student in rates else "")
    return [*row, f"{whole.all_paid_back / 1000:,.0f}" if whole else ""]


def teachers_table(groups: Groups, results: Store) -> str:
    """RETURNS (str): Test F1 of students by what teaches them, wherever one of other teachers was
    trained: means of the seeds that all of a row have."""
    rows = []
    for dataset, sizes in groups.items():
        for size, systems in sizes.items():
            there = [name for name in TAUGHT_BY if name in systems]
            if len(there) < 3:  # no others than the usual ones
                continue
            common = with_common_seeds(systems, there)
            seeds = [str(run["seed"]) for run in common["student"]]
            if seeds:
                row = [f"{NAMES[dataset]}, {count(dataset, size)}"]
                row += [f"{mean(map(f1, common[n])):.2f}" if n in there else "" for n in TAUGHT_BY]
                rows.append([*row, ", ".join(seeds)])
    return table(["corpus, labeled", *TAUGHT_BY.values(), "seeds"], rows, 1)


def losses_table(groups: Groups, results: Store) -> str:
    """RETURNS (str): How much better or worse than the default each loss is, everywhere it was
    tried, and over all of these runs."""
    cells = {
        (dataset, size): systems
        for dataset, sizes in groups.items()
        for size, systems in sizes.items()
        if any(f"student-{loss}" in systems for loss in LOSSES)
    }
    rows = []
    for loss in LOSSES:
        name, row, everywhere = f"student-{loss}", [LOSS_NAMES[loss]], []
        for systems in cells.values():
            values = paired(systems.get(name, []), systems["student"])
            row.append(gained(values)[0] if values else "")
            everywhere += values
        if everywhere:
            rows.append([*row, *gained(everywhere), str(len(everywhere))])
    header = [f"{NAMES[dataset]}, {count(dataset, size)}" for dataset, size in cells]
    return table(["loss", *header, "all", "95 % interval", "runs"], rows, 1)


def picture_of(dataset: str) -> str:
    """RETURNS (str): The file of a corpus's learning curves, beside the page."""
    return f"results-{dataset}.png"


def all_tables(groups: Groups, results: Store) -> str:
    """RETURNS (str): Every table of every corpus, and a place for its picture."""
    parts = []
    for dataset, sizes in groups.items():
        parts += [f"### {dataset}: all systems", scores_table(sizes)]
        if len(sizes) > 1:
            parts.append(f"![Learning curves of {dataset}]({picture_of(dataset)})")
        parts += [f"### {dataset}: gains", gains_table(sizes)]
        costs = costs_table(sizes, results.rates(dataset))
        if costs:
            parts += [f"### {dataset}: costs", costs]
        parts += [f"### {dataset}: by type", types_table(sizes)]
    return "\n\n".join(parts)


SECTIONS: Dict[str, Callable[[Groups, Store], str]] = {
    "tables": all_tables,
    "reached": reached_table,
    "expected": expected_table,
    "worth": worth_table,
    "kinds": kinds_table,
    "losses": losses_table,
    "teachers": teachers_table,
}
