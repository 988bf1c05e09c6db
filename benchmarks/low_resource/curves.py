"""How fast students learn: their development F1 in the course of a training."""

from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

# Steps of a training, and F1 in percent.
Curve = Sequence[Tuple[int, float]]
# A student counts as taught when its F1 is so near to the plain student's best one.
NEAR = 0.5
STEP, F1 = "#", "ENTS_F"


def read_curve(log: Path) -> List[Tuple[int, float]]:
    """Read the evaluations of a training from the table of spaCy's console logger.

    log (Path): The output of `spacy train` or `spacy distill`.
    RETURNS (List[Tuple[int, float]]): Steps and F1 on the development set, in percent; empty if the
        log has no such table.
    """
    curve: List[Tuple[int, float]] = []
    places: Dict[str, slice] = {}
    before = ""
    for line in log.read_text(encoding="utf8").splitlines():
        if set(line) == {"-", " "}:  # under the names of the columns
            ends = [0, *(i for i, sign in enumerate(line) if line[i : i + 3] == "  -"), len(line)]
            columns = [slice(*pair) for pair in pairwise(ends)]
            places = {before[column].strip(): column for column in columns}
        elif {STEP, F1} <= places.keys():
            try:
                curve.append((int(line[places[STEP]]), float(line[places[F1]])))
            except ValueError:  # the table has ended
                break
        before = line
    return curve


def steps_until(curve: Curve, goal: float) -> Optional[int]:
    """Find the first evaluated step with an F1, or None if there is none."""
    return next((step for step, f1 in curve if f1 >= goal), None)


def learning_rows(
    runs: Mapping[str, Sequence[Dict[str, Any]]], names: Mapping[str, str], steps: Sequence[int]
) -> List[List[str]]:
    """Compare how fast systems learn, for the seeds of which all that have curves have one.

    runs (Mapping[str, Sequence[Dict[str, Any]]]): The runs of each system, the plain student's
        first.
    names (Mapping[str, str]): What the systems are called.
    steps (Sequence[int]): The steps to show the F1 of.
    RETURNS (List[List[str]]): A row for each system with curves: its name, its mean F1 at these
        steps, the mean number of steps until it is near to the plain student's best F1, and the
        number of seeds. Empty if there is nothing to compare the plain student with.
    """
    curves: Dict[str, Dict[int, Curve]] = {}
    for name, of_system in runs.items():
        known = {run["seed"]: run["curve"] for run in of_system if run.get("curve")}
        if known or not curves:
            curves[name] = known
    usual = next(iter(curves.values()))
    seeds = sorted(set(usual).intersection(*curves.values()))
    if len(curves) < 2 or not seeds:
        return []
    rows = []
    for name, of_seed in curves.items():
        of_steps = [dict(of_seed[seed]) for seed in seeds]
        at = [
            f"{mean(f1[step] for f1 in of_steps):.1f}" if all(step in f1 for f1 in of_steps) else ""
            for step in steps
        ]
        needed = [
            steps_until(of_seed[seed], max(f1 for _, f1 in usual[seed]) - NEAR) for seed in seeds
        ]
        reached = [n for n in needed if n is not None]
        after = f"{mean(reached):,.0f}" if len(reached) == len(seeds) else "not with all seeds"
        rows.append([names[name], *at, after, str(len(seeds))])
    return rows
