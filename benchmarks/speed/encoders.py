"""The encoders of a student next to one another, on one thread:

python -m benchmarks.speed.encoders

All have random weights and read the same vectors. Dense layers have a width of 64, the others that
of the default student. In a prediction, what depends on the word form alone has been computed
before, as for the words of a cache. In training, a forward and a backward pass are timed, down to
the gradients of all weights. In each round every encoder is timed in turn.
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

from itertools import product
from pathlib import Path
from statistics import median
from time import process_time
from typing import Annotated, Any, Callable, Dict, List, Optional, Tuple

import numpy
import typer
from thinc.api import Model, fix_random_seed
from thinc.types import Ragged
from tqdm import tqdm

from benchmarks.pages import show
from benchmarks.speed.recurrence import WIDTH, draw
from spacy_distill import kernels
from spacy_distill.models.bilstm import BiLSTM
from spacy_distill.models.dense_bilstm import DenseBiLSTM
from spacy_distill.models.elementwise import SRU, MinGRU

Run = Callable[[], Any]


def dense(width: int, depth: int, precision: Any) -> Model[Ragged, Ragged]:
    """Make dense layers, as `distill-prune` leaves them: of a width that does not depend on the
    head's."""
    return DenseBiLSTM(DENSE_WIDTH, depth, precision=precision)


DENSE_WIDTH = 64
ENCODERS: Dict[str, Tuple[Callable[..., Model[Ragged, Ragged]], int]] = {
    "BiLSTM, 2 layers": (BiLSTM, 2),
    "SRU, 2 layers": (SRU, 2),
    "SRU, 3 layers": (SRU, 3),
    "minGRU, 2 layers": (MinGRU, 2),
    "minGRU, 3 layers": (MinGRU, 3),
    "dense BiLSTM, 6 layers": (dense, 6),
    "dense BiLSTM, 2 layers": (dense, 2),
    "dense BiLSTM, 1 layer": (dense, 1),
}
TRAINING = "training"


def make_prediction(model: Model[Ragged, Ragged], X: Ragged) -> Run:
    """Make the prediction of a batch of known words."""
    inference = model.attrs["inference"](model)
    table, rows = inference.per_form(X.dataXd), numpy.arange(len(X.dataXd))
    lengths = X.lengths.astype("int64")
    return lambda: inference.per_sequence(table, rows, lengths)


def make_training(model: Model[Ragged, Ragged], X: Ragged) -> Run:
    """Make the forward and backward pass of a batch."""
    width = model.get_dim("nO")
    dY = Ragged(numpy.ones((len(X.dataXd), width), dtype="float32"), X.lengths)

    def train() -> None:
        _, backprop = model.begin_update(X)
        backprop(dY)

    return train


def microseconds(run: Run, seconds: float, n_words: int) -> float:
    """Measure the time a word of at least one call, and of calls for some seconds."""
    start, n_calls, spent = process_time(), 0, 0.0
    while not n_calls or spent < seconds:
        run()
        n_calls += 1
        spent = process_time() - start
    return 1e6 * spent / n_calls / n_words


def main(
    sentences: Annotated[int, typer.Option(min=1, help="Sentences of a batch")] = 64,
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds")] = 7,
    seconds: Annotated[float, typer.Option(help="Least seconds of one measurement")] = 0.1,
    output: Annotated[Optional[Path], typer.Option(help="JSON file of measurements")] = None,
) -> None:
    """Measure and print a table."""
    fix_random_seed(0)
    X = draw(sentences, 0)
    ways = (*kernels.PRECISIONS, TRAINING)
    runs: Dict[Tuple[str, str], Run] = {}
    megabytes: Dict[str, float] = {}
    for (name, (build, depth)), way in product(ENCODERS.items(), ways):
        model = build(WIDTH, depth, "float32" if way == TRAINING else way).initialize(X=X)
        make = make_training if way == TRAINING else make_prediction
        runs[name, way] = make(model, X)
        megabytes[name] = len(model.to_bytes()) / 1e6
    times: Dict[Tuple[str, str], List[float]] = {key: [] for key in runs}
    for number in tqdm(range(rounds + 1), unit="round"):  # the first one warms up
        for key, run in runs.items():
            spent = microseconds(run, seconds, len(X.dataXd))
            if number:
                times[key].append(spent)
    first = next(iter(ENCODERS))
    rows = []
    for name in ENCODERS:
        row = [name, f"{megabytes[name]:.2f}"]
        for way in ways:
            pairs = zip(times[first, way], times[name, way], strict=True)
            faster = median(other / mine for other, mine in pairs)
            row += [f"{1e6 / median(times[name, way]):,.0f}", f"{faster:.2f}"]
        rows.append(row)
    header = ["encoder", "MB", *(cell for way in ways for cell in (f"{way}, words/s", "times"))]
    show(output, "encoders", header, rows)


if __name__ == "__main__":
    typer.run(main)
