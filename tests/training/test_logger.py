"""The logger of JSON lines."""

import json

import pytest
import spacy
from spacy.training.loop import train

LOGGER = {"@loggers": "spacy-distill.JSONLLogger.v1"}
CONSOLE = {"@loggers": "spacy.ConsoleLogger.v1", "progress_bar": False}


def logged(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("other", [None, CONSOLE])
def test_each_evaluation_of_a_distillation_is_a_line(quietly, teacher, config, tmp_path, other):
    path = tmp_path / "logs" / "run.jsonl"
    training = {"eval_frequency": 4, "logger": {**LOGGER, "path": str(path), "logger": other}}
    quietly(teacher, config(training=training, distillation={"max_steps": 8}), tmp_path / "out")
    lines = logged(path)
    assert [line["step"] for line in lines] == [0, 4, 8]
    assert ("ENTS_F" in quietly.output) == (other is not None)
    for line in lines:
        losses = line["losses"]
        parts = losses["ner_student_task"] + losses["ner_student_distillation"]
        assert losses["ner_student"] == pytest.approx(parts) and parts > 0
        assert line["scores"]["ents_f"] == line["score"] and line["epoch"] >= 0
    assert lines[0]["words_per_second"] is None
    assert all(line["words_per_second"] > 0 for line in lines[1:])
    assert lines == sorted(lines, key=lambda line: line["seconds"])


def test_in_spacys_own_training(config, tmp_path):
    training = {
        "eval_frequency": 2,
        "max_steps": 4,
        "logger": {**LOGGER, "path": "", "logger": None},
    }
    training["logger"]["path"] = str(tmp_path / "run.jsonl")
    changed = config(training=training)
    changed["distillation"] = {}
    nlp = spacy.training.initialize.init_nlp(changed)
    train(nlp)
    assert [line["step"] for line in logged(tmp_path / "run.jsonl")] == [0, 2, 4]
