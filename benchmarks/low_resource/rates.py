"""The speed of trained systems on one thread. Systems take turns, in another order in each round:

python -m benchmarks.low_resource.rates benchmarks/runs/conll-750/seed0
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

from pathlib import Path
from statistics import median
from time import process_time
from typing import Annotated, Dict, List

import typer
from tqdm import tqdm
from wasabi import msg

from benchmarks.commands import provenance
from benchmarks.low_resource.scores import load_reader, read_docs
from benchmarks.low_resource.store import RATES, RESULTS, Store
from benchmarks.low_resource.systems import system_of
from spacy_distill.encoders.feature_cache import FEATURES

DEFAULT_SYSTEMS = "teacher,student,gold-only"
WARM_UP = 100


def main(
    cell: Annotated[Path, typer.Argument(help="Folder of a cell's corpus and models")],
    systems: Annotated[
        str, typer.Option(help="Systems, whose models have to exist")
    ] = DEFAULT_SYSTEMS,
    sentences: Annotated[
        int,
        typer.Option(
            help="Number of sentences of the test set in a round, new ones if there are enough"
        ),
    ] = 1000,
    rounds: Annotated[int, typer.Option(help="Number of rounds")] = 3,
    store: Annotated[Path, typer.Option(help="Folder of the results")] = RESULTS,
) -> None:
    """Write the words per processor second of each round and their median to the store."""
    docs = read_docs(cell / "corpus" / "test.spacy")
    size = min(sentences, len(docs) // rounds)
    parts = [docs[number * size : (number + 1) * size] for number in range(rounds)]
    readers = {}
    for name in systems.split(","):
        system = system_of(name)
        members = [name] if system.command else system.needs
        readers[name] = load_reader([cell / member / "model-best" for member in members])
    for read in readers.values():
        read(read_docs(cell / "corpus" / "dev.spacy")[:WARM_UP])
    seconds: Dict[str, List[float]] = {name: [] for name in readers}
    words = [sum(map(len, part)) for part in parts]
    names = list(readers)
    for number, part in enumerate(tqdm(parts, unit="round")):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            FEATURES.clear()
            start = process_time()
            readers[name](part)
            seconds[name].append(process_time() - start)
    each_round = {
        name: [n / value for n, value in zip(words, values, strict=True)]
        for name, values in seconds.items()
    }
    rates = {name: median(values) for name, values in each_round.items()}
    dataset = cell.parent.name.partition("-")[0]
    content = {
        "record": RATES,
        "dataset": dataset,
        "words_per_second": rates,
        "each_round": each_round,
        "cell": f"{cell.parent.name}/{cell.name}",
        "sentences": size,
        "rounds": rounds,
        "made_with": provenance(),
    }
    Store(store).write(content)
    for name, rate in rates.items():
        msg.info(f"{name}: {rate:,.0f} words/s")


if __name__ == "__main__":
    typer.run(main)
