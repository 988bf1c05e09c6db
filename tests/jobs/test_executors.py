"""The choice of an executor."""

import sys

import pytest

from spacy_distill.jobs import processes
from spacy_distill.jobs.folder import require_outside


@pytest.mark.parametrize(
    "settings, code",
    [
        ({"executor": "dask"}, "D750"),
        ({"n_workers": 2}, "D751"),
        ({"address": "auto"}, "D751"),
        ({"executor": "ray", "n_process": 2}, "D752"),
        ({"executor": "ray", "n_workers": 0}, "D705"),
        ({"n_process": 0}, "D705"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(run, tmp_path, settings, code):
    with pytest.raises(ValueError, match=rf"^\[{code}\]"):
        run(**settings)
    assert not (tmp_path / "out").exists()


def test_ray_is_a_library_of_an_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"\[D305\].*spacy-distill\[ray\]"):
        run(executor="ray")


def test_a_cluster_that_is_not_there_is_named(run, tmp_path):
    pytest.importorskip("ray", reason="ray is not installed (extra: ray)")
    message = r"^\[D756\] The Ray cluster 'nowhere' cannot be reached: .*nowhere\. Start it"
    with pytest.raises(ValueError, match=message):
        run(executor="ray", address="nowhere")
    assert not list((tmp_path / "out").iterdir())


def test_an_error_of_a_second_process_is_raised_as_it_is(monkeypatch):
    """The labels are asked of one process alone."""
    monkeypatch.setitem(processes._process, "error", RuntimeError("CUDA out of memory"))
    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        processes._write_in_process(0, [], "")


@pytest.mark.parametrize(
    "pattern, is_inside",
    [
        ("**", True),
        ("*", True),
        ("o*/", True),
        ("**/*.jsonl", True),
        ("*/*.jsonl", True),
        ("out/*.jsonl", True),
        ("*.jsonl", False),
        ("**/*.txt", False),
        ("**/a/*.jsonl", False),
        ("a/**.jsonl", False),
        ("out-?/*.jsonl", False),
    ],
)
def test_no_glob_finds_what_is_written(tmp_path, pattern, is_inside):
    source = f"{tmp_path}/{pattern}"
    if is_inside:
        with pytest.raises(ValueError, match=r"\[D424\]"):
            require_outside(tmp_path / "out", source)
    else:
        require_outside(tmp_path / "out", source)
