"""The tables of the low-resource benchmark's pages, from stored runs."""

from statistics import mean
from typing import Callable, Dict, List, Optional, Sequence

from benchmarks.low_resource.curves import learning_rows
from benchmarks.low_resource.gains import (
    TEACHER,
    Comparison,
    Runs,
    best_model,
    compare,
    cost,
    cost_ratios,
    last_model,
    pair_of,
)
from benchmarks.low_resource.kinds import KINDS, LOSS_NAMES, LOSSES
from benchmarks.low_resource.store import Store
from benchmarks.low_resource.systems import METHODS, OTHER_TEACHERS, WAYS, system_of
from benchmarks.low_resource.tables import (
    NAMES,
    Groups,
    corpus_of,
    gained,
    mean_of,
    of_shared_seeds,
    scores_table,
    thousands,
)
from benchmarks.pages import table

# The package's own student first.
KIND_NAMES: Dict[Optional[str], str] = {None: "LSTM-CNN-CRF, the package's"}
KIND_NAMES.update(KINDS.items())
# The systems of the main tables.
MAIN = ("teacher", "student", "gold-only")
# The systems that the student is compared with.
COMPARED_WITH = {
    "gold-only": "labels alone",
    "teacher": "its teacher",
    "spacy-silver": "spaCy's `ner`, silver data",
    "spacy-silver-wide": "the same, twice as wide",
    "student-hash-cnn": "distilled `HashEmbedCNN`",
    "spacy-gold": "spaCy's `ner`, labels alone",
    "transformer": "fine-tuned transformer",
}
# Methods that are meant to save steps, and the steps whose development F1 is shown.
SAVE_STEPS = ("student-from-teacher", "student-states")
SHOWN_STEPS = (250, 500, 1000, 3000)
# Cross-view training without a teacher.
CROSS_VIEW = "cvt-self"
# spaCy's own ner, on the labels and its teacher's entities.
SILVER = "spacy-silver"
# Watts of a busy core, where the machine does not tell its energy: about the thermal design power
# of a server's processor, by its cores.
WATTS = 5.0
# Learning curves, beside the page that has the section "reached".
PICTURE = "results-conll.png"


def reached_table(groups: Groups, results: Store) -> str:
    """Make the table of scores on CoNLL-2003, with a picture."""
    rows = []
    for size, systems in groups.get("conll", {}).items():
        shared = of_shared_seeds(systems, *MAIN)
        found = compare(shared, "student", "gold-only")
        if found is not None:
            rows.append([f"{size:,}", *mean_of(shared, *MAIN), *gained(found.differences)])
    header = ["labeled", "teacher", "student", "labels alone", "gain", "95 % interval", "seeds"]
    return f"{table(header, rows, 0)}\n\n![F1 by the number of labels]({PICTURE})"


def spacy_table(groups: Groups, results: Store) -> str:
    """Make the table of the student next to spaCy's own ner on silver data, on CoNLL-2003."""
    rows = []
    for size, systems in groups.get("conll", {}).items():
        shared = of_shared_seeds(systems, "student", SILVER)
        found = compare(shared, "student", SILVER)
        if found is not None:
            means = mean_of(shared, "student", SILVER)
            rows.append([f"{size:,}", *means, *gained(found.differences)])
    header = ["labeled", "student", "spaCy, silver", "difference", "95 % interval", "seeds"]
    return table(header, rows, 0)


def expected_table(groups: Groups, results: Store) -> str:
    """Make the table of scores by the number of labels, for CoNLL-2003."""
    rows = []
    for size, systems in groups.get("conll", {}).items():
        shared = of_shared_seeds(systems, *MAIN)
        if shared:
            rows.append([f"{size:,}", *mean_of(shared, "student", "teacher", "gold-only")])
    header = ["labeled sentences", "student", "its teacher"]
    return table([*header, "student on the labels alone"], rows, 0)


def others_table(groups: Groups, results: Store) -> str:
    """Make the table of the scores on all corpora but CoNLL-2003."""
    rows = []
    for dataset, sizes in groups.items():
        for size, systems in sizes.items():
            shared = of_shared_seeds(systems, *MAIN)
            found = compare(shared, "student", "gold-only")
            if dataset != "conll" and found is not None:
                means = mean_of(shared, *MAIN)
                rows.append([corpus_of(dataset, size), *means, *gained(found.differences)])
    header = ["corpus, labeled", "teacher", "student", "labels alone", "gain"]
    return table([*header, "95 % interval", "seeds"], rows, 1)


def without_dev_table(groups: Groups, results: Store) -> str:
    """Make the table of the last models, which need no development set, next to the best ones."""
    rows = []
    for dataset, sizes in groups.items():
        for size, systems in sizes.items():
            shared = of_shared_seeds(systems, "gold-only", "student")
            found = compare(shared, "student", "gold-only", last_model)
            if found is None:
                continue
            best, last = (
                mean_of(shared, "gold-only", "student", of=of) for of in (best_model, last_model)
            )
            rows.append([corpus_of(dataset, size), *best, *last, *gained(found.differences)])
    header = ["corpus, labeled", "labels alone, best", "student, best", "labels alone, last"]
    return table([*header, "student, last", "gain, last", "95 %, seeds", "seeds"], rows, 1)


def kinds_table(groups: Groups, results: Store) -> str:
    """Make the table of gains and costs for several kinds of students."""
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
    header += ["95 % interval", "seeds", "words/s", "paid back with the teacher, thousand words"]
    return table(header, rows, 2)


def kind_row(
    found: Comparison, systems: Runs, kind: Optional[str], rates: Dict[str, float]
) -> List[str]:
    """Make a row of F1 without and with teachers, gain, speed, and the words after which the
    training is paid back."""
    student, _ = pair_of(kind)
    row = [f"{found.other:.1f}", f"{found.f1:.1f}", *gained(found.differences)]
    row.append(f"{rates[student]:,.0f}" if student in rates else "")
    whole = cost(systems, rates, student)
    if whole is None:
        return [*row, ""]
    return [*row, thousands(whole.all_paid_back) if found.f1 > found.other else "no gain"]


def teachers_table(groups: Groups, results: Store) -> str:
    """Make the table of test F1 of students with other teachers, next to those of the usual
    teacher and of labels alone, for the same seeds."""
    rows = []
    for dataset, sizes in groups.items():
        for size, systems in sizes.items():
            for name, teachers in OTHER_TEACHERS.items():
                usual = compare(systems, name, "student")
                alone = compare(systems, name, "gold-only")
                if usual is not None and alone is not None:
                    values = (usual.f1, usual.other, alone.other)
                    row = [corpus_of(dataset, size), teachers, *(f"{f1:.2f}" for f1 in values)]
                    rows.append([*row, str(len(usual.differences))])
    header = ["corpus, labeled", "taught by", "test F1", "by the usual teacher", "labels alone"]
    return table([*header, "seeds"], rows, 2)


def methods_table(groups: Groups, results: Store) -> str:
    """Make the table of other methods next to the plain distilled student, on CoNLL-2003:
    advice, the difference of F1, the processor seconds of the trainings and of a prediction."""
    sizes, rates = groups.get("conll", {}), results.rates("conll")
    columns = [size for size, systems in sizes.items() if METHODS.keys() & systems.keys()]
    rows = []
    for name, method in METHODS.items():
        found = {size: compare(sizes[size], name, "student") for size in columns}
        if not any(found.values()):
            continue
        cells = [in_one_cell(one.differences) if one else "" for one in found.values()]
        ratios = [training_ratio(sizes[size], name) for size in columns]
        known = [ratio for ratio in ratios if ratio is not None]
        training = f"{mean(known):.1f}" if known else ""
        # Without another encoder, students differ in their numbers alone.
        prediction = "" if system_of(name).kind in KINDS else "1.0"
        if name in rates:
            prediction = f"{rates['student'] / rates[name]:.1f}"
        rows.append([method.link, method.advice, *cells, training, prediction])
    header = ["method", "advice", *(f"{size:,} labels" for size in columns)]
    return table([*header, "times the training", "times the prediction"], rows, 2)


def training_ratio(systems: Runs, name: str) -> Optional[float]:
    """Compute how many times the training of the plain student a method takes, with what it needs
    next to one teacher; None if some of it was not trained with the same code."""
    needs = system_of(name).needs
    more = [other for other in needs if other != TEACHER] if TEACHER in needs else []
    ratios = [cost_ratios(systems, one, "student") for one in (name, *more)]
    return sum(map(mean, ratios)) if all(ratios) else None


def in_one_cell(differences: Sequence[float]) -> str:
    """Format the mean of differences of F1, with its confidence interval and their number."""
    gain, bounds, seeds = gained(differences)
    return f"{gain} ({bounds}; {seeds})" if bounds else f"{gain} ({seeds})"


def learning_table(groups: Groups, results: Store) -> str:
    """Make the table of how fast students learn with other methods, on CoNLL-2003."""
    names = {"student": "the default student"}
    names |= {name: METHODS[name].link for name in SAVE_STEPS}
    rows = []
    for size, systems in groups.get("conll", {}).items():
        found = {name: systems[name] for name in names if name in systems}
        if "student" in found:
            rows += [[f"{size:,}", *row] for row in learning_rows(found, names, SHOWN_STEPS)]
    header = ["labeled", "method", *(f"{step:,} steps" for step in SHOWN_STEPS)]
    return table([*header, "taught after", "seeds"], rows, 2)


def ways_table(groups: Groups, results: Store) -> str:
    """Make the table of ways with and without a transformer, on CoNLL-2003, where cross-view
    training was measured: test F1, and costs of all trainings that a way needs."""
    rows = []
    for size, systems in groups.get("conll", {}).items():
        shared = of_shared_seeds(systems, *(name for name in WAYS if name in systems))
        if CROSS_VIEW not in shared:
            continue
        for name, runs in shared.items():
            seconds = whole_seconds(shared, results.rates("conll"), name)
            costs = ["", ""]
            if seconds is not None:
                costs = [f"{seconds / 60:.0f}", f"{seconds * WATTS / 3600:.1f}"]
            row = [f"{size:,}", WAYS[name], *mean_of(shared, name), *costs]
            rows.append([*row, str(len(runs))])
    header = ["labeled", "way", "test F1", "processor minutes", "Wh, estimated", "seeds"]
    return table(header, rows, 2)


def whole_seconds(systems: Runs, rates: Dict[str, float], name: str) -> Optional[float]:
    """Compute the processor seconds of a system and of those that it needs, with the frozen
    transformer's reading of the text; None if some are not known."""
    found = 0.0
    for other in (name, *system_of(name).needs):
        costs = [run["cost"]["processor_seconds"] for run in systems.get(other, [])]
        if not costs:
            return None
        found += mean(costs)
    if TEACHER in system_of(name).needs:
        if TEACHER not in rates:
            return None
        found += systems[name][0]["sizes"]["unlabeled"][1] / rates[TEACHER]
    return found


def losses_table(groups: Groups, results: Store) -> str:
    """Make the table of the differences of each loss to the default loss."""
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


def compared_table(groups: Groups, results: Store) -> str:
    """Make the table of the student's differences to its teacher and to other systems."""
    rows = []
    for dataset, sizes in groups.items():
        for size, systems in sizes.items():
            for other, name in COMPARED_WITH.items():
                found = compare(systems, "student", other)
                if found is not None:
                    rows.append([corpus_of(dataset, size), name, *gained(found.differences)])
    header = ["corpus, labeled", "compared with", "gain, F1", "95 %, seeds", "seeds"]
    return table(header, rows, 2)


def costs_table(groups: Groups, results: Store) -> str:
    """Make the table of a student's costs, and when these are paid back."""
    rows = []
    for dataset, sizes in groups.items():
        for size, systems in sizes.items():
            found = cost(systems, results.rates(dataset))
            beside = compare(systems, "student", "gold-only")
            if found is None or beside is None:
                continue
            seconds = (found.training, found.reading, found.distilling)
            paid = ["no gain", "no gain"]
            if beside.f1 > beside.other:
                paid = [thousands(found.paid_back), thousands(found.all_paid_back)]
            rows.append([corpus_of(dataset, size), *(f"{n:,.0f}" for n in seconds), *paid])
    header = ["corpus, labeled", "teacher, CPU s", "transformer's reading", "distilling"]
    return table([*header, "paid back, thousand words", "with the teacher"], rows, 1)


def all_tables(groups: Groups, results: Store) -> str:
    """Make the tables of all scores, one for each corpus."""
    return "\n\n".join(
        f"### {NAMES[dataset]}\n\n{scores_table(sizes)}" for dataset, sizes in groups.items()
    )


Section = Callable[[Groups, Store], str]
SECTIONS: Dict[str, Section] = {
    "tables": all_tables,
    "reached": reached_table,
    "expected": expected_table,
    "others": others_table,
    "without_dev": without_dev_table,
    "spacy": spacy_table,
    "compared": compared_table,
    "costs": costs_table,
    "kinds": kinds_table,
    "losses": losses_table,
    "ways": ways_table,
    "teachers": teachers_table,
    "methods": methods_table,
    "learning": learning_table,
}
