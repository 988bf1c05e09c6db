"""Bootstrap intervals of gains over test sentences:

python -m benchmarks.low_resource.bootstrap benchmarks/runs/swedish-500 benchmarks/runs/wnut-500
"""

from pathlib import Path
from typing import Annotated, Any, Dict, List, Sequence

import numpy
import typer
from spacy.tokens import Doc
from thinc.types import Ints2d
from wasabi import msg

from benchmarks.commands import provenance
from benchmarks.low_resource.scores import as_examples, find_entities, read_docs
from benchmarks.low_resource.store import GAIN, RESULTS, RUN, Record, Store
from benchmarks.low_resource.tables import between
from spacy_distill.evaluation.bootstrap import Bootstrap
from spacy_distill.evaluation.entity_counts import count_entities, labels_in, scores

PAIR = ("student", "gold-only")
RESAMPLES = 2000
# In percent. One entity of a test set makes a larger difference.
SAME_F1 = 1e-6


def counts_of(model: Path, docs: Sequence[Doc]) -> Ints2d:
    """Count right, wrong and missed entities of a pipeline: (documents, 3)."""
    examples = as_examples(docs, find_entities([model], docs))
    return count_entities(examples, labels_in(examples)).sum(axis=1)


def has_counts(runs: Sequence[Record], counts: Ints2d) -> bool:
    """Check that the first of the runs has the F1 of these counts, so they are its model's."""
    f1 = 100 * float(scores(counts.sum(axis=0))[-1])
    return bool(runs) and abs(f1 - runs[0]["scores"]["test"]["f"]) < SAME_F1


def mean_gain(counts: Sequence[Sequence[Ints2d]], resamples: int = RESAMPLES) -> Dict[str, Any]:
    """Draw test documents with replacement, the same for all systems and seeds.

    counts (Sequence[Sequence[Ints2d]]): For each seed, (documents, 3) of a system and of another.
    RETURNS (Dict[str, Any]): "value", "low" and "high": the mean over seeds of the difference of
        F1, in percent, and its 95 % percentile interval.
    """
    stacked = numpy.stack([numpy.stack(pair, axis=1) for pair in counts], axis=1)
    bootstrap = Bootstrap(len(stacked), resamples=resamples)
    sums = bootstrap.sums(stacked)  # (documents, seeds, systems, 3)

    def gain(totals: numpy.ndarray) -> numpy.ndarray:
        f1 = 100 * scores(totals)[..., -1]
        return (f1[..., 0] - f1[..., 1]).mean(axis=-1)

    counted = int(stacked.any(axis=(1, 2, 3)).sum())
    return dict(bootstrap.interval(float(gain(sums.total)), gain(sums.draws), counted))


def main(
    cells: Annotated[
        List[Path], typer.Argument(help="Folders of runs, with a folder for each seed")
    ],
    store: Annotated[Path, typer.Option(help="Folder of the results")] = RESULTS,
) -> None:
    """Write the interval of the gain of the distilled student over the gold-only student, for
    all seeds whose models are those of the stored runs."""
    results = Store(store)
    for cell in cells:
        dataset, labeled = cell.name.split("-")
        seeds, counts = [], []
        for folder in sorted(cell.glob("seed*")):
            models = [folder / name / "model-best" for name in PAIR]
            if not all(model.exists() for model in models):
                continue
            docs = read_docs(folder / "corpus" / "test.spacy")
            found = [counts_of(model, docs) for model in models]
            seed = int(folder.name[len("seed") :])
            keys = {"record": RUN, "labeled": int(labeled), "seed": seed}
            runs = [results.records(dataset, system=name, **keys) for name in PAIR]
            if not all(map(has_counts, runs, found)):
                msg.warn(f"{folder} has other models than the runs in {store}: left out")
                continue
            seeds.append(seed)
            counts.append(found)
        if not seeds:
            msg.fail(f"{cell} has no seed with models of {' and '.join(PAIR)}", exits=1)
        gain = mean_gain(counts)
        results.write(
            {
                "record": GAIN,
                "dataset": dataset,
                "labeled": int(labeled),
                **gain,
                "seeds": seeds,
                "documents": len(counts[0][0]),
                "resamples": RESAMPLES,
                "made_with": provenance(),
            }
        )
        bounds = between((gain["low"], gain["high"])) or "no interval"
        msg.info(f"{cell.name}, seeds {', '.join(map(str, seeds))}: {gain['value']:+.2f}, {bounds}")


if __name__ == "__main__":
    typer.run(main)
