"""The sections of the pages that tell what the runs of `low_resource.py` show."""

from statistics import mean
from typing import Callable, Dict, List, Optional

from low_resource_gains import Comparison, Runs, compare, cost, pair_of
from low_resource_store import Store
from low_resource_systems import OTHER_TEACHERS
from low_resource_tables import (
    Groups,
    between,
    corpus_of,
    costs_table,
    gained,
    gains_table,
    mean_of,
    scores_table,
    table,
    thousands,
    types_table,
)
from student_kinds import KINDS, LOSS_NAMES, LOSSES

# The package's own student first.
KIND_NAMES = {None: "LSTM-CNN-CRF, the package's", **KINDS}
# Learning curves, beside the page that has the section "reached".
PICTURE = "results-conll.png"
# What test F1 of CoNLL-2003's students is meant to be at least, and what is aimed at, by labels.
TARGETS = {
    150: (77.5, 81.0),
    300: (80.0, 84.0),
    750: (84.5, 87.0),
    1500: (86.5, 88.5),
    3000: (88.5, 90.0),
    14041: (90.3, 91.3),
}


def reached_table(groups: Groups, results: Store) -> str:
    """RETURNS (str): What was aimed at with CoNLL-2003, what was reached, and a picture."""
    rows = []
    for size, systems in groups.get("conll", {}).items():
        if "student" in systems and size in TARGETS:
            targets = [f"{target:.1f}" for target in TARGETS[size]]
            means = mean_of(systems, "student", "teacher", "gold-only", "spacy-silver")
            above = compare(systems, "student", "spacy-silver")
            gain = f"{mean(above.differences):+.1f}" if above else ""
            seeds = [str(len(systems["student"])), str(len(above.differences) if above else 0)]
            rows.append([f"{size:,}", *targets, *means, gain, *seeds])
    header = ["labeled", "at least", "aim", "student", "its teachers' average", "labels alone"]
    header += ["spaCy, silver", "student above spaCy", "seeds", "spaCy's"]
    return f"{table(header, rows, 0)}\n\n![F1 by the number of labels]({PICTURE})"


def expected_table(groups: Groups, results: Store) -> str:
    """RETURNS (str): What students of few labels reach with CoNLL-2003."""
    rows = [
        [f"{size:,}", *mean_of(systems, "student", "teacher", "gold-only")]
        for size, systems in groups.get("conll", {}).items()
        if "student" in systems
    ]
    header = ["labeled sentences", "student", "its teachers' average"]
    return table([*header, "student on the labels alone"], rows, 0)


def worth_table(groups: Groups, results: Store) -> str:
    """RETURNS (str): What the student gains by distillation, on each corpus."""
    rows = []
    for dataset, sizes in groups.items():
        for size, systems in sizes.items():
            found = compare(systems, "student", "gold-only")
            if found is None:
                continue
            drawn = results.bootstrap(f"{dataset}-{size}")
            row = [corpus_of(dataset, size), *gained(found.differences)]
            if drawn:
                seeds = ", ".join(map(str, drawn["seeds"]))
                bounds = between((drawn["low"], drawn["high"]))
                rows.append([*row, seeds, f"{drawn['value']:+.2f}", bounds])
            else:
                rows.append([*row, "", "", ""])
    header = ["corpus, labeled", "gain, F1", "95 %, seeds", "seeds"]
    return table([*header, "of seeds", "gain", "95 %, test sentences"], rows, 1)


def kinds_table(groups: Groups, results: Store) -> str:
    """RETURNS (str): What distillation gains and costs for students of several kinds, where others
    than the package's were trained."""
    rows = []
    for dataset, sizes in groups.items():
        rates = results.rates(dataset)
        for size, systems in sizes.items():
            found = {kind: compare(systems, *pair_of(kind)) for kind in KIND_NAMES}
            if any(found[kind] for kind in KINDS):
                names = {kind: [corpus_of(dataset, size), KIND_NAMES[kind]] for kind in found}
                rows += [
                    [*names[kind], *kind_row(of_kind, systems, kind, rates)]
                    for kind, of_kind in found.items()
                    if of_kind is not None
                ]
    header = ["corpus, labeled", "student", "labels alone", "distilled", "gain, F1"]
    header += ["95 % interval", "seeds", "words/s", "paid back with the teachers, thousand words"]
    return table(header, rows, 2)


def kind_row(
    found: Comparison, systems: Runs, kind: Optional[str], rates: Dict[str, float]
) -> List[str]:
    """RETURNS (List[str]): F1 without and with teachers, the gain, the speed, and when all that
    training took is paid back."""
    student, _ = pair_of(kind)
    row = [f"{found.other:.1f}", f"{found.f1:.1f}", *gained(found.differences)]
    row.append(f"{rates[student]:,.0f}" if student in rates else "")
    whole = cost(systems, rates, student)
    if whole is None:
        return [*row, ""]
    return [*row, thousands(whole.all_paid_back) if found.f1 > found.other else "no gain"]


def teachers_table(groups: Groups, results: Store) -> str:
    """RETURNS (str): Test F1 of students of other teachers than the four, beside those of the four
    and those on the labels alone, of the same seeds."""
    rows = []
    for dataset, sizes in groups.items():
        for size, systems in sizes.items():
            for name, teachers in OTHER_TEACHERS.items():
                beside_four = compare(systems, name, "student")
                beside_none = compare(systems, name, "gold-only")
                if beside_four is not None and beside_none is not None:
                    values = (beside_four.f1, beside_four.other, beside_none.other)
                    row = [corpus_of(dataset, size), teachers, *(f"{f1:.2f}" for f1 in values)]
                    rows.append([*row, str(len(beside_four.differences))])
    header = ["corpus, labeled", "taught by", "test F1", "taught by the four", "labels alone"]
    return table([*header, "seeds"], rows, 2)


def losses_table(groups: Groups, results: Store) -> str:
    """RETURNS (str): How much better or worse than the default each loss is, everywhere it was
    tried."""
    cells = {
        (dataset, size): systems
        for dataset, sizes in groups.items()
        for size, systems in sizes.items()
        if any(f"student-{loss}" in systems for loss in LOSSES)
    }
    rows = []
    for loss in LOSSES:
        name, row = f"student-{loss}", [LOSS_NAMES[loss]]
        for systems in cells.values():
            found = compare(systems, name, "student")
            row.append(f"{mean(found.differences):+.2f}" if found else "")
        if any(row[1:]):
            rows.append(row)
    return table(["loss", *(corpus_of(*cell) for cell in cells)], rows, 1)


def all_tables(groups: Groups, results: Store) -> str:
    """RETURNS (str): Every table of every corpus."""
    parts = []
    for dataset, sizes in groups.items():
        parts += [f"### {dataset}: all systems", scores_table(sizes)]
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
