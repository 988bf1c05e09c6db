"""How fast a student is beside spaCy's own pipeline, transformers and its peer in PyTorch:

python benchmarks/speed.py training/compact --sentences corpus/unlabeled.spacy \
    --documents corpus/unlabeled.spacy --wordpieces assets/pretrained/minilm --output speed

Everything of a section is timed in turn, round by round, in one process: first on one thread, then
on all. Each round's figures are kept in OUTPUT/speed.json; OUTPUT/speed.png shows them.
benchmarks/README.md says how to read the tables.
"""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Dict

import typer

SECTIONS = ("batches", "documents", "text", "parallel", "streams", "training", "memory")


def machine() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What the figures were measured on."""
    import importlib.metadata

    import psutil

    from spacy_distill import kernels

    names = ("spacy", "thinc", "numpy", "torch", "transformers", "onnxruntime", "spacy-distill")
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "none"
    return {
        "machine": platform.machine(),
        "cores": psutil.cpu_count(logical=False),
        "python": platform.python_version(),
        "kernels": kernels.in_use,
        **versions,
    }


def limit_threads(threads: int) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): An environment in which libraries use so many."""
    names = ("OMP", "OPENBLAS", "MKL", "BLIS")
    limits = {f"{name}_NUM_THREADS": str(threads) for name in names}
    return {**os.environ, **limits, "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false"}


def main(
    student: Annotated[Path, typer.Argument(help="A pipeline with an ner_student")],
    sentences: Annotated[Path, typer.Option(help="Sentences, a .spacy file", exists=True)],
    documents: Annotated[Path, typer.Option(help="Documents, a .spacy file", exists=True)],
    output: Annotated[Path, typer.Option(help="Folder for speed.json and speed.png")],
    spacy_pipeline: Annotated[
        str, typer.Option(help="A pipeline with a tok2vec and an ner")
    ] = "en_core_web_sm",
    wordpieces: Annotated[
        Path | None, typer.Option(help="A BERT tokenizer's folder; without it, no transformers")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count")] = 5,
    seconds: Annotated[float, typer.Option(help="Least time of a system in a round")] = 1.0,
    systems: Annotated[str, typer.Option(help="Only these systems, commas between them")] = "",
    sections: Annotated[str, typer.Option(help="What to measure")] = ",".join(SECTIONS),
    threads: Annotated[
        str, typer.Option(help="Numbers of threads, and what is measured with each of them")
    ] = "1,all",
    worker: Annotated[str, typer.Option(hidden=True)] = "",
    system: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure, print tables and draw a picture."""
    if worker or system:
        import torch
        from speed_sections import measure, peak_memory
        from speed_systems import Sources

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        chosen = tuple(systems.split(",")) if systems else ()
        sources = Sources(student, spacy_pipeline, wordpieces, chosen)
        if system:
            print(json.dumps(peak_memory(sources, sentences, system)))
        else:
            print(json.dumps(measure(worker, sources, sentences, documents, rounds, seconds)))
        return
    output.mkdir(parents=True, exist_ok=True)
    path = output / "speed.json"
    results: Dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    results["machine"] = machine()
    for number in threads.split(","):
        n_threads = os.cpu_count() or 1 if number == "all" else int(number)
        cell = results.setdefault("threads", {}).setdefault(str(n_threads), {})
        for name in sections.split(","):
            if n_threads > 1 and name not in ("batches", "documents"):
                continue
            command = [sys.executable, *sys.argv, "--worker", name]
            environment = limit_threads(n_threads)
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
            cell[name] = json.loads(done.stdout.splitlines()[-1])
            path.write_text(json.dumps(results, indent=1) + "\n")
    from speed_report import draw_picture, print_tables

    print_tables(results)
    draw_picture(results, output / "speed.png")


if __name__ == "__main__":
    typer.run(main)
