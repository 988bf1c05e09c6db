"""Speed and F1 of a teacher by the precision of torch's matrix products:

python -m benchmarks.teachers.precision training/teacher/model-best corpus/test.spacy \\
    --output docs/precision.json

On one thread, in several rounds, and without stored features. `benchmarks.teachers.report` writes
the table.
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

from pathlib import Path
from statistics import median
from time import process_time
from typing import Annotated, Dict, List

import numpy
import spacy
import torch
import typer
from spacy.training import Corpus
from spacy.util import minibatch
from wasabi import msg

from benchmarks.commands import provenance, write_json
from spacy_distill.encoders.feature_cache import FEATURES
from spacy_distill.encoders.matmul_precision import PRECISIONS, in_precision
from spacy_distill.evaluation.speed import without_stored_features
from spacy_distill.teachers import load_teacher

BATCH_SIZE = 64


def main(
    teacher: Annotated[Path, typer.Argument(help="Pipeline with a transformer")],
    corpus: Annotated[Path, typer.Argument(help="Documents with gold entities, a .spacy file")],
    rounds: Annotated[int, typer.Option(help="Number of rounds")] = 3,
    output: Annotated[Path, typer.Option(help="JSON file")] = Path(
        "benchmarks/runs/precision.json"
    ),
) -> None:
    """Measure a teacher in each precision."""
    torch.set_num_threads(1)
    nlp = spacy.load(teacher)
    source = load_teacher(nlp)
    docs = [example.reference for example in Corpus(corpus)(nlp)]
    n_words = sum(map(len, docs))
    rates: Dict[str, List[float]] = {precision: [] for precision in PRECISIONS}
    marginals, f1 = {}, {}
    with without_stored_features():
        for _ in range(rounds):
            for precision in PRECISIONS:
                FEATURES.clear()
                start = process_time()
                with in_precision(precision):
                    chains = [source.predict_chain(batch) for batch in minibatch(docs, BATCH_SIZE)]
                rates[precision].append(n_words / (process_time() - start))
                marginals[precision] = numpy.concatenate([chain.marginals() for chain in chains])
        for precision in PRECISIONS:
            FEATURES.clear()
            with in_precision(precision):
                f1[precision] = nlp.evaluate(list(Corpus(corpus)(nlp)))["ents_f"]
    exact = marginals[PRECISIONS[0]]
    found = {
        precision: {
            "words_per_second": median(rates[precision]),
            "rounds": rates[precision],
            "f1": f1[precision],
            "mean_difference": float(abs(marginals[precision] - exact).max(axis=1).mean()),
            "other_tags": float((marginals[precision].argmax(1) != exact.argmax(1)).mean()),
        }
        for precision in PRECISIONS
    }
    words = {"documents": len(docs), "words": n_words}
    write_json(output, {**words, "precisions": found, "made_with": provenance()})
    for precision, values in found.items():
        msg.good(
            f"{precision}: {values['words_per_second']:,.0f} words/s, F1 {100 * values['f1']:.2f}"
        )


if __name__ == "__main__":
    typer.run(main)
