"""Memory of distillation from a large soft corpus, compared with one of its shards:

python -m benchmarks.speed.memory path/to/soft --dev corpus/dev.spacy --vectors assets/vectors \\
    --tokens 5000000

The shards of a soft corpus are repeated until they have so many tokens, and one pass over them is
trained. The run on a single shard has what the model, its vectors and the libraries take. Resident
memory is read twice a second.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, List

import psutil
import typer
from wasabi import msg

from benchmarks.commands import CONFIGS, ROOT
from spacy_distill.corpora.shard_manifest import shard_name
from spacy_distill.corpora.soft_shards import Manifest, Shard


def repeat(soft: Path, output: Path, tokens: int) -> int:
    """Make a soft corpus that repeats the shards of another one.

    RETURNS (int): Its tokens.
    """
    manifest = Manifest.from_disk(soft)
    output.mkdir(parents=True, exist_ok=True)
    shards: List[Shard] = []
    total = 0
    while total < tokens:
        shard = manifest.shards[len(shards) % len(manifest.shards)]
        name = shard_name(len(shards))
        if not (output / name).exists():
            os.link(soft / shard.file, output / name)
        shards.append(replace(shard, file=name))
        total += shard.tokens
    replace(manifest, shards=shards).to_disk(output)
    return total


def train(
    soft: Path, steps: int, dev: Path, vectors: Path, folder: Path, options: List[str]
) -> float:
    """Distil a student, and return the highest resident memory in MB."""
    command = [sys.executable, "-m", "spacy", "distill", soft, f"{CONFIGS}/soft.cfg"]
    command += ["--output", folder / "student", "--force"]
    command += ["--paths.dev", dev, "--paths.vectors", vectors]
    command += ["--distillation.max_steps", str(steps), "--training.logger.progress_bar", "false"]
    command += options
    peak = 0.0
    with (folder / "train.log").open("w", encoding="utf8") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=log, stderr=log)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, watched.memory_info().rss / 1e6)
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
    if process.returncode:
        msg.fail("Training failed", f"See {folder / 'train.log'}", exits=1)
    return peak


def main(
    soft: Annotated[Path, typer.Argument(help="A soft corpus")],
    dev: Annotated[Path, typer.Option(help="Development corpus, with the teacher's labels")],
    vectors: Annotated[Path, typer.Option(help="Word vectors of the student")],
    tokens: Annotated[int, typer.Option(help="Tokens to distil from")] = 5_000_000,
    options: Annotated[str, typer.Option(help="Further config overrides")] = "",
    words_per_step: Annotated[
        int, typer.Option(help="Size of a batch, as in the config's batcher")
    ] = 1000,
    store: Annotated[Path, typer.Option(help="Folder of the runs")] = Path(
        "benchmarks/runs/memory"
    ),
) -> None:
    """Train on one shard and on many, and compare the peaks of memory."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    peaks: List[float] = []
    for wanted in (1, tokens):
        folder = store.absolute() / str(wanted)
        n_tokens = repeat(soft, folder / "soft", wanted)
        steps = max(n_tokens // words_per_step, 100)
        paths = (dev.absolute(), vectors.absolute(), folder)
        peaks.append(train(folder / "soft", steps, *paths, options.split()))
        msg.info(f"{n_tokens:,} tokens: {peaks[-1]:,.0f} MB at the most")
    msg.good(f"{peaks[1] - peaks[0]:,.0f} MB more for the larger corpus")


if __name__ == "__main__":
    typer.run(main)
