"""Memory of distilling from a soft corpus that is bigger than one wants in memory:

python benchmarks/memory.py path/to/soft --dev corpus/dev.spacy --vectors assets/vectors \\
    --tokens 5000000

The shards of a soft corpus are repeated until they have so many tokens (one pass over them is
trained), and those of a single one are the comparison: what the model, its vectors and the
libraries need. Resident memory is read twice a second.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Dict, List, Tuple

import psutil
import typer
from wasabi import msg

from spacy_distill.corpora.soft_shards import Manifest, Shard, shard_name

ROOT = Path(__file__).parent.parent


def repeat(soft: Path, output: Path, tokens: int) -> int:
    """Make a soft corpus of the shards of another one, again and again.

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
) -> List[List[float]]:
    """Distil and watch. RETURNS (List[List[float]]): Seconds and megabytes."""
    command = [sys.executable, "-m", "spacy", "distill", soft, "spacy_distill/configs/soft.cfg"]
    command += ["--output", folder / "student", "--force"]
    command += ["--paths.dev", dev, "--paths.vectors", vectors]
    command += ["--distillation.max_steps", str(steps), "--training.logger.progress_bar", "false"]
    command += options
    curve = []
    start = perf_counter()
    with (folder / "train.log").open("w", encoding="utf8") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=log, stderr=log)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            curve.append([perf_counter() - start, watched.memory_info().rss / 1e6])
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
    if process.returncode:
        msg.fail("Training failed", f"See {folder / 'train.log'}", exits=1)
    return curve


def draw(curves: Dict[str, List[List[float]]], path: Path) -> None:
    """Draw memory over time."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.5), layout="constrained")
    for name, curve in curves.items():
        seconds, megabytes = zip(*curve, strict=True)
        axes.plot(seconds, megabytes, label=name)
    axes.set_xlabel("seconds")
    axes.set_ylabel("resident memory, MB")
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main(
    soft: Annotated[Path, typer.Argument(help="A soft corpus")],
    dev: Annotated[Path, typer.Option(help="Development corpus, with the teacher's labels")],
    vectors: Annotated[Path, typer.Option(help="Word vectors of the student")],
    tokens: Annotated[int, typer.Option(help="Tokens to distil from")] = 5_000_000,
    options: Annotated[str, typer.Option(help="More config overrides")] = "",
    words_per_step: Annotated[int, typer.Option(help="As in the config's batcher")] = 1000,
    store: Annotated[Path, typer.Option(help="Folder of the runs")] = Path(
        "benchmarks/runs/memory"
    ),
    picture: Annotated[Path, typer.Option(help="Picture to draw")] = Path("docs/memory.png"),
) -> None:
    """Train on one shard and on many, and compare peaks."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    store = store.absolute()
    curves: Dict[str, List[List[float]]] = {}
    peaks: List[Tuple[str, float]] = []
    for wanted in (1, tokens):
        folder = store / str(wanted)
        n_tokens = repeat(soft, folder / "soft", wanted)
        steps = max(n_tokens // words_per_step, 100)
        record = folder / "curve.json"
        if not record.exists():
            paths = (dev.absolute(), vectors.absolute(), folder)
            curve = train(folder / "soft", steps, *paths, options.split())
            record.write_text(json.dumps(curve) + "\n", encoding="utf8")
        name = f"{n_tokens:,} tokens"
        curves[name] = json.loads(record.read_text(encoding="utf8"))
        peaks.append((name, max(megabytes for _, megabytes in curves[name])))
    draw(curves, picture)
    for name, peak in peaks:
        msg.info(f"{name}: {peak:,.0f} MB at the most")
    msg.good(f"{peaks[1][1] - peaks[0][1]:,.0f} MB for the corpus; see {picture}")


if __name__ == "__main__":
    typer.run(main)
