"""Memory over time while a stream of text is annotated, tagged and learnt from:

python -m benchmarks.robustness.streams training/packaged corpus/unlabeled.spacy \\
    --dev corpus/dev.spacy --vectors assets/vectors --output docs/robustness.json

The text repeats a small corpus. In each million words, one percent are words that never occurred
before. The resident memory of a job's processes is read once a second.
"""

import json
import subprocess
import sys
from itertools import count, product
from pathlib import Path
from statistics import median
from string import ascii_lowercase
from time import perf_counter
from typing import Annotated, Any, Dict, Iterator, List, Optional

import psutil
import spacy
import typer
from spacy.tokens import DocBin
from wasabi import msg

from benchmarks.commands import CONFIGS, ROOT, provenance, read_json
from benchmarks.pages import keep
from spacy_distill.corpora.soft_shards import Manifest
from spacy_distill.reports.drawing import FAINT, RUNS, WIDE, new_figure

# Every so many words, one is new.
NEW_EVERY = 100
INTERVAL = 1.0
# The shares of a run that are compared: after the warm-up, and at the end.
EARLY, LATE = (0.2, 0.3), (0.9, 1.0)
JOBS = ("annotate", "tag", "train")


def new_words() -> Iterator[str]:
    """Generate words that differ from each other, capitalized as names are."""
    for length in count(5):
        for letters in product(ascii_lowercase, repeat=length):
            # The changing letters come first, so that words have many prefixes.
            yield "".join(reversed(letters)).capitalize()


def write_text(corpus: Path, path: Path, n_words: int) -> None:
    """Write documents of about `n_words` words in JSON lines, unless they are there."""
    if path.exists():
        return
    docs = list(DocBin().from_disk(corpus).get_docs(spacy.blank("en").vocab))
    names, n_written = new_words(), 0
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", encoding="utf8") as file:
        while n_written < n_words:
            for doc in docs:
                words = [token.text_with_ws for token in doc]
                first = -n_written % NEW_EVERY
                for place in range(first, len(words), NEW_EVERY):
                    words[place] = next(names) + doc[place].whitespace_
                n_written += len(words)
                file.write(json.dumps({"text": "".join(words)}) + "\n")
    unfinished.replace(path)


def watch(command: List[Any], log: Path) -> Dict[str, Any]:
    """Run a command, and read the memory of its processes.

    RETURNS (Dict[str, Any]): The "seconds" that it took and the memory in "mb", once a second.
    """
    sizes: List[float] = []
    start = perf_counter()
    with log.open("w", encoding="utf8") as file:
        arguments = [sys.executable, "-m", "spacy", *map(str, command)]
        process = subprocess.Popen(arguments, cwd=ROOT, stdout=file, stderr=file)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            sizes.append(resident(watched) / 1e6)
            try:
                process.wait(INTERVAL)
            except subprocess.TimeoutExpired:
                continue
    if process.returncode:
        msg.fail(f"Failed: {' '.join(map(str, command))}", f"See {log}", exits=1)
    return {"seconds": round(perf_counter() - start, 1), "mb": [round(size, 1) for size in sizes]}


def resident(process: psutil.Process) -> int:
    """Sum up the resident memory of a process and of those that it started, in bytes."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def growth(sizes: List[float]) -> float:
    """Compute by how many percent the memory at the end is above that after the warm-up."""
    early, late = (
        median(sizes[int(begin * len(sizes)) : max(int(end * len(sizes)), 1)])
        for begin, end in (EARLY, LATE)
    )
    return 100 * (late / early - 1)


def draw(jobs: Dict[str, Dict[str, Any]], path: Path) -> None:
    """Draw the memory of the jobs over time."""
    figure, axis = new_figure(WIDE, 3.2)
    for color, (name, job) in zip(RUNS, jobs.items(), strict=False):
        n_times = len(job["mb"])
        shares = [100 * number / max(n_times - 1, 1) for number in range(n_times)]
        axis.plot(shares, job["mb"], color=color, label=name, linewidth=1.2)
    axis.set(xlabel="% of the run", ylabel="resident memory, MB", ylim=(0, None))
    axis.grid(color=FAINT)
    axis.legend(frameon=False, ncols=len(jobs))
    figure.savefig(path, dpi=200)


def main(
    model: Annotated[Path, typer.Argument(help="A student, which teaches and tags")],
    text: Annotated[Path, typer.Argument(help="A .spacy file whose text is repeated")],
    dev: Annotated[Path, typer.Option(help="Development corpus of the training")],
    vectors: Annotated[Path, typer.Option(help="Word vectors of the training")],
    tokens: Annotated[int, typer.Option(help="Number of tokens")] = 50_000_000,
    jobs: Annotated[str, typer.Option(help="Jobs to run, separated by commas")] = ",".join(JOBS),
    options: Annotated[str, typer.Option(help="More config overrides of the training")] = "",
    words_per_step: Annotated[int, typer.Option(help="Words in a batch of the training")] = 1000,
    runs: Annotated[Path, typer.Option(help="Folder of the runs")] = Path(
        "benchmarks/runs/streams"
    ),
    output: Annotated[Optional[Path], typer.Option(help="JSON file for the figures")] = None,
) -> None:
    """Run the jobs one after the other on the same text."""
    folder = runs.absolute() / str(tokens)
    folder.mkdir(parents=True, exist_ok=True)
    source, soft = folder / "text.jsonl", folder / "soft"
    write_text(text, source, tokens)
    commands = {
        "annotate": ["distill-annotate", model.absolute(), source, "--output", soft, "--force"],
        "tag": ["distill-tag", model.absolute(), source, folder / "tags", "--force"],
    }
    known = read_json(output) if output is not None and output.exists() else {}
    measured: Dict[str, Dict[str, Any]] = {}
    if known.get("streams", {}).get("tokens") == tokens:
        measured.update(known["streams"]["jobs"])
    for name in jobs.split(","):
        if name == "train":
            n_soft = Manifest.from_disk(soft).total("tokens")
            steps = n_soft // words_per_step
            command = ["distill", soft, f"{CONFIGS}/soft.cfg", "--output", folder / "student"]
            command += ["--force", "--paths.dev", dev.absolute()]
            command += ["--paths.vectors", vectors.absolute(), "--distillation.max_steps", steps]
            command += ["--distillation.batcher.size", words_per_step]
            command += ["--training.eval_frequency", max(steps // 20, 1), *options.split()]
            command += ["--training.logger.progress_bar", "false"]
        else:
            command = commands[name]
        job = watch(command, folder / f"{name}.log")
        job["growth"] = round(growth(job["mb"]), 1)
        measured[name] = {**job, "made_with": provenance()}
        keep(output, "streams", {"tokens": tokens, "jobs": measured})
        msg.info(
            f"{name}: {job['seconds']:,.0f} s, at most {max(job['mb']):,.0f} MB, "
            f"{job['growth']:+.1f} % from {EARLY[0]:.0%} of the run to its end"
        )
    if output is not None:
        draw(measured, output.with_name("robustness-memory.png"))


if __name__ == "__main__":
    typer.run(main)
