"""A bidirectional LSTM in four ways: the package's kernels, its numpy code, thinc's and torch's:

python -m benchmarks.speed.recurrence --output docs/speed.json
python -m benchmarks.speed.report docs/performance.md

All have two layers of the default student's width and read the same vectors, on one thread. What
is timed is a prediction, and in training a forward and a backward pass down to the gradients of
all weights, without an optimizer. In each round every way is timed in turn.
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Callable, Dict, List, Optional

import numpy
import torch
import typer
from thinc.api import LSTM, fix_random_seed, with_padded
from thinc.types import Floats2d, Ints1d, Ragged
from tqdm import tqdm

from benchmarks.pages import keep
from spacy_distill import kernels
from spacy_distill.models.bilstm import BiLSTM

WIDTH, DEPTH, INPUTS = 200, 2, 278
SENTENCES = (1, 8, 64)
Run = Callable[[], Any]


def draw(n_sentences: int, seed: int) -> Ragged:
    """Draw random vectors of sentences about as long as CoNLL-2003's, 14 tokens on average."""
    rng = numpy.random.default_rng(seed)
    lengths = (1 + rng.gamma(1.6, 8.4, n_sentences)).astype("int32")
    return Ragged(rng.normal(size=(lengths.sum(), INPUTS)).astype("float32"), lengths)


def package_ways(choice: str, precision: Any) -> Callable[[Ragged, Floats2d], Dict[str, Run]]:
    """Make the prediction and training of a batch with the package, for a choice of kernels and the
    precision of inference. Training is always in float32."""
    model = BiLSTM(WIDTH, DEPTH, precision).initialize(X=draw(1, 0))
    inference = model.attrs["inference"](model)

    def ways(X: Ragged, dY: Floats2d) -> Dict[str, Run]:
        rows = numpy.arange(len(X.dataXd))
        kernels.use(choice)
        table = inference.per_form(X.dataXd)

        def predict() -> Any:
            kernels.use(choice)
            return inference.per_sequence(table, rows, X.lengths)

        def train() -> Any:
            kernels.use(choice)
            _, backprop = model.begin_update(X)
            return backprop(Ragged(dY, X.lengths))

        return {"predict": predict, "train": train}

    return ways


def thinc_ways() -> Callable[[Ragged, Floats2d], Dict[str, Run]]:
    """Make the prediction and training of a batch with `thinc.api.LSTM`."""
    model: Any = with_padded(LSTM(WIDTH, INPUTS, bi=True, depth=DEPTH)).initialize()

    def ways(X: Ragged, dY: Floats2d) -> Dict[str, Run]:
        def train() -> Any:
            _, backprop = model.begin_update(X)
            return backprop(Ragged(dY, X.lengths))

        return {"predict": lambda: model.predict(X), "train": train}

    return ways


def torch_ways() -> Callable[[Ragged, Floats2d], Dict[str, Run]]:
    """Make the prediction and training of a packed batch with `torch.nn.LSTM`."""
    model = torch.nn.LSTM(INPUTS, WIDTH // 2, num_layers=DEPTH, bidirectional=True)

    def read(X: Floats2d, lengths: Ints1d) -> torch.Tensor:
        sentences = list(torch.from_numpy(X).split(lengths.tolist()))
        packed = torch.nn.utils.rnn.pack_sequence(sentences, enforce_sorted=False)
        padded, _ = torch.nn.utils.rnn.pad_packed_sequence(model(packed)[0], batch_first=True)
        return torch.cat([padded[row, :length] for row, length in enumerate(lengths.tolist())])

    def ways(X: Ragged, dY: Floats2d) -> Dict[str, Run]:
        @torch.inference_mode()
        def predict() -> Any:
            return read(X.dataXd, X.lengths)

        def train() -> None:
            model.zero_grad()
            read(X.dataXd, X.lengths).backward(torch.from_numpy(dY))

        return {"predict": predict, "train": train}

    return ways


def milliseconds(run: Run, seconds: float) -> float:
    """Measure the mean time of a call, over at least some seconds."""
    start, n_calls, spent = perf_counter(), 0, 0.0
    while spent < seconds:
        run()
        n_calls += 1
        spent = perf_counter() - start
    return 1000 * spent / n_calls


def measure(rounds: int, seconds: float) -> Dict[str, Dict[str, Dict[int, List[float]]]]:
    """Measure the milliseconds of a batch, by system, kind of run, batch size and round."""
    systems = {
        f"{choice}, {precision}": package_ways(choice, precision)
        for precision in kernels.PRECISIONS
        for choice in kernels.CHOICES
        # AVX-VNNI has instructions for integers alone, and numpy follows.
        if choice not in ("baseline", "numpy") and (choice, precision) != ("avxvnni", "float32")
    }
    systems["numpy, float32"] = package_ways("numpy", "float32")
    systems.update({"thinc.api.LSTM": thinc_ways(), "torch.nn.LSTM": torch_ways()})
    found: Dict[str, Dict[str, Dict[int, List[float]]]] = {
        name: {kind: {size: [] for size in SENTENCES} for kind in ("predict", "train")}
        for name in systems
    }
    for number in tqdm(range(rounds + 1), unit="round"):  # the first one warms up
        for size in SENTENCES:
            X = draw(size, number)
            dY = numpy.ones((len(X.dataXd), WIDTH), dtype="float32")
            for name, ways in systems.items():
                for kind, run in ways(X, dY).items():
                    spent = milliseconds(run, seconds)
                    if number:
                        found[name][kind][size].append(spent)
    return found


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds")] = 11,
    seconds: Annotated[float, typer.Option(help="Least seconds of one measurement")] = 0.2,
    output: Annotated[Optional[Path], typer.Option(help="JSON file of measurements")] = None,
) -> None:
    """Measure, print the table and keep all rounds."""
    from benchmarks.speed.report import recurrence_table

    torch.set_num_threads(1)
    fix_random_seed(0)
    content = {
        "width": WIDTH,
        "depth": DEPTH,
        "inputs": INPUTS,
        "versions": {name: version(name) for name in ("thinc", "numpy", "torch")},
        "milliseconds": measure(rounds, seconds),
    }
    keep(output, "recurrence", content)
    print(recurrence_table(content))


if __name__ == "__main__":
    typer.run(main)
