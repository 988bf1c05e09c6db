"""Every benchmark can at least be started."""

from importlib import import_module
from pathlib import Path

import pytest

from spacy_distill.encoders.feature_cache import FOLDER

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in SCRIPTS.glob("*.py")))
def test_a_benchmark_finds_what_it_imports(name, monkeypatch):
    # Some set these, for libraries and for the processes that they start.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", FOLDER):
        monkeypatch.setenv(variable, "1")
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "spacy_distill") or (SCRIPTS / f"{missing}.py").exists():
            raise
        pytest.skip(f"needs {error.name}")
