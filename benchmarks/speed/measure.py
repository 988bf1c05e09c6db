"""The speed of a student, compared with spaCy's own pipeline, transformers and a PyTorch tagger:

python -m benchmarks.speed.measure training/compact --sentences corpus/unlabeled.spacy \
    --documents corpus/unlabeled.spacy --transformers assets/pretrained/minilm
python -m benchmarks.speed.report docs/performance.md

All systems of a section are timed in turn, round by round, in one process on one thread. Every
round's figures go into a JSON file, of which `report.py` makes tables and a picture.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Dict

import typer

from benchmarks.commands import ROOT
from benchmarks.pages import keep

SECTIONS = {
    "batches": "words/s by the size of a batch, all systems",
    "documents": "words/s of whole documents, all systems",
    "text": "words/s of raw text, spaCy pipelines and the tokenizer",
    "short": "ms of one document of 13 words, spaCy pipelines",
}
LIBRARIES = ("thinc", "numpy", "torch", "transformers", "onnxruntime")
VARIABLES = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "BLIS")},
    "TOKENIZERS_PARALLELISM": "false",
}


def versions() -> Dict[str, str]:
    """List the versions of the installed libraries."""
    installed = {distribution.name for distribution in importlib.metadata.distributions()}
    return {name: importlib.metadata.version(name) for name in LIBRARIES if name in installed}


def main(
    student: Annotated[Path, typer.Argument(help="A pipeline with an ner_student")],
    sentences: Annotated[Path, typer.Option(help="Sentences, a .spacy file", exists=True)],
    documents: Annotated[Path, typer.Option(help="Documents, a .spacy file", exists=True)],
    output: Annotated[Path, typer.Option(help="JSON file of measurements")] = ROOT
    / "docs"
    / "speed.json",
    spacy_pipeline: Annotated[
        str, typer.Option(help="A pipeline with a tok2vec and an ner")
    ] = "en_core_web_sm",
    transformers: Annotated[
        str, typer.Option(help="Folders of encoders, separated by commas; none if empty")
    ] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds")] = 5,
    seconds: Annotated[float, typer.Option(help="Least seconds of a system in a round")] = 0.5,
    systems: Annotated[str, typer.Option(help="Only these systems, separated by semicolons")] = "",
    sections: Annotated[
        str,
        typer.Option(help="; ".join(f"{name}: {about}" for name, about in SECTIONS.items())),
    ] = ",".join(SECTIONS),
    worker: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure each section in its own process, and add the result to the JSON file. Systems whose
    package is not installed are left out, with a warning: torch, transformers, onnxruntime (with
    onnx), gliner, the spaCy pipeline. Names of systems: those in the tables of
    docs/performance.md."""
    if worker:
        from benchmarks.speed.sections import measure
        from benchmarks.speed.systems import Sources

        chosen = tuple(systems.split(";")) if systems else ()
        folders = tuple(map(Path, transformers.split(","))) if transformers else ()
        sources = Sources(student, spacy_pipeline, folders, chosen)
        print(json.dumps(measure(worker, sources, sentences, documents, rounds, seconds)))
        return
    for name in sections.split(","):
        command = [sys.executable, "-m", "benchmarks.speed.measure", *sys.argv[1:]]
        done = subprocess.run(
            [*command, "--worker", name],
            env={**os.environ, **VARIABLES},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        keep(output, name, {"systems": found, "versions": versions()})


if __name__ == "__main__":
    typer.run(main)
