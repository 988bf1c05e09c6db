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
