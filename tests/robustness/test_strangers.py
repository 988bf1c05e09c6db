"""Files with some bytes changed. `benchmarks/robustness` has the long run."""

import os

import pytest

from benchmarks.robustness import strangers

N_FILES = 300


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_changed_files_are_refused_with_an_error_of_the_package(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra: train)")
    (tmp_path / "valid").mkdir()
    result = strangers.run_all(tmp_path, range(N_FILES))
    assert not result["problems"] and not result["crashes"]
    ends = result["ended"].values()
    assert sum(sum(counts.values()) for counts in ends) == N_FILES
    assert sum(counts.get("refused", 0) for counts in ends) > N_FILES // 4
    assert sum(counts.get("fine", 0) for counts in ends) > 10


def test_cases_with_problems_can_be_run_again(tmp_path, monkeypatch):
    earlier = {
        "files": 5,
        "ended": {"student": {"fine": 3, "wrong": 1}, "input": {}},
        "crashes": 1,
        "problems": [[4, "student", "bits", "KeyError"], [7, "", "", "the process ended: -11"]],
        "slowest_seconds": 2.0,
    }

    def run_all(root, seeds):
        assert seeds == [4, 7]
        ended = {"student": {"refused": 1}, "input": {"fine": 1}}
        return {"ended": ended, "crashes": 0, "problems": [], "slowest_seconds": 1.0}

    monkeypatch.setattr(strangers, "run_all", run_all)
    assert strangers.run_again(tmp_path, earlier) == {
        "files": 5,
        "ended": {"student": {"fine": 3, "refused": 1}, "input": {"fine": 1}},
        "crashes": 0,
        "problems": [],
        "slowest_seconds": 2.0,
    }
