"""How fast the systems of `low_resource.py` read, on one thread, in turn:

python benchmarks/low_resource_rates.py benchmarks/runs/conll-750/seed0
"""

import os

# Libraries read this when they are imported.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
# What a transformer has said of a text is not to be looked up.
os.environ.pop("SPACY_DISTILL_FEATURES", None)

from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Callable, Dict, List, Sequence

import spacy
import typer
from low_resource_data import ROOT
from low_resource_scores import BATCH_SIZE, read_docs
from low_resource_store import RATES, provenance, write_json
from low_resource_systems import SYSTEMS
from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import msg

from spacy_distill.corpora.plain_docs import plain_copy
from spacy_distill.models.feature_cache import FEATURES
from spacy_distill.teachers.sources import load_teacher

READ = ("joined-0", "teacher", "student", "spacy-gold")


def reader(cell: Path, name: str) -> Callable[[Sequence[Doc]], None]:
    """RETURNS (Callable[[Sequence[Doc]], None]): What lets a system read documents."""
    system = SYSTEMS[name]
    if system.command is None:
        models = [str(cell / other / "model-best") for other in system.needs]
        teacher = load_teacher(models)

        def read_by_all(docs: Sequence[Doc]) -> None:
            for start in range(0, len(docs), BATCH_SIZE):
                teacher.predict_chain(docs[start : start + BATCH_SIZE]).argmax()

        return read_by_all
    nlp = spacy.load(cell / name / "model-best")

    def read(docs: Sequence[Doc]) -> None:
        list(nlp.pipe([plain_copy(doc, nlp.vocab) for doc in docs], batch_size=BATCH_SIZE))

    return read


def main(
    cell: Annotated[Path, typer.Argument(help="Folder of a cell's corpus and models")],
    systems: Annotated[str, typer.Option(help="Systems that are there")] = ",".join(READ),
    sentences: Annotated[int, typer.Option(help="Of the test set, from its start")] = 1000,
    rounds: Annotated[int, typer.Option(help="How often each reads")] = 3,
    store: Annotated[Path, typer.Option(help="Folder of the results")] = (
        ROOT / "benchmarks" / "results"
    ),
) -> None:
    """Write words per second, the median of the rounds, beside the results."""
    docs = read_docs(cell / "corpus" / "test.spacy")[:sentences]
    n_words = sum(map(len, docs))
    readers = {name: reader(cell, name) for name in systems.split(",")}
    seconds: Dict[str, List[float]] = {name: [] for name in readers}
    for read in readers.values():
        read(docs[:BATCH_SIZE])
    for _ in tqdm(range(rounds), unit="round"):
        for name, read in readers.items():
            FEATURES.clear()
            start = perf_counter()
            read(docs)
            seconds[name].append(perf_counter() - start)
    rates = {name: n_words / median(values) for name, values in seconds.items()}
    write_json(store / RATES, {"words_per_second": rates, "made_with": provenance()})
    for name, rate in rates.items():
        msg.info(f"{name}: {rate:,.0f} words/s")


if __name__ == "__main__":
    typer.run(main)
