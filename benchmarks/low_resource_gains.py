"""What distillation gains and what it costs, out of the runs that `low_resource.py` has stored."""

from statistics import mean, stdev
from typing import Any, Dict, List, Optional, Sequence, Tuple

from low_resource_systems import SYSTEMS
from scipy.stats import t as student_t

Run = Dict[str, Any]
# Whom the student is compared with.
OTHERS = ("gold-only", "teacher", "spacy-silver", "spacy-gold")
CONFIDENCE = 0.95


def paired_gains(runs: Sequence[Run], others: Sequence[Run]) -> List[float]:
    """RETURNS (List[float]): By how much test F1 of runs is above that of others with the same
    seed, where both are there."""
    theirs = {run["seed"]: run["scores"]["test"]["f"] for run in others}
    return [
        run["scores"]["test"]["f"] - theirs[run["seed"]] for run in runs if run["seed"] in theirs
    ]


def interval(values: Sequence[float]) -> Optional[Tuple[float, float]]:
    """RETURNS (Optional[Tuple[float, float]]): The confidence interval of the mean, by Student's
    t; None for fewer than two values."""
    if len(values) < 2:
        return None
    half = student_t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def gains_rows(systems: Dict[str, List[Run]]) -> List[List[str]]:
    """RETURNS (List[List[str]]): For each student, and whom it is compared with: both names, the
    mean gain, its interval, and the seeds."""
    pairs = [("student", other) for other in OTHERS]
    pairs += [
        (name, f"gold-only-{SYSTEMS[name].kind}")
        for name in systems
        if name in SYSTEMS and SYSTEMS[name].kind and name.startswith("student")
    ]
    rows = []
    for name, other in pairs:
        gains = paired_gains(systems.get(name, ()), systems.get(other, ()))
        if not gains:
            continue
        found = interval(gains)
        between = f"{found[0]:+.2f} to {found[1]:+.2f}" if found else ""
        rows.append([name, other, f"{mean(gains):+.2f}", between, str(len(gains))])
    return rows


def cost_row(systems: Dict[str, List[Run]], rates: Dict[str, float]) -> Optional[List[str]]:
    """What a student costs, and after how many words that is saved.

    systems (Dict[str, List[Run]]): Runs by system, of one corpus and number of labels.
    rates (Dict[str, float]): Words per second by system, nothing of a text known before.
    RETURNS (Optional[List[str]]): CPU seconds of training the teachers, of their reading the
        unlabeled text and of distilling; and the thousands of words after which reading with the
        student in place of one teacher, and of all of them, has saved the latter two. None if a
        system has no run.
    """
    members = SYSTEMS["teacher"].needs
    if any(name not in systems for name in (*members, "student")):
        return None

    def cost(name: str) -> float:
        return mean(run["cost"]["processor_seconds"] for run in systems[name])

    n_words = mean(run["sizes"]["unlabeled"][1] for run in systems["student"])
    reading = n_words / rates["teacher"]
    saved = [1 / rates[name] - 1 / rates["student"] for name in ("joined-0", "teacher")]
    seconds = [sum(map(cost, members)), reading, cost("student")]
    paid_back = [(reading + cost("student")) / (1000 * each) for each in saved]
    return [f"{value:,.0f}" for value in (*seconds, *paid_back)]
