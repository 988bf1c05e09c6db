"""How far gains depend on the test sentences, by the bootstrap, of the models of `low_resource.py`.

python benchmarks/low_resource_bootstrap.py benchmarks/runs/swedish-500 benchmarks/runs/wnut-500
"""

from pathlib import Path
from typing import Annotated, Any, Dict, List, Sequence

import numpy
import typer
from commands import ROOT
from low_resource_scores import as_examples, find_entities, read_docs
from low_resource_store import Store, provenance, read_json, write_json
from low_resource_tables import between
from spacy.tokens import Doc
from thinc.types import Ints2d
from wasabi import msg

from spacy_distill.evaluation.bootstrap import Bootstrap
from spacy_distill.evaluation.entity_counts import count_entities, labels_in, scores

PAIR = ("student", "gold-only")
RESAMPLES = 2000
# Percent: one entity of a test set is more.
SAME_F1 = 1e-6


def counts_of(model: Path, docs: Sequence[Doc]) -> Ints2d:
    """RETURNS (Ints2d): (documents, 3) right, wrong and missed entities of a pipeline."""
    examples = as_examples(docs, find_entities([model], docs))
    return count_entities(examples, labels_in(examples)).sum(axis=1)


def is_of(run: Path, counts: Ints2d) -> bool:
    """RETURNS (bool): Whether a model with these counts can be that of a stored run: its F1 is the
    same."""
    if not run.exists():
        return False
    f1 = 100 * float(scores(counts.sum(axis=0))[-1])
    return abs(f1 - read_json(run)["scores"]["test"]["f"]) < SAME_F1


def mean_gain(counts: Sequence[Sequence[Ints2d]], resamples: int = RESAMPLES) -> Dict[str, Any]:
    """Draw test documents again and again, the same for all systems and seeds.

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
    cells: Annotated[List[Path], typer.Argument(help="Folders of runs, with a folder a seed")],
    store: Annotated[Path, typer.Option(help="Folder of the results")] = (
        ROOT / "benchmarks" / "results"
    ),
) -> None:
    """Write, beside the results, the interval of the gain of the distilled student over the
    gold-only one, of all seeds whose models are there and are those of the stored runs."""
    for cell in cells:
        seeds, counts = [], []
        for folder in sorted(cell.glob("seed*")):
            models = [folder / name / "model-best" for name in PAIR]
            if not all(model.exists() for model in models):
                continue
            docs = read_docs(folder / "corpus" / "test.spacy")
            found = [counts_of(model, docs) for model in models]
            runs = [store / cell.name / f"{name}-{folder.name}.json" for name in PAIR]
            others = [run for run, of in zip(runs, found, strict=True) if not is_of(run, of)]
            if others:
                msg.warn(f"{folder} has other models than {others[0]}: left out")
                continue
            seeds.append(int(folder.name[len("seed") :]))
            counts.append(found)
        if not seeds:
            msg.fail(f"{cell} has no seed with models of {' and '.join(PAIR)}", exits=1)
        gain = mean_gain(counts)
        content = {**gain, "seeds": seeds, "documents": len(counts[0][0]), "resamples": RESAMPLES}
        write_json(Store(store).bootstrap_path(cell.name), {**content, "made_with": provenance()})
        bounds = between((gain["low"], gain["high"])) or "no interval"
        msg.info(f"{cell.name}, seeds {', '.join(map(str, seeds))}: {gain['value']:+.2f}, {bounds}")


if __name__ == "__main__":
    typer.run(main)
