"""Every benchmark can be started."""

import subprocess
import sys
from importlib import import_module

import pytest

from benchmarks.commands import ROOT

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "benchmarks").rglob("*.py")
)


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_finds_what_it_imports(name, monkeypatch):
    # Some benchmarks set these variables, for libraries and child processes.
    for variable in ("OMP", "OPENBLAS", "MKL", "BLIS"):
        monkeypatch.setenv(f"{variable}_NUM_THREADS", "1")
    monkeypatch.setenv("SPACY_DISTILL_FEATURES", "")
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "spacy_distill", "benchmarks"):
            raise
        pytest.skip(f"needs {error.name}")


def test_a_benchmark_runs_as_a_module():
    command = [sys.executable, "-m", "benchmarks.low_resource.report", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "pages" in done.stdout.lower()
