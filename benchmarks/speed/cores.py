"""What more cores gain: threads, processes of `nlp.pipe`, processes over parts of the text, and
training:

python -m benchmarks.speed.cores training/packaged --text corpus/unlabeled.spacy \
    --labeled corpus/train.spacy --output docs/speed.json
python -m benchmarks.speed.report docs/how-to/cores.md

In each round every way is timed in turn, and the best round counts: other programs on the same
cores make a way slower, never faster.
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Callable, Dict, List, Tuple

import spacy
import typer
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from tqdm import tqdm

from benchmarks.pages import keep
from spacy_distill import kernels

BATCH_SIZE = 64
Way = Callable[[], int]
_worker: Dict[str, Language] = {}


def load(student: Path, threads: int = 1) -> Language:
    """Load the student with a number of threads."""
    return spacy.load(student, config={"components": {"ner_student": {"threads": threads}}})


def read(nlp: Language, texts: List[str], n_process: int = 1) -> int:
    """RETURNS (int): The number of words that were read."""
    docs = nlp.pipe(texts, batch_size=BATCH_SIZE, n_process=n_process)
    return sum(len(doc) for doc in docs)


def start_worker(student: Path, texts: List[str]) -> None:
    _worker["nlp"] = load(student)
    read(_worker["nlp"], texts)


def read_part(texts: List[str]) -> int:
    return read(_worker["nlp"], texts)


def train(nlp: Language, examples: List[Example], threads: int) -> int:
    """RETURNS (int): The number of words of an update."""
    kernels.n_training_threads = threads
    nlp.update(examples, drop=0.4, sgd=False)
    return sum(map(len, examples))


def measure(
    student: Path, texts: List[str], labeled: Path, cores: int, rounds: int
) -> List[Tuple[str, float]]:
    """Measure the words per second of each way."""
    one, several = load(student), load(student, cores)
    learner = load(student)
    docs = DocBin().from_disk(labeled).get_docs(learner.vocab)
    examples = [Example(learner.make_doc(doc.text), doc) for doc in islice(docs, 6)]
    with get_context("spawn").Pool(cores, start_worker, (student, texts)) as pool:
        parts = [texts[number::cores] for number in range(cores)]
        ways: Dict[str, Way] = {
            "one thread": partial(read, one, texts),
            f"`threads` = {cores}": partial(read, several, texts),
            f"`n_process={cores}`": partial(read, one, texts, cores),
            f"{cores} processes, each a part of the text": lambda: sum(pool.map(read_part, parts)),
            "training, one thread": partial(train, learner, examples, 1),
            f"training, {cores} threads": partial(train, learner, examples, cores),
        }
        best = dict.fromkeys(ways, 0.0)
        for number in tqdm(range(rounds + 1), unit="round"):
            for name, run in ways.items():
                start = perf_counter()
                n_words = run()
                if number:  # all have warmed up
                    best[name] = max(best[name], n_words / (perf_counter() - start))
    return list(best.items())


def main(
    student: Annotated[Path, typer.Argument(help="A pipeline with an ner_student")],
    text: Annotated[Path, typer.Option(help="A .spacy file", exists=True)],
    labeled: Annotated[Path, typer.Option(help="A .spacy file with entities", exists=True)],
    output: Annotated[Path, typer.Option(help="JSON file of measurements")],
    cores: Annotated[int, typer.Option(min=2, help="Threads or processes")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds")] = 15,
) -> None:
    """Measure what more cores gain, and add it to the JSON file."""
    docs = DocBin().from_disk(text).get_docs(spacy.blank("en").vocab)
    found = measure(student, [doc.text for doc in docs], labeled, cores, rounds)
    speeds: Dict[str, float] = dict(found)
    rows: List[List[Any]] = []
    for name, speed in found:
        alone = speeds["training, one thread" if name.startswith("training") else "one thread"]
        rows.append([name, f"{speed:,.0f}", f"{speed / alone:.2f}"])
    header = ["way", "words/s", "times one thread"]
    keep(output, "cores", {"header": header, "rows": rows})


if __name__ == "__main__":
    typer.run(main)
