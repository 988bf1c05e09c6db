"""Compare trained pipelines on a test set: accuracy, size and speed, in one table:

python scripts/compare.py corpus/test.spacy metrics/comparison.json \
    --teacher training/teacher/model-best --baseline training/baseline/model-best \
    --student training/student/model-best
"""

import os

# One thread, so that speeds can be compared; libraries read this when they are imported.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import json
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Dict

import spacy
import typer
from spacy.language import Language
from spacy.training import Corpus
from wasabi import msg

from spacy_distill.evaluation import megabytes, parameters, speeds
from spacy_distill.progress import ProgressBar


def accuracy(nlp: Language, test: Path) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Strict precision, recall and F1, and F1 per type, in percent."""
    scores = nlp.evaluate(list(Corpus(test)(nlp)))
    per_type = scores["ents_per_type"] or {}
    return {
        "precision": 100 * scores["ents_p"],
        "recall": 100 * scores["ents_r"],
        "f1": 100 * scores["ents_f"],
        "f1_per_type": {label: 100 * per_type[label]["f"] for label in sorted(per_type)},
    }


def words_per_second(pipelines: Dict[str, Language], test: Path, rounds: int) -> Dict[str, float]:
    """Time the pipelines on the test set's raw text, in turn.

    pipelines (Dict[str, Language]): The pipelines.
    test (Path): A .spacy file.
    rounds (int): How often each one runs, after a warm-up.
    RETURNS (Dict[str, float]): Words per second of processor time by pipeline, the median of
        the rounds.
    """
    any_nlp = next(iter(pipelines.values()))
    texts = [example.reference.text for example in Corpus(test)(any_nlp)]
    with ProgressBar(desc="Speed", total=rounds * len(pipelines), unit="run") as bar:
        found = speeds(pipelines, texts, rounds=rounds, advance=bar.update)
    return {name: median(values) for name, values in found.items()}


def print_table(results: Dict[str, Dict[str, Any]]) -> None:
    """Print one row a pipeline, and the student's ratios to its teacher."""
    labels = sorted({label for row in results.values() for label in row["f1_per_type"]})
    rows = [
        (
            name,
            f"{row['f1']:.2f}",
            *(f"{row['f1_per_type'].get(label, 0.0):.2f}" for label in labels),
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['megabytes']:.1f}",
            f"{row['words_per_second']:,.0f}",
        )
        for name, row in results.items()
    ]
    header = ("pipeline", "F1", *labels, "parameters", "MB", "words/s")
    msg.table(rows, header=header, aligns=("l", *"r" * (len(header) - 1)), divider=True)
    teacher, baseline, student = (results[name] for name in ("teacher", "baseline", "student"))
    msg.text(
        f"Student and teacher: {student['f1'] - teacher['f1']:+.2f} F1, "
        f"{teacher['parameters'] / student['parameters']:.1f} times fewer parameters, "
        f"{teacher['megabytes'] / student['megabytes']:.1f} times smaller on disk, "
        f"{student['words_per_second'] / teacher['words_per_second']:.1f} times faster.\n"
        f"Student and gold-only baseline: {student['f1'] - baseline['f1']:+.2f} F1."
    )


def main(
    test: Annotated[Path, typer.Argument(help="Test set, a .spacy file", exists=True)],
    output: Annotated[Path, typer.Argument(help="JSON file for the results")],
    teacher: Annotated[Path, typer.Option(help="Teacher's folder", exists=True)],
    baseline: Annotated[Path, typer.Option(help="Gold-only student's folder", exists=True)],
    student: Annotated[Path, typer.Option(help="Distilled student's folder", exists=True)],
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of the speed measurement")] = 5,
) -> None:
    """Evaluate three pipelines, print a table and write it as JSON."""
    paths = {"teacher": teacher, "baseline": baseline, "student": student}
    loading = ProgressBar(paths.items(), desc="Load", unit="pipeline")
    pipelines = {name: spacy.load(path) for name, path in loading}
    results = {
        name: {
            **accuracy(nlp, test),
            "parameters": parameters(nlp),
            "megabytes": megabytes(paths[name]),
        }
        for name, nlp in ProgressBar(pipelines.items(), desc="Accuracy", unit="pipeline")
    }
    for name, speed in words_per_second(pipelines, test, rounds).items():
        results[name]["words_per_second"] = speed
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf8")
    print_table(results)


if __name__ == "__main__":
    typer.run(main)
