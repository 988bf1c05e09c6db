"""README's first minute: the wheel in models/ is installed, and runs without torch."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .test_install import run_without_the_train_extra

ROOT = Path(__file__).parents[1]


def first_block(language):
    """RETURNS (str): The first block of README in a language."""
    text = (ROOT / "README.md").read_text(encoding="utf8")
    return re.search(rf"(?ms)^```{language}\n(.*?)^```$", text)[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder of packages with the student in it, which pip put there."""
    folder = tmp_path_factory.mktemp("packages")
    (wheel,) = re.findall(r"models/\S+\.whl", first_block("bash"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--target", str(folder), str(ROOT / wheel)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "No module named pip" in done.stderr:
        pytest.skip("there is no pip")
    assert done.returncode == 0, done.stderr
    return folder


def test_readmes_first_lines_print_what_they_say(installed):
    """.ci/run does the same in an environment of its own."""
    code = first_block("python")
    (said,) = re.findall(r"(?m)^# (\[.*\])$", code)
    done = run_without_the_train_extra(f"sys.path.insert(0, {str(installed)!r})\n{code}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [said]
