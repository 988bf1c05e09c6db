"""Whether a student's confidences are right, and what they cost:

python -m benchmarks.confidence.reliability benchmarks/runs/conll-150/seed0 \\
    benchmarks/runs/conll-750/seed0 --picture docs/confidence.png --output docs/confidence.json

Each folder is a cell of the low-resource benchmark. A temperature is fitted to its development set;
errors are those of its test set. Costs are processor seconds of `nlp.pipe` on the test set's texts,
all settings in turn, medians of the rounds' ratios to a student without confidences.
"""

import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Dict, List, Optional, Tuple

import spacy
import typer
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.training import Corpus
from wasabi import msg

from benchmarks.commands import provenance, write_json
from spacy_distill.evaluation import Reliability, entity_reliability, with_predictions
from spacy_distill.training.calibrate import calibrate

SETTINGS: Dict[str, Dict[str, Any]] = {
    "neither": {},
    "confidence": {"confidence": True},
    "spans of 0.5": {"spans_key": "sc"},
    "spans of 0.1": {"spans_key": "sc", "threshold": 0.1},
    "confidence and spans of 0.1": {"confidence": True, "spans_key": "sc", "threshold": 0.1},
}

BATCHES = (1, 128)
# Bins with fewer entities are not drawn.
LEAST_DRAWN = 10


def load(model: Path, **settings: Any) -> Language:
    """Load a student with settings of its component."""
    return spacy.load(model, config={"components": {"ner_student": settings}})


def measure(nlp: Language, path: Path) -> Tuple[Reliability, float]:
    """Measure the reliability of a student's confidences, and its F1."""
    examples = with_predictions(nlp, Corpus(path)(nlp))
    return entity_reliability(examples), get_ner_prf(examples)["ents_f"]


def costs(model: Path, texts: List[str], rounds: int, batch_size: int) -> Dict[str, List[float]]:
    """Measure the processor seconds of each setting in each round, after a warm-up round."""
    students = {name: load(model, **settings) for name, settings in SETTINGS.items()}
    seconds: Dict[str, List[float]] = {name: [] for name in SETTINGS}
    for number in range(rounds + 1):
        for name, nlp in students.items():
            start = time.process_time()
            for _ in nlp.pipe(texts, batch_size=batch_size):
                pass
            if number:
                seconds[name].append(time.process_time() - start)
    return seconds


def draw(pairs: Dict[str, Tuple[Reliability, Reliability]], path: Path) -> None:
    """Draw accuracy against confidence, before and after calibration."""
    from matplotlib.figure import Figure

    columns = min(len(pairs), 3)
    rows = -(-len(pairs) // columns)
    size = (3.2 * columns, 3.6 * rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis in axes.flat[len(pairs) :]:
        axis.remove()
    for axis, (name, pair) in zip(axes.flat, pairs.items(), strict=False):
        axis.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        for found, label in zip(pair, ("as trained", "calibrated"), strict=True):
            filled = found.counts >= LEAST_DRAWN
            error = found.expected_calibration_error
            axis.plot(
                found.confidence[filled],
                found.accuracy[filled],
                marker="o",
                markersize=4,
                label=f"{label}: {error:.3f}",
            )
        axis.set(title=name, xlabel="confidence", xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axis.legend(title="calibration error", loc="upper left", fontsize=8, title_fontsize=8)
    for row in axes:
        row[0].set_ylabel("right")
    figure.savefig(path, dpi=150)


def main(
    cells: Annotated[List[Path], typer.Argument(help="Folders of cells")],
    system: Annotated[str, typer.Option(help="Name of the student in each cell")] = "student",
    rounds: Annotated[int, typer.Option(help="Rounds of timing; 0 for none")] = 7,
    picture: Annotated[Path, typer.Option(help="File for the picture of the reliability")] = Path(
        "reliability.png"
    ),
    output: Annotated[Optional[Path], typer.Option(help="JSON file for all results")] = None,
) -> None:
    """Measure and print tables."""
    pairs: Dict[str, Tuple[Reliability, Reliability]] = {}
    rows: List[Tuple[str, ...]] = []
    results: Dict[str, Any] = {"cells": {}}
    for cell in cells:
        model = cell / system / "model-best"
        nlp = load(model, confidence=True)
        nlp.get_pipe("ner_student").cfg["temperature"] = 1.0  # type: ignore[attr-defined]
        before, f1 = measure(nlp, cell / "corpus" / "test.spacy")
        temperature = calibrate(nlp, Corpus(cell / "corpus" / "dev.spacy")(nlp))
        after, f1_after = measure(nlp, cell / "corpus" / "test.spacy")
        assert f1 == f1_after, "A temperature has changed entities"
        name = f"{cell.parent.name}, {cell.name}"
        pairs[name] = before, after
        errors = [f"{found.expected_calibration_error:.3f}" for found in (before, after)]
        rows.append((name, f"{100 * f1:.2f}", f"{temperature:.2f}", *errors))
        results["cells"][name] = {
            "f1": f1,
            "temperature": temperature,
            "error": before.expected_calibration_error,
            "calibrated": after.expected_calibration_error,
        }
    header = ("cell", "test F1", "temperature", "error before", "after")
    msg.table(rows, header=header, divider=True, aligns=("l", *["r"] * 4))
    draw(pairs, picture)
    if rounds:
        model = cells[0] / system / "model-best"
        texts = [example.text for example in Corpus(cells[0] / "corpus" / "test.spacy")(nlp)]
        ratios: Dict[str, Dict[str, float]] = {name: {} for name in SETTINGS}
        for batch_size in BATCHES:
            seconds = costs(model, texts, rounds, batch_size)
            usual = seconds["neither"]
            for name, found in seconds.items():
                each = (mine / other for mine, other in zip(found, usual, strict=True))
                ratios[name][str(batch_size)] = median(each)
        times = [(name, *(f"{x:.2f}" for x in found.values())) for name, found in ratios.items()]
        columns = ("setting", *(f"batches of {size}" for size in BATCHES))
        msg.table(times, header=columns, divider=True, aligns=("l", *["r"] * len(BATCHES)))
        results["time"] = ratios
    if output:
        write_json(output, {**results, "made_with": provenance()})


if __name__ == "__main__":
    typer.run(main)
