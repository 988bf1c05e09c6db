"""The time of each part of a student, and how far it is from what the machine can do:

python -m benchmarks.speed.parts training/compact --text corpus/unlabeled.spacy

The parts of `nlp.pipe` over raw text are run one after another, batches of 64 documents, on one
thread; times are medians of the rounds. Next to them stands the time that the machine needs for as
many operations in a large matrix product, in floats (numpy) or bytes (torch), or to copy as many
bytes (numpy).
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

import importlib.util
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import process_time
from typing import Annotated, Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy
import spacy
import typer
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from thinc.types import Ragged

from benchmarks.pages import show
from spacy_distill import kernels
from spacy_distill.models.chain_tagger import parts
from spacy_distill.pipeline.prediction import Prediction

# Rows and columns of matrix products.
SIZE = 1500
# What the rates count.
FLOATS, INTEGERS, BYTES = "operations in floats", "operations in bytes", "bytes copied"


def best_time(run: Callable[[], Any]) -> float:
    """Measure the least seconds of several calls."""
    times = []
    for _ in range(7):
        start = process_time()
        run()
        times.append(process_time() - start)
    return min(times)


def measure_rates() -> Dict[str, float]:
    """Measure what the machine can do in a second on one thread: operations in floats and in bytes,
    and bytes copied."""
    left, right = (numpy.ones((SIZE, SIZE), dtype="float32") for _ in range(2))
    source = numpy.ones(2**24, dtype="float32")
    target = numpy.empty_like(source)
    rates = {
        FLOATS: 2 * SIZE**3 / best_time(lambda: left @ right),
        BYTES: source.nbytes / best_time(lambda: numpy.copyto(target, source)),
    }
    if importlib.util.find_spec("torch"):
        rates[INTEGERS] = 2 * SIZE**3 / best_time(product_of_bytes())
    return rates


def product_of_bytes() -> Callable[[], Any]:
    """Create a matrix product in bytes, of torch."""
    import torch

    torch.set_num_threads(1)
    layer = torch.nn.Linear(SIZE, SIZE, bias=False)
    quantized = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(layer))
    rows = torch.ones(SIZE, SIZE)
    return lambda: quantized(rows)


class Clock:
    """Adds up the times of parts."""

    def __init__(self) -> None:
        self.seconds: Dict[str, float] = {}
        self._last = process_time()

    def lap(self, part: str) -> None:
        """Add the time since the last call to a part."""
        now = process_time()
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
            start = process_time()
            result = run(*args)
            spent = process_time() - start
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


def count_work(pipe: Any, in_integers: bool) -> Dict[str, Tuple[str, float]]:
    """Count what the parts of a student do per word: the kind of work, and its amount."""
    first, *others = [node for node in pipe.model.walk() if node.has_param("U")]
    weights = first.get_param("U").size  # inputs to the first layer are the word forms'
    weights += sum(layer.get_param(name).size for layer in others for name in ("W", "U"))
    head = pipe.model.get_ref("output_layer")
    n_tags, width = head.get_param("W").shape
    return {
        "word forms": (BYTES, 4.0 * first.get_param("W").shape[0]),  # a row of the cache
        "BiLSTM": (INTEGERS if in_integers else FLOATS, 2.0 * weights),
        "hashes, windows": (BYTES, 2.0 * 8),  # a hash and a row
        "emissions": (FLOATS, 2.0 * n_tags * width),
        "Viterbi": (FLOATS, 2.0 * n_tags * n_tags),
    }


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
    rates: List[Dict[str, float]] = []
    whole = []
    for _ in range(rounds + 1):
        clock = Clock()
        n_words = run_parts(nlp, pipe, texts, clock)
        times.append({part: 1e6 * t / n_words for part, t in clock.seconds.items()})
        rates.append(measure_rates())
        start = process_time()
        for _doc in nlp.pipe(texts, batch_size=64):
            pass
        whole.append(1e6 * (process_time() - start) / n_words)
    rate = {kind: median(found[kind] for found in rates) for kind in rates[0]}
    node = pipe.model.layers[0]
    stack = node.shims[0].encoder(parts(node), nlp.vocab)._inference._stack
    work = count_work(pipe, stack._integers and kernels.allows_integers)
    rows: List[Tuple[str, str, str, str]] = []
    total = least = 0.0
    for part in times[0]:
        spent = median(round_times[part] for round_times in times[1:])
        total += spent
        kind, amount = work.get(part, ("", 0.0))
        limit = 1e6 * amount / rate[kind] if kind in rate else 0.0
        least += limit
        figures = (f"{limit:.2f}", f"{amount:,.0f} {kind}") if limit else ("", "")
        rows.append((part, f"{spent:.2f}", *figures))
    rows.append(("all parts", f"{total:.2f}", f"{least:.2f}", ""))
    rows.append(("nlp.pipe", f"{median(whole[1:]):.2f}", "", ""))
    header = ("part", "us a word", "limit", "of")
    show(output, "parts", header, rows)
    rows_of_rates = [(kind, f"{value / 1e9:,.0f}") for kind, value in rate.items()]
    show(output, "rates", ("of this machine, one thread", "10^9 per second"), rows_of_rates)


if __name__ == "__main__":
    typer.run(main)
