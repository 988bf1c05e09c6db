"""How fast `distill-tag` is with one and two processes, and with one and two workers of Ray:

python -m benchmarks.cluster.scaling training/packaged texts.jsonl --output docs/cluster.json

Each way tags a short and a long part of the text. Their difference is the steady state, the rest is
the start. The ways take turns in each round. Each process has one thread. Tokens for
each second of a processor count the work of all processes, also where others use the machine.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Annotated, Any, Dict, List, Optional, Tuple

import psutil
import typer

import benchmarks.one_thread  # noqa: F401
from benchmarks.pages import keep
from spacy_distill.tagging.manifest import TagManifest

# Seconds between two looks at the processor time.
INTERVAL = 0.2
WAYS = {
    "1 process": ["--n-process", "1"],
    "2 processes": ["--n-process", "2"],
    "1 worker of Ray": ["--executor", "ray", "--address", "local", "--workers", "1"],
    "2 workers of Ray": ["--executor", "ray", "--address", "local", "--workers", "2"],
}


def watch(process: psutil.Popen) -> float:
    """Wait for a process. RETURNS (float): The processor seconds of it and of all below it."""
    spent: Dict[int, float] = {}
    while process.poll() is None:
        for one in (process, *process.children(recursive=True)):
            try:
                times = one.cpu_times()
                spent[one.pid] = times.user + times.system
            except psutil.NoSuchProcess:
                continue
        sleep(INTERVAL)
    return sum(spent.values())


def run(model: str, source: str, limit: int, way: str) -> Tuple[float, float, int, str]:
    """Run a command; return its seconds, its processor seconds, its tokens, and a digest of the
    result."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "tags"
        command = ["-m", "spacy", "distill-tag", model, source, str(folder)]
        settings = ["--threads", "1", "--limit", str(limit), *WAYS[way]]
        begin = perf_counter()
        process = psutil.Popen([sys.executable, *command, *settings], stdout=subprocess.DEVNULL)
        spent = watch(process)
        if process.returncode:
            raise SystemExit(f"distill-tag ended with status {process.returncode}")
        seconds = perf_counter() - begin
        manifest = TagManifest.from_disk(folder)
        digest = "".join(shard.sha256 for shard in manifest.shards)
        return seconds, spent, manifest.total("tokens"), digest


def main(
    model: Annotated[str, typer.Argument(help="Pipeline that finds entities")],
    source: Annotated[str, typer.Argument(metavar="INPUT", help="Text")],
    short: Annotated[int, typer.Option(help="Documents of the short part")] = 6000,
    long: Annotated[int, typer.Option(help="Documents of the long part")] = 40_000,
    rounds: Annotated[int, typer.Option(help="Number of rounds")] = 3,
    pause: Annotated[float, typer.Option(help="Seconds between two rounds")] = 0,
    ways: Annotated[str, typer.Option(help="Ways, separated by commas")] = ",".join(WAYS),
    output: Annotated[Optional[Path], typer.Option(help="JSON file to add the figures to")] = None,
) -> None:
    """Time all ways in turn."""
    names = ways.split(",")
    found: Dict[str, List[Dict[str, Any]]] = {name: [] for name in names}
    digests = set()
    for number in range(rounds):
        sleep(pause if number else 0)
        for name in names:
            few, few_spent, few_tokens, _ = run(model, source, short, name)
            many, many_spent, many_tokens, digest = run(model, source, long, name)
            digests.add(digest)
            rate = (many_tokens - few_tokens) / (many - few)
            found[name].append(
                {
                    "tokens_per_second": round(rate),
                    "tokens_per_processor_second": round(
                        (many_tokens - few_tokens) / (many_spent - few_spent)
                    ),
                    "start_seconds": round(few - few_tokens / rate, 1),
                    "long_seconds": round(many, 1),
                }
            )
            print(name, found[name][-1], flush=True)
    if len(digests) != 1:
        raise SystemExit("The results differ")
    medians = {
        name: {key: median(round_[key] for round_ in rows) for key in rows[0]}
        for name, rows in found.items()
    }
    content = {"tokens": many_tokens, "equal": True, "rounds": found, "medians": medians}
    for name, row in medians.items():
        print(f"{name}: {row}")
    keep(output, "scaling", content)


if __name__ == "__main__":
    typer.run(main)
