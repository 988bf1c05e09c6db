"""Test the oldest and the newest versions of Python, spaCy, thinc and numpy that are supported:

python -m benchmarks.robustness.versions oldest newest

Each has an environment of its own, into which the package is installed as a wheel, without torch.
The oldest versions are the lower bounds in setup.cfg. The newest are what pip finds, for the newest
supported Python that is installed.
"""

import json
import os
import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, Any, Dict, List, Optional, Sequence, Tuple
from xml.etree import ElementTree

import typer
from wasabi import msg

from benchmarks.commands import ROOT
from benchmarks.pages import keep

# What an app needs: students, their kernels, how they are saved, and files of earlier versions.
TESTS = [
    *("tests/golden", "tests/kernels", "tests/models", "tests/pipeline"),
    *("tests/test_install.py", "tests/test_loading.py", "tests/test_saving.py"),
]
PACKAGES = ["spacy", "thinc", "numpy", "pyarrow"]
# spaCy imports click, and before 3.8.13 does not require it; typer no longer does.
TOOLS = ["click>=8.2", "pytest>=8.0", "hypothesis>=6.100", "psutil>=5.9"]
COMPILED = "from spacy_distill import kernels; assert kernels.compiled, 'no compiled kernels'"
INSTALLED = f"""
import json, platform
from importlib.metadata import version
packages = {{name: version(name) for name in {PACKAGES}}}
print(json.dumps({{"python": platform.python_version(), **packages}}))
"""


def main(
    names: Annotated[List[str], typer.Argument(help="oldest, newest or both")],
    work: Annotated[Optional[Path], typer.Option(help="Keep the environments in a folder")] = None,
    output: Annotated[Optional[Path], typer.Option(help="JSON file of measurements")] = None,
) -> None:
    """Run the tests in each environment, and print a table."""
    if unknown := set(names) - {"oldest", "newest"}:
        msg.fail(f"Unknown: {', '.join(unknown)}", "Expected oldest or newest", exits=1)
    # The environments have packages of their own.
    os.environ.pop("PYTHONPATH", None)
    runs = []
    with TemporaryDirectory() as temporary:
        for name in names:
            folder = (work or Path(temporary)).absolute() / name
            runs.append({"versions": name, **measure(folder, is_oldest=name == "oldest")})
            keep(output, "versions", {"tests": TESTS, "runs": runs})
    rows = [list(map(str, found.values())) for found in runs]
    msg.table(rows, header=list(runs[0]), divider=True)
    if any(found["failed"] for found in runs):
        msg.fail("Tests failed", exits=1)


def measure(folder: Path, *, is_oldest: bool) -> Dict[str, Any]:
    """Make an environment, or take the one that is there, and run the tests in it."""
    start = perf_counter()
    lowest, pythons = supported()
    python = folder / "env" / "bin" / "python"
    if not python.exists():
        chosen = pythons[:1] if is_oldest else pythons[::-1]
        run(find_python(chosen), "-m", "venv", folder / "env")
        run(python, "-m", "pip", "install", "--quiet", "--upgrade", "pip")
    shutil.rmtree(folder / "dist", ignore_errors=True)
    run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder / "dist", ROOT)
    packages = [f"{name}=={lowest[name]}" if is_oldest else name for name in PACKAGES]
    wheels = list((folder / "dist").glob("*.whl"))
    # Of newer versions that have no wheels here, pip would build the source.
    binary = ["--only-binary", ":all:"]
    run(python, "-m", "pip", "install", "--quiet", *binary, *packages, *TOOLS, *wheels)
    # In an environment of an earlier run there may be another wheel of this version.
    again = ["--force-reinstall", "--no-deps", *wheels]
    run(python, "-m", "pip", "install", "--quiet", *again)
    # Of the repository only the tests, so that the package is that of the wheel.
    shutil.rmtree(folder / "tests", ignore_errors=True)
    shutil.copytree(ROOT / "tests", folder / "tests")
    run(python, "-c", COMPILED, cwd=folder)
    installed = subprocess.check_output([python, "-c", INSTALLED], cwd=folder, text=True)
    command: List[Any] = [
        python,
        "-m",
        "pytest",
        "--quiet",
        "--rootdir",
        folder,
        "-o",
        "pythonpath=.",
    ]
    command += ["--import-mode=importlib", "--junitxml", "tests.xml", *TESTS]
    done = subprocess.run(command, cwd=folder)
    counts = ElementTree.parse(folder / "tests.xml").getroot()[0].attrib
    skipped = int(counts["skipped"])
    failed = int(counts["failures"]) + int(counts["errors"])
    return {
        **json.loads(installed),
        "passed": int(counts["tests"]) - failed - skipped,
        "failed": failed or int(done.returncode != 0),
        "skipped": skipped,
        "seconds": round(perf_counter() - start),
    }


def supported() -> Tuple[Dict[str, str], List[str]]:
    """Read setup.cfg.

    RETURNS (Tuple[Dict[str, str], List[str]]): The lower bounds of packages, and the versions of
        Python in ascending order.
    """
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]["train"]
    lines = (config["options"]["install_requires"] + extras).splitlines()
    bounds = (re.match(r"([\w-]+)>=([\d.]+)", line) for line in lines)
    pythons = re.findall(r"Python :: (3\.\d+)", config["metadata"]["classifiers"])
    return {bound[1]: bound[2] for bound in bounds if bound}, pythons


def find_python(versions: Sequence[str]) -> Path:
    """Find the first of some versions of Python, on the PATH or among those of pyenv."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for version in versions:
        on_path = shutil.which(f"python{version}")
        found = [Path(on_path)] if on_path else []
        for python in [*found, *root.glob(f"versions/{version}.*/bin/python")]:
            # pyenv puts commands on the PATH that fail where their version is not chosen.
            if subprocess.run([python, "-V"], capture_output=True).returncode == 0:
                return python
    raise FileNotFoundError(
        f"No Python of {', '.join(versions)}: install one, or put it on the PATH."
    )


def run(*command: Any, cwd: Optional[Path] = None) -> None:
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)


if __name__ == "__main__":
    typer.run(main)
