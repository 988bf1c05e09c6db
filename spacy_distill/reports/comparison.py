"""The content of a report: a student, its teacher and a baseline, compared on a test set."""

import platform
import sys
from collections import Counter
from datetime import datetime, timezone
from importlib.metadata import version
from statistics import median
from typing import IO, Any, Dict, List, Mapping, Optional, Sequence

import numpy
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from ..evaluation.bootstrap import Bootstrap, Sums, paired_difference, score_intervals
from ..evaluation.entity_counts import count_entities, labels_in, require_entities
from ..evaluation.reliability import entity_reliability, with_predictions
from ..evaluation.speed import LEAST_SECONDS, hardware, holds_one_thread, speeds
from ..evaluation.systems import System
from ..pipeline.confidences import EVALUATION_ATTR, with_confidences
from ..progress import ProgressBar
from .disagreements import disagreements, entities_of, errors
from .notes import notes_on

# The version of the layout of report.json.
FORMAT = 1
SHOWN = 50


def compare(
    systems: Sequence[System],
    corpora: Sequence[List[Example]],
    *,
    data: str,
    runs: Sequence[Mapping[str, Any]] = (),
    rounds: int = 3,
    resamples: int = 1000,
    seed: int = 0,
    shown: int = SHOWN,
    stderr: IO = sys.stderr,
) -> Dict[str, Any]:
    """Compare systems on a test set.

    systems (Sequence[System]): The student, and its teacher and a baseline if there are any.
    corpora (Sequence[List[Example]]): The test set for each system, in the system's vocabulary.
    data (str): A description of the test set.
    runs (Sequence[Mapping[str, Any]]): Learning curves, from `read_runs`.
    rounds (int): Number of passes of each system to measure its speed; 0 to leave speed out.
    resamples (int): Number of draws of the bootstrap.
    seed (int): Seed of the bootstrap.
    shown (int): Maximum number of disagreements to write out.
    stderr (IO): Stream for the progress bars.
    RETURNS (Dict[str, Any]): The content of report.json; docs/report.md explains its keys.
    RAISES (ValueError): The test set has no entities.
    """
    gold = [example.reference for example in corpora[0]]
    require_entities(gold, data)
    predicted = _predict(systems, corpora, gold, stderr)
    labels = labels_in(*predicted.values())
    bootstrap = Bootstrap(len(gold), resamples=resamples, seed=seed)
    counts = [count_entities(examples, labels) for examples in predicted.values()]
    sums = bootstrap.sums(numpy.stack(counts, axis=1))
    passes = _measure_speed(systems, gold, rounds, stderr)
    entities = {
        role: [entities_of(example.predicted) for example in examples]
        for role, examples in predicted.items()
    }
    disagreed = None
    if "teacher" in entities:
        disagreed = disagreements(entities["student"], entities["teacher"], gold, labels, shown)
    report: Dict[str, Any] = {
        **_describe_run(),
        "data": {"name": data, **_describe_data(gold)},
        "labels": list(labels),
        "bootstrap": {
            "resamples": resamples,
            "seed": seed,
            "level": bootstrap.level,
            "unit": "documents",
        },
        "systems": [
            {
                **system.describe(),
                **_describe_predictions(predicted[system.role], sums[number], labels, bootstrap),
                **_describe_speed(passes.get(system.role)),
            }
            for number, system in enumerate(systems)
        ],
        "differences": [
            {"to": role, **_differences(sums[0], sums[number], labels, bootstrap)}
            for number, role in enumerate(predicted)
            if number
        ],
        "speed": {"rounds": rounds, "clock": "processor time", "one_thread": holds_one_thread()},
        "errors": {role: errors(found, gold, labels) for role, found in entities.items()},
        "disagreements": disagreed,
        "runs": [dict(run) for run in runs],
    }
    return {**report, "notes": notes_on(report)}


def _predict(
    systems: Sequence[System],
    corpora: Sequence[List[Example]],
    gold: Sequence[Doc],
    stderr: IO,
) -> Dict[str, List[Example]]:
    """Let each system predict the test set with confidences; return the examples by role."""
    predicted: Dict[str, List[Example]] = {}
    for system, examples in zip(systems, corpora, strict=True):
        _require_same_texts(system, examples, gold)
        with (
            ProgressBar(desc=f"Read: {system.role}", total=len(gold), stream=stderr) as bar,
            with_confidences(system.nlp),
        ):
            predicted[system.role] = with_predictions(system.nlp, examples, bar.update)
    return predicted


def _require_same_texts(system: System, examples: Sequence[Example], gold: Sequence[Doc]) -> None:
    for example, doc in zip(examples, gold, strict=True):
        if example.predicted.text != doc.text:
            raise ValueError(
                f"[D512] The tokenizer of the {system.role} '{system.source}' changes the text "
                f"{doc.text[:40]!r} to {example.predicted.text[:40]!r}, so entities cannot be "
                "compared. Correct the tokenizer."
            )


def _describe_run() -> Dict[str, Any]:
    return {
        "format": FORMAT,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "made_with": {
            "spacy-distill": version("spacy-distill"),
            "spacy": spacy.__version__,
            "python": platform.python_version(),
        },
        "hardware": hardware(),
    }


def _describe_data(gold: Sequence[Doc]) -> Dict[str, Any]:
    unknown = [int((doc.to_array("ENT_IOB") == 0).sum()) for doc in gold]
    per_label = Counter(span.label_ for doc in gold for span in doc.ents)
    return {
        "documents": len(gold),
        "words": sum(len(doc) for doc in gold),
        "unannotated_documents": sum(n == len(doc) for n, doc in zip(unknown, gold, strict=True)),
        "unannotated_words": sum(unknown),
        "entities": sum(per_label.values()),
        "entities_per_label": dict(sorted(per_label.items())),
    }


def _describe_predictions(
    examples: Sequence[Example], sums: Sums, labels: Sequence[str], bootstrap: Bootstrap
) -> Dict[str, Any]:
    """Describe the scores and the calibration of a system's predictions."""
    n_predicted = Counter(span.label_ for example in examples for span in example.predicted.ents)
    return {
        "scores": score_intervals(sums.summed(), bootstrap),
        "per_label": {
            label: {**score_intervals(sums[column], bootstrap), "predicted": n_predicted[label]}
            for column, label in enumerate(labels)
        },
        "calibration": _calibration(examples),
    }


def _differences(
    first: Sums, second: Sums, labels: Sequence[str], bootstrap: Bootstrap
) -> Dict[str, Any]:
    """Compute the F1 of the first system minus that of the second, in all and by label."""
    return {
        "f1": paired_difference(first.summed(), second.summed(), bootstrap),
        "per_label": {
            label: paired_difference(first[column], second[column], bootstrap)
            for column, label in enumerate(labels)
        },
    }


def _calibration(examples: Sequence[Example]) -> Any:
    found = entity_reliability(examples, attr=EVALUATION_ATTR)
    if not found.counts.any():
        return None
    return {
        "error": found.expected_calibration_error,
        "counts": found.counts.tolist(),
        "confidence": found.confidence.tolist(),
        "accuracy": found.accuracy.tolist(),
    }


def _measure_speed(
    systems: Sequence[System], gold: Sequence[Doc], rounds: int, stderr: IO
) -> Dict[str, List[float]]:
    """Measure the words per second of each pass over the test set, by role. Without rounds, return
    an empty dictionary."""
    if not rounds:
        return {}
    pipelines = {system.role: system.nlp for system in systems}
    texts = [doc.text for doc in gold]
    total = rounds * len(systems)
    with ProgressBar(desc="Speed", total=total, unit="run", stream=stderr) as bar:
        return speeds(
            pipelines, texts, rounds=rounds, least_seconds=LEAST_SECONDS, advance=bar.update
        )


def _describe_speed(passes: Optional[List[float]]) -> Dict[str, Any]:
    return {
        "words_per_second": median(passes) if passes else None,
        "words_per_second_of_passes": passes,
    }
