"""Curves are read from logs as spaCy writes them, and compared for the same seeds."""

from io import StringIO

import pytest
import spacy
from spacy.training.loggers import console_logger

from benchmarks.low_resource.curves import learning_rows, read_curve, steps_until

NAMES = {"student": "plain", "student-states": "states"}


def test_a_curve_is_read_from_the_log_of_a_training(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("ner", name="ner_with_a_long_name")
    nlp.config["training"]["score_weights"] = {"ents_f": 1.0, "ents_per_type": None}
    out = StringIO()
    log_step, _ = console_logger()(nlp, out, StringIO())
    for step, f1 in ((0, 0.015), (250, 0.8352), (1000, 1.0)):
        scores = {"ents_f": f1}
        log_step(
            {
                "epoch": step // 100,
                "step": step,
                "losses": {"ner_with_a_long_name": 12345.6},
                "other_scores": scores,
                "score": f1,
            }
        )
    log = tmp_path / "student.log"
    log.write_text("Teacher reads: 100%\n" + out.getvalue() + "Calibrate: 100%\n")
    assert read_curve(log) == [(0, 1.5), (250, 83.52), (1000, 100.0)]
    log.write_text("no table\n--- ---\n")
    assert read_curve(log) == []


def test_steps_until_a_goal():
    curve = [(0, 1.0), (250, 80.0), (500, 79.0)]
    assert steps_until(curve, 79.5) == 250
    assert steps_until(curve, 80.5) is None


def of_seeds(*curves):
    return [{"seed": seed, "curve": curve} for seed, curve in enumerate(curves) if curve]


def test_systems_are_compared_for_the_seeds_that_all_have():
    runs = {
        "student": of_seeds([(250, 80.0), (500, 82.0)], [(250, 70.0), (500, 70.0)], None),
        "student-states": of_seeds([(250, 81.5), (500, 81.0)], None, [(250, 10.0), (500, 10.0)]),
        "student-sru": [{"seed": 0}],
    }
    assert learning_rows(runs, NAMES, [250, 500]) == [
        ["plain", "80.0", "82.0", "500", "1"],
        ["states", "81.5", "81.0", "250", "1"],
    ]
    runs["student-states"][0]["curve"] = [(250, 60.0), (500, 61.0)]
    assert learning_rows(runs, NAMES, [500])[1][2] == "not with all seeds"


@pytest.mark.parametrize("missing", ["student", "student-states"])
def test_nothing_is_compared_without_curves(missing):
    runs = {name: of_seeds([(250, 80.0)]) for name in NAMES}
    runs[missing] = [{"seed": 0}]
    assert learning_rows(runs, NAMES, [250]) == []
