"""Memory of distilling from a large soft corpus, compared with that from one of its shards:

python -m benchmarks.speed.memory path/to/soft --dev corpus/dev.spacy --vectors assets/vectors \\
    --tokens 5000000

The shards of a soft corpus are repeated until they have so many tokens, and one pass over them is
trained. The other run, on a single shard, has what the model, its vectors and the libraries take.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, List

import psutil

from benchmarks.commands import start
from spacy_distill.corpora.soft_shards import Manifest, Shard, shard_name


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


def peak(command: List[Any], log: Path) -> float:
    """RETURNS (float): The highest resident memory of a command, in MB, read twice a second."""
    highest = 0.0
    with start(command, log) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            highest = max(highest, watched.memory_info().rss / 1e6)
            try:
                process.wait(0.5)
            except TimeoutError:
                continue
    return highest
