"""Tools of all benchmarks: run commands, measure their cost, and write JSON files with
provenance."""

import fcntl
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence

import spacy
from spacy.util import get_package_version
from wasabi import msg

from spacy_distill import kernels
from spacy_distill.corpora.hashes import update_with_file
from spacy_distill.evaluation import processor

ROOT = Path(__file__).parents[1]
# Handles of locked folders. Child processes inherit them, so folders stay locked if this process is
# killed.
LOCKS: List[int] = []
# The project's configs, seen from ROOT.
CONFIGS = "spacy_distill/configs"
CODE = (".py", ".pyx", ".hh", ".cc", ".cfg")
# Those that students use here. A benchmark may choose others later.
KERNELS = kernels.in_use
ENERGY = Path("/sys/class/powercap/intel-rapl:0/energy_uj")


def execute(arguments: Sequence[Any], log: Path) -> None:
    """Run a Python command with its output in a file, and exit if it fails."""
    with log.open("w", encoding="utf8") as file:
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(
            command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, pass_fds=LOCKS
        )
    if done.returncode:
        msg.fail(f"Failed: {' '.join(map(str, arguments))}", f"See {log}", exits=1)


def measured(work: Callable[[], None]) -> Dict[str, Any]:
    """Measure the cost of some work: seconds, processor seconds, and the energy of the whole
    machine in joules where it has a counter."""
    start, energy = perf_counter(), joules()
    before = processor_seconds()
    work()
    after = joules()
    spent = None if energy is None or after is None else round(after - energy, 1)
    return {
        "seconds": round(perf_counter() - start, 1),
        "processor_seconds": round(processor_seconds() - before, 1),
        # The counter may overflow and start again at 0.
        "joules": spent if spent is not None and spent >= 0 else None,
    }


def processor_seconds() -> float:
    """Compute the processor time of this process and its finished child processes."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def joules() -> Optional[float]:
    """Read the energy counter of the first processor; None if there is none."""
    try:
        return int(ENERGY.read_text()) / 1e6
    except (OSError, ValueError):
        return None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a folder: wait until no other benchmark works in it, and keep others out."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        LOCKS.append(handle)
        yield
    finally:
        if handle in LOCKS:
            LOCKS.remove(handle)
        os.close(handle)


def provenance() -> Dict[str, str]:
    """Collect the versions and the machine of a measurement."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return {
        "commit": commit.stdout.strip() or get_package_version("spacy-distill") or "",
        "code": code_digest(),
        "spacy": spacy.__version__,
        "python": platform.python_version(),
        "processor": processor(),
        "kernels": KERNELS,
    }


def code_digest() -> str:
    """Compute a digest of the package's code and configs, of the scripts and benchmarks."""
    folders = [ROOT / name for name in ("spacy_distill", "benchmarks", "scripts")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in CODE]
    return files_digest(paths, ROOT)


def files_digest(paths: Iterable[Path], folder: Path) -> str:
    """Compute a digest of files, from their relative paths and contents."""
    content = hashlib.blake2b(digest_size=8)
    for path in sorted(paths):
        content.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        update_with_file(content, path)
    return content.hexdigest()


def digest(content: Any) -> str:
    """Compute a digest of plain values."""
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf8"))


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf8")
    unfinished.replace(path)
