"""The sections of `measure.py`, one function each."""

import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import numpy
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from tqdm import tqdm

from benchmarks.commands import joules
from benchmarks.speed.systems import Sources, create, load
from benchmarks.speed.untrained import untrained

BATCH_SIZES = (1, 32, 64, 128)
STREAMS = (10_000, 100_000, 1_000_000)
Words = List[str]
Result = Dict[str, Any]


class Timed(NamedTuple):
    """Words a second, milliseconds a document of each batch, and joules a million words, where the
    machine counts them."""

    words_per_second: float
    milliseconds: List[float]
    joules: Optional[float] = None


def read_sentences(path: Path) -> List[Words]:
    """Read the words of a .spacy file's documents, without empty ones."""
    docs = DocBin().from_disk(path).get_docs(Vocab())
    return [[token.text for token in doc] for doc in docs if len(doc)]


def read_texts(path: Path) -> List[Tuple[str, int]]:
    """Read the texts of a .spacy file's documents, and their numbers of words."""
    return [(doc.text, len(doc)) for doc in DocBin().from_disk(path).get_docs(Vocab())]


def draw(sentences: List[Words], size: int, seed: int) -> Iterator[List[Words]]:
    """Yield random batches without end."""
    generator = random.Random(seed)
    while True:
        yield generator.choices(sentences, k=size)


def time_batches(
    run: Callable[[Any], Any],
    prepare: Callable[[List[Words]], Any],
    batches: Iterator[List[Words]],
    seconds: float,
) -> Timed:
    """Run batches for some seconds, at least one batch.

    RETURNS (Timed): The speed, and the energy if there is a counter.
    """
    total, n_words, each, energy = 0.0, 0, [], 0.0
    while total < seconds:
        batch = next(batches)
        prepared = prepare(batch)
        counter, start = joules(), perf_counter()
        run(prepared)
        spent, after = perf_counter() - start, joules()
        if counter is not None and after is not None:
            energy += max(after - counter, 0.0)  # the counter may start again at 0
        total += spent
        n_words += sum(map(len, batch))
        each.append(1000 * spent / len(batch))
    return Timed(n_words / total, each, 1e6 * energy / n_words if energy else None)


def in_turn(timed: Mapping[str, Callable[..., Timed]], rounds: int, label: str) -> Result:
    """Time several systems in turn, round by round, after a warm-up round.

    timed (Mapping[str, Callable]): What gives `time_batches`' result for a round's number.
    RETURNS (Result): For each, words a second by round, and median and 95th percentile of the
        milliseconds a document.
    """
    speeds: Dict[str, List[float]] = {name: [] for name in timed}
    each: Dict[str, List[float]] = {name: [] for name in timed}
    energy: Dict[str, List[float]] = {name: [] for name in timed}
    with tqdm(total=(rounds + 1) * len(timed), desc=label) as bar:
        for number in range(rounds + 1):
            for name, run in timed.items():
                found = run(number)
                bar.update()
                if number:
                    speeds[name].append(found.words_per_second)
                    each[name] += found.milliseconds
                    energy[name] += [] if found.joules is None else [found.joules]
    return {
        name: {
            "words_per_second": speeds[name],
            "ms_per_document": numpy.percentile(each[name], [50, 95]).tolist(),
            **({"joules_per_million_words": energy[name]} if energy[name] else {}),
        }
        for name in timed
    }


def batches_section(
    sources: Sources, sentences: List[Words], rounds: int, seconds: float
) -> Result:
    """Measure every system with every batch size."""
    systems = create(sources.systems())
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


def documents_section(
    sources: Sources, documents: List[Words], rounds: int, seconds: float
) -> Result:
    """Measure every system on whole documents, 8 in a batch."""
    timed = {}
    for name, system in create(sources.systems()).items():
        timed[name] = lambda number, system=system: time_batches(
            system.run, system.prepare, draw(documents, 8, number), seconds
        )
    return in_turn(timed, rounds, "Documents")


def text_section(sources: Sources, path: Path, rounds: int, seconds: float) -> Result:
    """Measure whole pipelines and the tokenizer alone on raw text: with warm caches, and just
    after loading."""
    texts = read_texts(path)
    n_words = sum(length for _, length in texts)

    def tag(nlp: Any) -> Timed:
        stream = (text for text, _ in texts)
        return timed_once(lambda: consume(nlp.pipe(stream, batch_size=64)), n_words, len(texts))

    def tokenize(nlp: Any) -> Timed:
        docs = (nlp.make_doc(text) for text, _ in texts)
        return timed_once(lambda: consume(docs), n_words, len(texts))

    makers = sources.pipelines()
    loaded = create(makers)
    timed: Dict[str, Callable[..., Timed]] = {}
    for name, nlp in loaded.items():
        timed[name] = lambda number, nlp=nlp: tag(nlp)
        timed[f"{name}, first reading"] = lambda number, make=makers[name]: tag(make())
    student = partial(load, str(sources.student), ["ner_student"])
    kept = student()
    timed["tokenizer"] = lambda number: tokenize(kept)
    timed["tokenizer, first reading"] = lambda number: tokenize(student())
    return in_turn(timed, rounds, "Text")


def short_section(sources: Sources, path: Path, rounds: int, seconds: float) -> Result:
    """Measure whole pipelines on one short document of raw text at a time: the first 13 tokens of a
    document, which the pipelines have read before."""
    docs = DocBin().from_disk(path).get_docs(Vocab())
    texts = [doc[:13].text for doc in docs if len(doc) >= 13]
    timed: Dict[str, Callable[..., Timed]] = {}
    for name, nlp in create(sources.pipelines()).items():
        consume(map(nlp, texts))

        def read(number: int, nlp: Any = nlp) -> Timed:
            generator = random.Random(number)
            each: List[float] = []
            while sum(each) < 1000 * seconds:
                text = generator.choice(texts)
                start = perf_counter()
                nlp(text)
                each.append(1000 * (perf_counter() - start))
            return Timed(13 * len(each) / (sum(each) / 1000), each)

        timed[name] = read
    return in_turn(timed, rounds, "Short")


def parallel_section(sources: Sources, path: Path, rounds: int, seconds: float) -> Result:
    """Measure whole pipelines on raw text: alone, with two threads and with two processes, 16
    documents in a batch. All runs of a pipeline get the same text, which takes some seconds."""
    found = read_texts(path)
    timed: Dict[str, Callable[..., Timed]] = {}
    for system, nlp in create(sources.pipelines()).items():
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


def training_section(
    sources: Sources, sentences: List[Words], rounds: int, seconds: float
) -> Result:
    """Measure `update` and `distill` of new students with few and many labels, in batches of 64
    sentences with random entities."""
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
    return Timed(n_words / spent, [1000 * spent / n_docs])


def streams_section(
    sources: Sources, sentences: List[Words], rounds: int, seconds: float
) -> Result:
    """Measure a newly loaded student on streams of sentences and on single documents, by their
    length in words, and a short stream that is repeated. The time to create documents does not
    count, since spaCy's vocabulary needs time for each new word."""

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
        return Timed(n_times * n_words / sum(each), [1000 * t / len(documents) for t in each])

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


def measure(
    section: str, sources: Sources, sentences: Path, documents: Path, rounds: int, seconds: float
) -> Result:
    """Run a section's function on its corpus."""
    if section == "documents":
        return documents_section(sources, read_sentences(documents), rounds, seconds)
    of_text = {"text": text_section, "short": short_section, "parallel": parallel_section}
    if section in of_text:
        return of_text[section](sources, documents, rounds, seconds)
    of_sentences = {
        "batches": batches_section,
        "streams": streams_section,
        "training": training_section,
    }
    return of_sentences[section](sources, read_sentences(sentences), rounds, seconds)
