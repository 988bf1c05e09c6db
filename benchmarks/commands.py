"""The commands that benchmarks run, as a user types them, and what these cost."""

import fcntl
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from wasabi import msg

ROOT = Path(__file__).parents[1]
# Of locked folders: what is started keeps them locked, should this process be killed.
LOCKS: List[int] = []
ENERGY = Path("/sys/class/powercap/intel-rapl:0/energy_uj")


def execute(arguments: Sequence[Any], log: Path) -> None:
    """Run a Python command, its output going to a file; the benchmark ends if it fails."""
    with log.open("w", encoding="utf8") as file:
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(
            command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, pass_fds=LOCKS
        )
    if done.returncode:
        msg.fail(f"Failed: {' '.join(map(str, arguments))}", f"See {log}", exits=1)


def measured(work: Callable[[], None]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What some work costs: seconds, seconds of the processor, and its
    energy in joules where the machine tells it (of all that runs on it)."""
    start, energy = perf_counter(), joules()
    before = processor_seconds()
    work()
    after = joules()
    spent = None if energy is None or after is None else round(after - energy, 1)
    return {
        "seconds": round(perf_counter() - start, 1),
        "processor_seconds": round(processor_seconds() - before, 1),
        # The counter starts again at 0 now and then.
        "joules": spent if spent is not None and spent >= 0 else None,
    }


def processor_seconds() -> float:
    """RETURNS (float): Of this process, and of those that it started and that have ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def joules() -> Optional[float]:
    """RETURNS (Optional[float]): The energy counter of the first processor, where the machine
    tells it."""
    try:
        return int(ENERGY.read_text()) / 1e6
    except (OSError, ValueError):
        return None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other benchmark works in a folder, and keep others out."""
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
