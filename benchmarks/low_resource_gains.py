"""What distillation gains and what it costs, out of the runs that `low_resource.py` has stored."""

from statistics import mean, stdev
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from low_resource_systems import SYSTEMS, system_of
from scipy.stats import t as student_t
from student_kinds import LOSSES

Run = Dict[str, Any]
# Whom the student, other students and their teachers are compared with.
OTHERS = ("gold-only", "teacher", "spacy-silver", "spacy-gold")
OF_OTHERS = ("student", "gold-only")
OF_TEACHERS = {"teacher": ("gold-only", "joined-0"), "joined-0": ("gold-only",)}
CONFIDENCE = 0.95


class Gain(NamedTuple):
    """A system against another one.

    system, other (str): Their names.
    values (List[float]): By how much test F1 of the first is above the other's, for each seed that
        both have.
    """

    system: str
    other: str
    values: List[float]


class Cost(NamedTuple):
    """What a student costs, in seconds of the processor, and what that is worth.

    training (float): Training all its teachers.
    reading (float): The transformer's reading of the sentences without labels, once.
    distilling (float): Training the student.
    paid_back (float): Words after which reading with the student in place of one teacher has saved
        the seconds of reading and distilling.
    all_paid_back (float): The same of all seconds.
    """

    training: float
    reading: float
    distilling: float
    paid_back: float
    all_paid_back: float


def gains(systems: Dict[str, List[Run]]) -> List[Gain]:
    """RETURNS (List[Gain]): Each student, and its teachers, against others of the same corpus and
    number of labels."""
    found = [
        Gain(name, other, paired(systems[name], systems[other]))
        for name in systems
        for other in compared_with(name)
        if other in systems
    ]
    return [gain for gain in found if gain.values]


def compared_with(name: str) -> Sequence[str]:
    """RETURNS (Sequence[str]): The systems that one is compared with."""
    base, _, variant = name.partition("@")
    if variant:
        return (base,)
    if not name.startswith("student"):
        return OF_TEACHERS.get(name, ())
    kind = system_of(name).kind
    if kind is not None:
        return ("student",) if kind in LOSSES else (f"gold-only-{kind}",)
    return OTHERS if name == "student" else OF_OTHERS


def paired(runs: Sequence[Run], others: Sequence[Run]) -> List[float]:
    """RETURNS (List[float]): Differences of test F1 of runs with the same seed."""
    theirs = {run["seed"]: run["scores"]["test"]["f"] for run in others}
    return [
        run["scores"]["test"]["f"] - theirs[run["seed"]] for run in runs if run["seed"] in theirs
    ]


def interval(values: Sequence[float]) -> Optional[Tuple[float, float]]:
    """RETURNS (Optional[Tuple[float, float]]): The confidence interval of the mean, by Student's t;
    None for fewer than two values."""
    if len(values) < 2:
        return None
    quantile = student_t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    half = quantile * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def cost(
    systems: Dict[str, List[Run]], rates: Dict[str, float], student: str = "student"
) -> Optional[Cost]:
    """Add up what a student costs.

    systems (Dict[str, List[Run]]): Runs by system, of one corpus and number of labels.
    rates (Dict[str, float]): Words a second by system, without what was said of a text before.
    student (str): The student, by its system's name.
    RETURNS (Optional[Cost]): The cost; None if a system has no run or no rate.
    """
    members = SYSTEMS["teacher"].needs
    if not {*members, student} <= systems.keys() or not {"joined-0", student} <= rates.keys():
        return None

    def seconds(name: str) -> float:
        return mean(run["cost"]["processor_seconds"] for run in systems[name])

    sizes = systems[student][0]["sizes"]
    reading = sizes["unlabeled"][1] / rates["joined-0"]
    training, distilling = sum(map(seconds, members)), seconds(student)
    saved = 1 / rates["joined-0"] - 1 / rates[student]
    return Cost(
        training,
        reading,
        distilling,
        (reading + distilling) / saved,
        (training + reading + distilling) / saved,
    )
