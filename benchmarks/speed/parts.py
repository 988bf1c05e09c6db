"""The time of each part of a student, and how far it is from what the machine can do:

python -m benchmarks.speed.parts training/compact --text corpus/unlabeled.spacy

The parts of `nlp.pipe` over raw text are run one after another, batches of 64 documents, on one
thread; times are medians of the rounds. Beside parts that are arithmetic stands the time that as
many operations take in one large matrix product of numpy's.
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any, Dict, Iterator, List, Optional, Tuple

import numpy
import spacy
import typer
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from thinc.types import Ragged
from wasabi import msg

from benchmarks.pages import show
from spacy_distill.models.chain_tagger import parts
from spacy_distill.pipeline.prediction import Prediction


def operations_per_second() -> float:
    """Measure the multiplications and additions per second of a large matrix product."""
    left, right = (numpy.ones((2000, 2000), dtype="float32") for _ in range(2))
    times = []
    for _ in range(5):
        start = perf_counter()
        left @ right
        times.append(perf_counter() - start)
    return 2 * 2000**3 / median(times)


class Clock:
    """Adds up the times of parts."""

    def __init__(self) -> None:
        self.seconds: Dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, part: str) -> None:
        """Add the time since the last call to a part."""
        now = perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now

    def _take(self, part: str, spent: float) -> None:
        self.seconds[part] = self.seconds.get(part, 0.0) + spent
        self._last += spent  # not a second time, as what is around it

    @contextmanager
    def within(self, owner: Any, method: str, part: str) -> Iterator[None]:
        """Count the time of an object's method as a part of its own, within a context."""
        run = getattr(owner, method)

        def timed(*args: Any) -> Any:
            start = perf_counter()
            result = run(*args)
            spent = perf_counter() - start
            self._take(part, spent)
            return result

        setattr(owner, method, timed)
        try:
            yield
        finally:
            delattr(owner, method)


def run_parts(nlp: Any, pipe: Any, texts: List[str], clock: Clock) -> int:
    """Tag texts part by part.

    RETURNS (int): Their words.
    """
    node = pipe.model.layers[0]
    head = pipe.model.get_ref("output_layer")
    n_words = 0
    for start in range(0, len(texts), 64):
        docs = [nlp.make_doc(text) for text in texts[start : start + 64]]
        clock.lap("tokenizer")
        encoder = node.shims[0].encoder(parts(node), nlp.vocab)
        look_up = clock.within(encoder._cache, "look_up", "word forms")
        with look_up, clock.within(encoder._inference._stack, "predict", "BiLSTM"):
            states = encoder.encode(docs)
        clock.lap("hashes, windows")
        lengths = numpy.asarray([len(doc) for doc in docs])
        chain = head.predict(Ragged(states, lengths))
        clock.lap("emissions")
        tags = chain.argmax()
        clock.lap("Viterbi")
        pipe.set_annotations(docs, Prediction(tags))
        clock.lap("entities")
        n_words += len(tags)
    return n_words


def count_operations(pipe: Any) -> Dict[str, float]:
    """Count the multiplications and additions per word, by part."""
    first, *others = [node for node in pipe.model.walk() if node.has_param("U")]
    weights = first.get_param("U").size  # inputs to the first layer are the word forms'
    weights += sum(layer.get_param(name).size for layer in others for name in ("W", "U"))
    emissions = pipe.model.get_ref("output_layer").get_param("W").size
    return {"BiLSTM": 2.0 * weights, "emissions": 2.0 * emissions}


def main(
    student: Annotated[Path, typer.Argument(help="A pipeline with an ner_student")],
    text: Annotated[Path, typer.Option(help="Documents, a .spacy file", exists=True)],
    rounds: Annotated[int, typer.Option(min=1)] = 7,
    output: Annotated[Optional[Path], typer.Option(help="JSON file of measurements")] = None,
) -> None:
    """Measure and print a table."""
    nlp = spacy.load(student)
    pipe: Any = nlp.get_pipe("ner_student")
    texts = [doc.text for doc in DocBin().from_disk(text).get_docs(Vocab())]
    times: List[Dict[str, float]] = []
    rates, whole = [], []
    for _ in range(rounds + 1):
        clock = Clock()
        n_words = run_parts(nlp, pipe, texts, clock)
        times.append({part: 1e6 * t / n_words for part, t in clock.seconds.items()})
        rates.append(operations_per_second())
        start = perf_counter()
        for _doc in nlp.pipe(texts, batch_size=64):
            pass
        whole.append(1e6 * (perf_counter() - start) / n_words)
    rate = median(rates)
    operations = count_operations(pipe)
    rows: List[Tuple[str, str, str]] = []
    total = 0.0
    for part in times[0]:
        spent = median(round_times[part] for round_times in times[1:])
        total += spent
        limit = f"{1e6 * operations[part] / rate:.2f}" if part in operations else ""
        rows.append((part, f"{spent:.2f}", limit))
    rows.append(("all parts", f"{total:.2f}", f"{1e6 * sum(operations.values()) / rate:.2f}"))
    rows.append(("nlp.pipe", f"{median(whole[1:]):.2f}", ""))
    header = ("part", "us a word", "limit")
    show(output, "parts", header, rows)
    msg.text(f"A large matrix product: {rate / 1e9:.0f} GFLOP/s.")


if __name__ == "__main__":
    typer.run(main)
