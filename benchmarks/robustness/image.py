"""Measure what the Dockerfile of the FastAPI example installs, where Docker does not run:

python -m benchmarks.robustness.image environment packages/en_ner_student-0.1.0/dist/*.whl

The commands of the Dockerfile run in a new environment of this Python, which is then one for
`benchmarks.robustness.load --python environment/bin/python`.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Optional

import typer

from benchmarks.commands import ROOT
from benchmarks.pages import keep

EXAMPLE = ROOT / "examples" / "fastapi_app"


def main(
    folder: Annotated[Path, typer.Argument(help="The environment to make")],
    student: Annotated[Path, typer.Argument(help="The student's wheel", exists=True)],
    output: Annotated[Optional[Path], typer.Option(help="JSON file of measurements")] = None,
) -> None:
    """Run the commands, and print the size of what they leave after each."""
    python = folder.absolute() / "bin" / "python"
    # Without symbolic links to this environment, which may have torch.
    subprocess.run([getattr(sys, "_base_executable"), "-m", "venv", folder], check=True)  # noqa: B009
    packages = next(folder.absolute().glob("lib/python*/site-packages"))
    sizes = {}
    with TemporaryDirectory() as wheels:
        shutil.copy(student, wheels)
        shutil.copy(EXAMPLE / "requirements.txt", wheels)
        pip = [str(python), "-m", "pip"]
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT], check=True)
        before = megabytes(packages)  # pip itself
        for command in commands(EXAMPLE / "Dockerfile"):
            local = command.replace("/packages", str(packages)).replace("/wheels", wheels)
            local = re.sub(r"^pip ", " ".join(pip) + " ", local)
            subprocess.run(local, shell=True, check=True)
            sizes[command.split()[0]] = round(megabytes(packages) - before, 1)
    found = {"megabytes_after": sizes, "student_megabytes": round(student.stat().st_size / 1e6, 1)}
    print(json.dumps(found, indent=1))
    keep(output, "image", found)


def commands(dockerfile: Path) -> list[str]:
    """RETURNS (List[str]): The commands that a Dockerfile runs."""
    text = dockerfile.read_text(encoding="utf8").replace("\\\n", " ")
    return re.findall(r"^RUN (.*)$", text, re.M)


def megabytes(folder: Path) -> float:
    """RETURNS (float): The size of a folder's files in MB."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    typer.run(main)
