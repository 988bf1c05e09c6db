"""The sections of `measure.py`, one function each."""

import random
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import numpy
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from tqdm import tqdm

from benchmarks.commands import joules
from benchmarks.speed.systems import Sources, create, load

BATCH_SIZES = (1, 32, 64, 128)
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


def consume(docs: Any) -> None:
    for _ in docs:
        pass


def timed_once(run: Callable[[], None], n_words: int, n_docs: int) -> Timed:
    start = perf_counter()
    run()
    spent = perf_counter() - start
    return Timed(n_words / spent, [1000 * spent / n_docs])


def measure(
    section: str, sources: Sources, sentences: Path, documents: Path, rounds: int, seconds: float
) -> Result:
    """Run a section's function on its corpus."""
    if section == "documents":
        return documents_section(sources, read_sentences(documents), rounds, seconds)
    if section == "batches":
        return batches_section(sources, read_sentences(sentences), rounds, seconds)
    of_text = {"text": text_section, "short": short_section}
    return of_text[section](sources, documents, rounds, seconds)
