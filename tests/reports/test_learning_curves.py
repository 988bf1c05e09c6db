import json

import pytest

from spacy_distill.reports.learning_curves import read_runs


def line(step, f1, **more):
    scores = {"ents_f": f1, **more}
    return json.dumps({"step": step, "seconds": step / 10, "score": 0.5, "scores": scores})


def test_runs_are_read_and_named(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "log.jsonl").write_text(f"{line(10, 0.2)}\n{line(20, None)}\n")
    (tmp_path / "other.jsonl").write_text(line(5, 0.1))
    paths = [tmp_path / "a" / "log.jsonl", tmp_path / "b" / "log.jsonl", tmp_path / "other.jsonl"]
    first, second, third = read_runs(paths)
    # Without an F1, the curve has the training's final score.
    assert first == {"name": "a/log", "steps": [10, 20], "seconds": [1, 2], "f1": [0.2, 0.5]}
    assert second["name"] == "b/log" and third["name"] == "other"


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        '{"step": 1}',
        "[1]",
        '{"step": "x", "seconds": 1}',
        '{"step": 1, "seconds": 1, "score": 0.5, "scores": null}',
        '{"step": 1, "seconds": 1, "score": 0.5, "scores": [0.5]}',
        '{"step": 1, "seconds": 1, "score": NaN, "scores": {}}',
        '{"step": 1, "seconds": 1, "score": 0.5, "scores": {"ents_f": Infinity}}',
        '{"step": 1, "seconds": 1e999, "score": 0.5, "scores": {}}',
        '{"step": 1e999, "seconds": 1, "score": 0.5, "scores": {}}',
    ],
)
def test_files_that_are_no_logs_are_named(tmp_path, text):
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(ValueError, match=r"x\.jsonl is no log of training: expected"):
        read_runs([tmp_path / "x.jsonl"])


def test_an_empty_log_is_named(tmp_path):
    (tmp_path / "x.jsonl").write_text("\n")
    with pytest.raises(ValueError, match="no evaluation in it yet"):
        read_runs([tmp_path / "x.jsonl"])
