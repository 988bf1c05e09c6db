"""Gains and costs of distillation, from stored runs."""

from math import inf
from statistics import mean, stdev
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from scipy.stats import t as student_t

Run = Dict[str, Any]
# Runs by system, of one corpus and number of labels.
Runs = Dict[str, List[Run]]
TEACHER = "teacher"
CONFIDENCE = 0.95
# With two seeds, the interval of Student's t is too wide to be useful.
FEWEST_SEEDS = 3


class Comparison(NamedTuple):
    """The scores of two systems, for the seeds that both have.

    f1, other (float): Their mean test F1, in percent.
    differences (List[float]): Of each seed.
    """

    f1: float
    other: float
    differences: List[float]


class Cost(NamedTuple):
    """The cost of a student in processor seconds, and when it is paid back.

    training (float): Training its teacher.
    reading (float): The transformer's reading of the sentences without labels, once.
    distilling (float): Training the student.
    paid_back (float): Words after which reading with the student in place of its teacher has saved
        the seconds of reading and distilling; infinite if the student reads no faster.
    all_paid_back (float): The same of all seconds.
    """

    training: float
    reading: float
    distilling: float
    paid_back: float
    all_paid_back: float


def best_model(run: Run) -> float:
    """Find the test F1, in percent, of the model that the development set selected."""
    return run["scores"]["test"]["f"]


def last_model(run: Run) -> float:
    """Find the test F1, in percent, of the model at the end of the training."""
    return run["last"]["test"]["f"]


def compare(
    systems: Runs, name: str, other: str, of: Callable[[Run], float] = best_model
) -> Optional[Comparison]:
    """Compare two systems by the test F1 of their runs; return None if they have no seed in
    common."""
    f1, theirs = (
        {run["seed"]: of(run) for run in systems.get(system, [])} for system in (name, other)
    )
    seeds = sorted(f1.keys() & theirs.keys())
    if not seeds:
        return None
    differences = [f1[seed] - theirs[seed] for seed in seeds]
    return Comparison(mean(f1[s] for s in seeds), mean(theirs[s] for s in seeds), differences)


def cost_ratios(systems: Runs, name: str, other: str) -> List[float]:
    """Compute how many times the processor seconds of another system a system takes, for each seed
    that both have trained with the same code, and so on the same machine."""
    seconds = [
        {
            (run["seed"], run["made_with"]["code"]): run["cost"]["processor_seconds"]
            for run in systems.get(system, [])
        }
        for system in (name, other)
    ]
    return [seconds[0][key] / seconds[1][key] for key in seconds[0] if key in seconds[1]]


def pair_of(kind: Optional[str]) -> Tuple[str, str]:
    """Name the distilled and the gold-only system of a kind of student; None for the package's
    own kind."""
    return ("student", "gold-only") if kind is None else (f"student-{kind}", f"gold-only-{kind}")


def interval(values: Sequence[float]) -> Optional[Tuple[float, float]]:
    """Compute the confidence interval of the mean by Student's t; None for fewer than
    FEWEST_SEEDS values."""
    if len(values) < FEWEST_SEEDS:
        return None
    quantile = student_t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    half = quantile * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def cost(systems: Runs, rates: Dict[str, float], student: str = "student") -> Optional[Cost]:
    """Compute the cost of a student.

    systems (Runs): Runs by system, of one corpus and number of labels.
    rates (Dict[str, float]): Words a second by system, with nothing known of the text before.
    student (str): The student, by its system's name.
    RETURNS (Optional[Cost]): The cost; None if a system has no run or no rate.
    """
    if not {TEACHER, student} <= systems.keys() or not {TEACHER, student} <= rates.keys():
        return None

    def seconds(name: str) -> float:
        return mean(run["cost"]["processor_seconds"] for run in systems[name])

    sizes = systems[student][0]["sizes"]
    reading = sizes["unlabeled"][1] / rates[TEACHER]
    training, distilling = seconds(TEACHER), seconds(student)
    saved = 1 / rates[TEACHER] - 1 / rates[student]

    def words(seconds: float) -> float:
        return seconds / saved if saved > 0 else inf

    once = reading + distilling
    return Cost(training, reading, distilling, words(once), words(training + once))
