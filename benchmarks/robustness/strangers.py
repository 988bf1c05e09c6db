"""Load valid files with some bytes changed. What is raised has to be an error of the package.

    python -m benchmarks.robustness.strangers --files 20000 --output docs/robustness.json
    python -m benchmarks.robustness.strangers --again --output docs/robustness.json

The second command runs the cases that ended otherwise once more, when the code is mended.
Each case runs in a forked process that may take a gigabyte more memory than it has, and some
seconds of the processor. A process runs several cases, and another one goes on where it is killed.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Callable, Dict, List, Sequence, Tuple

from benchmarks.commands import read_json
from benchmarks.pages import keep
from benchmarks.robustness.mutations import mutate
from benchmarks.robustness.targets import Target, make_targets, read_component

GIGABYTE = 2**30
SECONDS = 20
CASES_PER_PROCESS = 40
TEXT = "Anna Berg sails to Oslo ."


class TooLong(BaseException):
    """A case takes too long."""


# Students have the most code.
WEIGHTS = {
    "student": 5,
    "compact student": 5,
    "component": 6,
    "soft corpus with right checksums": 4,
}


def run_case(targets: Dict[str, Target], seed: int, work: Path) -> Tuple[str, str, str]:
    """Change a file of a target and read the target.

    targets (Dict[str, Target]): The targets.
    seed (int): What decides about the change.
    work (Path): A folder for the copy.
    RETURNS (Tuple[str, str, str]): The target, the change, and how it ended: "fine", "refused", or
        what was raised.
    """
    rng = random.Random(f"stranger {seed}")
    names = list(targets)
    (name,) = rng.choices(names, [WEIGHTS.get(name, 1) for name in names])
    source, read = targets[name]
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(source, work)
    files = sorted(path for path in work.rglob("*") if path.is_file())
    if name == "component":
        files = [work / "bytes"]
    elif name == "soft corpus with right checksums":
        files = [path for path in files if path.suffix == ".parquet"]
    path = rng.choice(files)
    contents = [file.read_bytes() for file in files]
    mutation, data = mutate(path.read_bytes(), rng, contents)
    path.write_bytes(data)
    change = f"{path.relative_to(work)}: {mutation}"
    try:
        read(work / "bytes" if name == "component" else work)
    except Exception as error:
        is_own = isinstance(error, ValueError) and str(error).startswith("[D")
        return name, change, "refused" if is_own else f"{type(error).__name__}: {error}"[:200]
    except TooLong:
        return name, change, "too long"
    return name, change, "fine"


def used_memory() -> int:
    """RETURNS (int): The bytes of this process's address space."""
    with open("/proc/self/statm", encoding="utf8") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def raise_too_long(*arguments: Any) -> None:
    raise TooLong()


def run_cases(targets: Dict[str, Target], seeds: Sequence[int], work: Path, to: int) -> None:
    """Run cases in this process, a forked one, and write a line for each."""
    most = used_memory() + GIGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The processor's seconds, since others may keep it busy.
    signal.signal(signal.SIGPROF, raise_too_long)
    # And for what waits without computing.
    signal.signal(signal.SIGALRM, raise_too_long)
    for seed in seeds:
        os.write(to, f"begin {seed}\n".encode())
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, 30 * SECONDS)
        result = run_case(targets, seed, work)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.write(to, (json.dumps([seed, *result]) + "\n").encode())


def run_all(
    root: Path, seeds: Sequence[int], report: Callable[[Dict[str, Any]], None] = lambda result: None
) -> Dict[str, Any]:
    """Run cases in forked processes, one after the other.

    root (Path): A folder for all files.
    seeds (Sequence[int]): The cases.
    report (Callable[[Dict[str, Any]], None]): Called with the result so far after each process.
    RETURNS (Dict[str, Any]): How they ended.
    """
    targets = make_targets(root / "valid")
    # All of them are valid, and what they import is not what is limited.
    for source, read in targets.values():
        shutil.copytree(source, root / "copy")
        read(root / "copy" / "bytes" if read is read_component else root / "copy")
        shutil.rmtree(root / "copy")
    ended: Dict[str, Counter] = {name: Counter() for name in targets}
    problems: List[List[Any]] = []
    rest = list(seeds)
    slowest = 0.0
    n_crashes = 0
    result: Dict[str, Any] = {}
    while rest:
        part = rest[:CASES_PER_PROCESS]
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            status = 1
            try:
                sink = os.open(os.devnull, os.O_WRONLY)
                os.dup2(sink, 2)
                run_cases(targets, part, root / f"work-{os.getpid()}", writer)
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        begun = None
        start = perf_counter()
        with os.fdopen(reader, encoding="utf8", errors="replace") as lines:
            for line in lines:
                if line.startswith("begin"):
                    begun, start = int(line.split()[1]), perf_counter()
                    continue
                seed, name, change, end = json.loads(line)
                slowest = max(slowest, perf_counter() - start)
                rest.remove(seed)
                begun = None
                kind = end if end in ("fine", "refused") else "wrong"
                ended[name][kind] += 1
                if kind == "wrong":
                    problems.append([seed, name, change, end])
        _, status = os.waitpid(child, 0)
        shutil.rmtree(root / f"work-{child}", ignore_errors=True)
        if begun is not None:
            n_crashes += 1
            problems.append(
                [begun, "", "", f"the process ended: {os.waitstatus_to_exitcode(status)}"]
            )
            rest.remove(begun)
        result = {
            "files": len(seeds) - len(rest),
            "ended": {name: dict(counts) for name, counts in ended.items()},
            "crashes": n_crashes,
            "problems": problems,
            "slowest_seconds": round(slowest, 2),
        }
        report(result)
    return result


def run_again(root: Path, earlier: Dict[str, Any]) -> Dict[str, Any]:
    """Run the cases with problems once more.

    root (Path): A folder for all files.
    earlier (Dict[str, Any]): A result of `run_all`, of which these cases are a part.
    RETURNS (Dict[str, Any]): The whole result, with how they end now.
    """
    now = run_all(root, [seed for seed, *_ in earlier["problems"]])
    ended = {name: Counter(counts) for name, counts in earlier["ended"].items()}
    for _, name, *_ in earlier["problems"]:
        if name:  # a case that ended its process is counted as a crash alone
            ended[name]["wrong"] -= 1
    for name, counts in now["ended"].items():
        ended[name].update(counts)
    kept = {name: {end: n for end, n in counts.items() if n} for name, counts in ended.items()}
    slowest = max(earlier["slowest_seconds"], now["slowest_seconds"])
    again = {key: now[key] for key in ("crashes", "problems")}
    return {**earlier, **again, "ended": kept, "slowest_seconds": slowest}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="The number of the first case")
    parser.add_argument("--again", action="store_true", help="Only the cases with problems")
    parser.add_argument("--output", type=Path, default=None)
    chosen = parser.parse_args(arguments)
    start = perf_counter()

    def report(result: Dict[str, Any]) -> None:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        result["seconds"] = round(perf_counter() - start, 1)
        result["processor_seconds"] = round(used.ru_utime + used.ru_stime, 1)
        keep(chosen.output, "strangers", result)

    with TemporaryDirectory() as folder:
        (Path(folder) / "valid").mkdir()
        if chosen.again:
            result = run_again(Path(folder), read_json(chosen.output)["strangers"])
            keep(chosen.output, "strangers", result)
        else:
            seeds = range(chosen.first, chosen.first + chosen.files)
            result = run_all(Path(folder), seeds, report)
    print(json.dumps(result, indent=1, ensure_ascii=True))
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
