"""The store of `low_resource.py`: a JSON file for each run, a folder for each corpus and size."""

import hashlib
import json
import platform
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import spacy
from commands import ROOT
from low_resource_contents import code_digest
from low_resource_data import Cell
from spacy.util import get_package_version
from wasabi import msg

from spacy_distill.evaluation import processor


class Store:
    """Results by corpus, size, system and seed."""

    def __init__(self, folder: Path) -> None:
        """Open a store.

        folder (Path): Its folder, made when something is written.
        """
        self.folder = folder

    def path(self, cell: Cell, system: str) -> Path:
        """RETURNS (Path): The file of a run."""
        name = f"{cell.dataset.value}-{cell.labeled}"
        return self.folder / name / f"{system}-seed{cell.seed}.json"

    def read(self, cell: Cell, system: str, made_of: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """RETURNS (Optional[Dict[str, Any]]): A run, if there is one; the benchmark ends if it was
        made of something else, which cannot stand in one table with these. (The oldest runs do not
        tell the contents of what they read.)"""
        path = self.path(cell, system)
        if not path.exists():
            return None
        run = read_json(path)
        others = [key for key, value in made_of.items() if run.get(key, value) != value]
        if others:
            msg.fail(
                f"{path} was made of something else: {', '.join(others)}",
                "Name another --store and --runs, or a --variant, or remove the file",
                exits=1,
            )
        return run

    def write(self, cell: Cell, system: str, run: Dict[str, Any]) -> None:
        """Keep a run."""
        path = self.path(cell, system)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, run)

    def rates_path(self, dataset: str) -> Path:
        """RETURNS (Path): The file that says how fast systems read a corpus."""
        return self.folder / f"rates-{dataset}.json"

    def rates(self, dataset: str) -> Dict[str, float]:
        """RETURNS (Dict[str, float]): Words a second by system; empty if nothing was measured."""
        path = self.rates_path(dataset)
        return read_json(path)["words_per_second"] if path.exists() else {}

    def bootstrap_path(self, cell: str) -> Path:
        """RETURNS (Path): What `low_resource_bootstrap.py` has found of a cell."""
        return self.folder / f"bootstrap-{cell}.json"

    def bootstrap(self, cell: str) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What that file says; empty if nothing was measured."""
        path = self.bootstrap_path(cell)
        return read_json(path) if path.exists() else {}

    def runs(self) -> Iterator[Dict[str, Any]]:
        """YIELDS (Dict[str, Any]): All runs."""
        for path in sorted(self.folder.glob("*/*.json")):
            yield read_json(path)


def digest(content: Any) -> str:
    """RETURNS (str): What tells a content of plain values, or a config's settings, from others."""
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()


def provenance() -> Dict[str, str]:
    """RETURNS (Dict[str, str]): What a run was made with and on."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return {
        "commit": commit.stdout.strip() or get_package_version("spacy-distill") or "",
        "code": code_digest(),
        "spacy": spacy.__version__,
        "python": platform.python_version(),
        "processor": processor(),
    }


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf8"))


def write_json(path: Path, content: Any) -> None:
    """Write a file, so that there is never half of one."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf8")
    unfinished.replace(path)
