"""Every benchmark can at least be started."""

from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_a_benchmark_finds_what_it_imports(name, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # some set it, for the processes they start
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or (FOLDER / f"{error.name}.py").exists():
            raise
        pytest.skip(f"needs {error.name}")
