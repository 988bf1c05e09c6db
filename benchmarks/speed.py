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
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Callable, Dict, Iterator, List, Mapping, Tuple

import typer

BATCH_SIZES = (1, 32, 64, 128)
STREAMS = (10_000, 100_000, 1_000_000)
Words = List[str]
Result = Dict[str, Any]
# Words a second, and milliseconds a document.
Timed = Tuple[float, List[float]]


def read_sentences(path: Path) -> List[Words]:
    """RETURNS (List[Words]): The words of a .spacy file's documents that have any."""
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    docs = DocBin().from_disk(path).get_docs(Vocab())
    return [[token.text for token in doc] for doc in docs if len(doc)]


def read_texts(path: Path) -> List[Tuple[str, int]]:
    """RETURNS (List[Tuple[str, int]]): The text of a .spacy file's documents, and its words."""
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    return [(doc.text, len(doc)) for doc in DocBin().from_disk(path).get_docs(Vocab())]


def draw(sentences: List[Words], size: int, seed: int) -> Iterator[List[Words]]:
    """YIELDS (List[Words]): Batches, without end."""
    generator = random.Random(seed)
    while True:
        yield generator.choices(sentences, k=size)


def time_batches(
    run: Callable[[Any], Any],
    prepare: Callable[[List[Words]], Any],
    batches: Iterator[List[Words]],
    seconds: float,
) -> Timed:
    """Run batches for so long, at least one.

    RETURNS (Timed): Words a second, and milliseconds a document of each batch.
    """
    total, n_words, each = 0.0, 0, []
    while total < seconds:
        batch = next(batches)
        prepared = prepare(batch)
        start = perf_counter()
        run(prepared)
        spent = perf_counter() - start
        total += spent
        n_words += sum(map(len, batch))
        each.append(1000 * spent / len(batch))
    return n_words / total, each


def in_turn(timed: Mapping[str, Callable[..., Timed]], rounds: int, label: str) -> Result:
    """Time several things round by round, after one to warm up.

    timed (Mapping[str, Callable]): What gives `time_batches`' result for a round's number.
    RETURNS (Result): For each, words a second by round, and median and 95th percentile of the
        milliseconds a document.
    """
    import numpy
    from tqdm import tqdm

    speeds: Dict[str, List[float]] = {name: [] for name in timed}
    each: Dict[str, List[float]] = {name: [] for name in timed}
    with tqdm(total=(rounds + 1) * len(timed), desc=label) as bar:
        for number in range(rounds + 1):
            for name, run in timed.items():
                speed, milliseconds = run(number)
                bar.update()
                if number:
                    speeds[name].append(speed)
                    each[name] += milliseconds
    return {
        name: {
            "words_per_second": speeds[name],
            "ms_per_document": numpy.percentile(each[name], [50, 95]).tolist(),
        }
        for name in timed
    }


def batches_section(sources: Any, sentences: List[Words], rounds: int, seconds: float) -> Result:
    """RETURNS (Result): Every system with every batch size."""
    systems = {name: make() for name, make in sources.systems().items()}
    timed = {}
    for name, system in systems.items():
        for size in BATCH_SIZES:
            # All systems get the same batches in a round.
            timed[f"{name}/{size}"] = lambda number, system=system, size=size: time_batches(
                system.run, system.prepare, draw(sentences, size, number), seconds
            )
    results = in_turn(timed, rounds, "Batches")
    return {
        name: {
            "parameters": system.parameters,
            "batches": {size: results[f"{name}/{size}"] for size in BATCH_SIZES},
        }
        for name, system in systems.items()
    }


def documents_section(sources: Any, documents: List[Words], rounds: int, seconds: float) -> Result:
    """RETURNS (Result): Every system on whole documents, 8 at a time."""
    timed = {}
    for name, make in sources.systems().items():
        system = make()
        timed[name] = lambda number, system=system: time_batches(
            system.run, system.prepare, draw(documents, 8, number), seconds
        )
    return in_turn(timed, rounds, "Documents")


def pipelines(sources: Any) -> Dict[str, Tuple[str, List[str]]]:
    """RETURNS (Dict[str, Tuple[str, List[str]]]): The pipelines' folders or names, and what is run
    of them."""
    return {
        "student": (str(sources.student), ["ner_student"]),
        "spaCy tok2vec + ner": (sources.spacy_pipeline, ["tok2vec", "ner"]),
    }


def text_section(sources: Any, path: Path, rounds: int, seconds: float) -> Result:
    """RETURNS (Result): Whole pipelines and the tokenizer alone on raw text: again and again, so
    that whatever they keep of words is there, and by pipelines that were just loaded."""
    from speed_systems import load

    wanted = pipelines(sources)
    texts = read_texts(path)
    n_words = sum(length for _, length in texts)

    def tag(nlp: Any) -> Timed:
        stream = (text for text, _ in texts)
        return timed_once(lambda: consume(nlp.pipe(stream, batch_size=64)), n_words, len(texts))

    def tokenize(nlp: Any) -> Timed:
        docs = (nlp.make_doc(text) for text, _ in texts)
        return timed_once(lambda: consume(docs), n_words, len(texts))

    loaded = {name: load(*where) for name, where in wanted.items()}
    timed: Dict[str, Callable[..., Timed]] = {}
    for name, where in wanted.items():
        timed[name] = lambda number, name=name: tag(loaded[name])
        timed[f"{name}, first reading"] = lambda number, where=where: tag(load(*where))
    timed["tokenizer"] = lambda number: tokenize(loaded["student"])
    timed["tokenizer, first reading"] = lambda number: tokenize(load(*wanted["student"]))
    return in_turn(timed, rounds, "Text")


def parallel_section(sources: Any, path: Path, rounds: int, seconds: float) -> Result:
    """RETURNS (Result): The whole pipelines on raw text alone, with two threads and with two
    processes, 16 documents at a time; each of a pipeline's runs gets the same text, of some
    seconds' work."""
    from speed_systems import load

    found = read_texts(path)
    timed: Dict[str, Callable[..., Timed]] = {}
    for system, (name, components) in pipelines(sources).items():
        nlp = load(name, components)
        some = [text for text, _ in found[:64]]
        consume(nlp.pipe(some))
        start = perf_counter()
        consume(nlp.pipe(some))
        n_texts = int(len(some) * 5 * seconds / (perf_counter() - start)) + 1
        chosen = (found * (n_texts // len(found) + 1))[:n_texts]
        n_words = sum(length for _, length in chosen)
        texts = [text for text, _ in chosen]

        def pipe(texts: List[str], nlp: Any = nlp, size: int = 16, n_process: int = 1) -> None:
            consume(nlp.pipe(texts, batch_size=size, n_process=n_process))

        def two_threads(texts: List[str] = texts, pipe: Callable[..., None] = pipe) -> None:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(pipe, (texts[::2], texts[1::2])))

        runs: Dict[str, Callable[[], None]] = {
            "": partial(pipe, texts),
            ", batches of 64": partial(pipe, texts, size=64),
            ", two threads": two_threads,
            ", two processes": partial(pipe, texts, n_process=2),
        }
        for how, run in runs.items():
            timed[f"{system}{how}"] = lambda number, run=run, n_words=n_words, n_texts=n_texts: (
                timed_once(run, n_words, n_texts)
            )
    return in_turn(timed, rounds, "Parallel")


def training_section(sources: Any, sentences: List[Words], rounds: int, seconds: float) -> Result:
    """RETURNS (Result): `update` and `distill` of new students with few and many labels, batches of
    64 sentences whose entities are drawn."""
    from speed_systems import untrained

    timed = {}
    for n_labels in (4, 18):
        batches = [batch for batch, _ in zip(draw(sentences, 64, 0), range(20), strict=False)]
        steps = untrained(batches, n_labels)
        n_words = sum(len(words) for batch in batches for words in batch)
        for kind, run in steps.items():
            timed[f"{kind}, {n_labels} labels"] = lambda number, run=run, n_words=n_words: (
                timed_once(run, n_words, 64 * 20)
            )
    return in_turn(timed, rounds, "Training")


def consume(docs: Any) -> None:
    for _ in docs:
        pass


def timed_once(run: Callable[[], None], n_words: int, n_docs: int) -> Timed:
    start = perf_counter()
    run()
    spent = perf_counter() - start
    return n_words / spent, [1000 * spent / n_docs]


def streams_section(sources: Any, sentences: List[Words], rounds: int, seconds: float) -> Result:
    """RETURNS (Result): The student on streams of sentences, and on single documents, of so many
    words, by a pipeline that was just loaded each time, short streams repeatedly; and on a short
    stream again and again. That documents are made, a thousand at a time, is not timed: spaCy's
    vocabulary takes its time for each new word."""
    from spacy.tokens import Doc
    from speed_systems import load

    def read(nlp: Any, documents: List[Words]) -> float:
        spent = 0.0
        for first in range(0, len(documents), 1024):
            docs = [Doc(nlp.vocab, words=words) for words in documents[first : first + 1024]]
            start = perf_counter()
            consume(nlp.pipe(docs, batch_size=64))
            spent += perf_counter() - start
        return spent

    def new() -> Any:
        return load(str(sources.student), ["ner_student"])

    def several(get: Callable[[], Any], documents: List[Words], n_times: int) -> Timed:
        n_words = sum(map(len, documents))
        each = [read(get(), documents) for _ in range(n_times)]
        return n_times * n_words / sum(each), [1000 * t / len(documents) for t in each]

    kept = new()
    timed: Dict[str, Callable[..., Timed]] = {}
    for size in STREAMS:
        n_times = max(STREAMS[1] // size, 1)
        chosen: List[Words] = []
        left = size
        for batch in draw(sentences, 1, 0):
            chosen += batch
            left -= len(batch[0])
            if left <= 0:
                break
        timed[f"sentences, {size:,} words"] = lambda number, documents=chosen, n=n_times: several(
            new, documents, n
        )
        if size > STREAMS[1]:
            continue  # ten documents of 100,000 words say the same
        joined = [[word for words in chosen for word in words]]
        timed[f"one document, {size:,} words"] = lambda number, documents=joined, n=n_times: (
            several(new, documents, n)
        )
        if size == STREAMS[0]:
            timed["the same sentences again"] = lambda number, documents=chosen, n=n_times: several(
                lambda: kept, documents, n
            )
    return in_turn(timed, rounds, "Streams")


def memory_section(sources: Any, sentences: List[Words], rounds: int, seconds: float) -> Result:
    """RETURNS (Result): Peak MB of a process that makes a system and tags 500 sentences."""
    peaks = {}
    for name in sources.systems():
        command = [*sys.argv, "--worker", "memory", "--system", name]
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=True
        )
        peaks[name] = json.loads(done.stdout.splitlines()[-1])
    return peaks


SECTIONS: Dict[str, Callable[..., Result]] = {
    "batches": batches_section,
    "documents": documents_section,
    "text": text_section,
    "parallel": parallel_section,
    "streams": streams_section,
    "training": training_section,
    "memory": memory_section,
}


def peak_memory(sources: Any, sentences: List[Words], name: str) -> float:
    """RETURNS (float): MB (10**6 bytes)."""
    import psutil

    system = sources.systems()[name]()
    for start in range(0, 500, 32):
        system.run(system.prepare(sentences[start : start + 32]))
    info = psutil.Process().memory_info()
    peak = getattr(info, "peak_wset", 0)
    if not peak:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return peak / 1e6


def machine() -> Result:
    """RETURNS (Result): What the figures were measured on."""
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
    from speed_systems import Sources

    chosen = tuple(systems.split(",")) if systems else ()
    sources = Sources(student, spacy_pipeline, wordpieces, chosen)
    if system:
        print(json.dumps(peak_memory(sources, read_sentences(sentences), system)))
        return
    if worker:
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        given = {
            "documents": lambda: read_sentences(documents),
            "text": lambda: documents,
            "parallel": lambda: documents,
        }.get(worker, lambda: read_sentences(sentences))
        print(json.dumps(SECTIONS[worker](sources, given(), rounds, seconds)))
        return
    output.mkdir(parents=True, exist_ok=True)
    path = output / "speed.json"
    results: Result = json.loads(path.read_text()) if path.is_file() else {}
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
