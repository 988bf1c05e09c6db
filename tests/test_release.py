"""What a release says in several places: its version, and the Pythons that it is for."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def read(name):
    return (ROOT / name).read_text(encoding="utf8")


def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    return parser


def test_all_files_have_one_version():
    version = setup()["metadata"]["version"]
    assert re.search(r"(?m)^version: (.+)$", read("CITATION.cff"))[1] == version
    assert re.search(r"(?m)^## (\S+) \(.+\)$", read("CHANGELOG.md"))[1] == version


def test_wheels_and_tests_are_for_the_pythons_that_are_declared():
    pythons = re.findall(r"Python :: (3\.\d+)", setup()["metadata"]["classifiers"])
    lowest, highest = pythons[0], int(pythons[-1].partition(".")[2])
    assert setup()["options"]["python_requires"] == f">={lowest},<3.{highest + 1}"
    wheels = re.search(r"(?m)^build = \[(.+)\]$", read("pyproject.toml"))[1]
    assert re.findall(r"cp(3\d+)-", wheels) == [python.replace(".", "") for python in pythons]
    tested = re.search(r"(?m)^ +python: \[(.+)\]$", read(".github/workflows/tests.yml"))[1]
    assert re.findall(r'"(.+?)"', tested) == pythons
    assert f"| Python | {lowest} to {pythons[-1]} |" in read("docs/versions.md")


def test_actions_are_pinned_to_commits():
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for line in path.read_text(encoding="utf8").splitlines():
            if "uses:" in line:
                assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d", line), f"{path.name}: {line}"


def test_each_released_version_has_golden_files():
    released = re.findall(r"(?m)^## (\S+) \(\d{4}-\d\d-\d\d\)$", read("CHANGELOG.md"))
    assert set(released) <= {path.name for path in (ROOT / "tests" / "golden").iterdir()}
