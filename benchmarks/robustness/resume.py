"""Measure what `spacy distill --resume` costs: a checkpoint, and the replay of a step.

The student is that of `distill-init`, without word vectors, which are no part of a checkpoint. Text
is random words. A step of training, a step of replay and a checkpoint are measured in CPU seconds
on one thread, so other processes change the figures little.

    python -m benchmarks.robustness.resume --output docs/robustness.json
"""

import argparse
import io
import json
import random
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, Dict, List

import spacy
from spacy.training.loop import create_train_batches
from spacy.util import load_config, registry

import benchmarks.one_thread  # noqa: F401
from benchmarks.pages import keep
from spacy_distill import annotate, distill
from spacy_distill.configs import make_config
from spacy_distill.corpora.soft_corpus import SoftCorpus
from spacy_distill.training.checkpoints import Checkpoints
from spacy_distill.training.settings import fill_settings, resolve_settings
from spacy_distill.training.state import ReplayableBatches

STEPS: List[float] = []


@registry.loggers("spacy-distill-benchmarks.Clock.v1")
def clock():
    """Create a logger that notes the CPU time after each step."""

    def setup(nlp, stdout, stderr):
        return lambda info: STEPS.append(process_time()), lambda: None

    return setup


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--output", type=Path, help="a JSON file")
    arguments = parser.parse_args()
    found: Dict[str, Any] = {"steps": arguments.steps}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = random.Random(0)
        words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(9000)]
        lines = [" ".join(["Oslo", *rng.choices(words, k=22)]) for _ in range(6000)]
        (folder / "text.txt").write_text("\n".join(lines), encoding="utf8")
        rules = spacy.blank("en")
        rules.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Oslo"}])  # type: ignore[attr-defined]
        rules.to_disk(folder / "rules")
        docs = [rules(line) for line in lines[:200]]
        spacy.tokens.DocBin(docs=docs).to_disk(folder / "dev.spacy")
        text, quiet = str(folder / "text.txt"), io.StringIO()
        annotate(folder / "rules", text, folder / "soft", stderr=quiet)
        (folder / "full.cfg").write_text(make_config("soft", lang="en"), encoding="utf8")
        config = load_config(folder / "full.cfg", interpolate=False).merge(
            {
                "paths": {"dev": str(folder / "dev.spacy")},
                "distillation": {"max_steps": arguments.steps, "calibrate": False},
                "training": {"eval_frequency": 20},
            }
        )
        config["training"]["logger"] = {"@loggers": "spacy-distill-benchmarks.Clock.v1"}

        save, seconds, sizes = Checkpoints.save_state, [], []

        def timed(self: Checkpoints, state: Any) -> None:
            start = process_time()
            save(self, state)
            seconds.append(process_time() - start)
            sizes.append(sum(array.nbytes for array in state.arrays.values()))

        Checkpoints.save_state = timed  # type: ignore[method-assign]
        nlp = distill(folder / "soft", config, folder / "models", stdout=quiet, stderr=quiet)
        gaps = [after - before for before, after in pairwise(STEPS)]
        found["seconds_of_training_step"] = round(median(gaps), 4)
        found["seconds_of_checkpoint"] = round(median(seconds), 4)
        found["megabytes_of_checkpoint"] = round(max(sizes) / 1e6, 2)

        settings = resolve_settings(fill_settings(nlp.config).interpolate())
        reader = SoftCorpus(folder / "soft")
        batches = ReplayableBatches(create_train_batches(nlp, reader, settings["batcher"], -1))
        next(batches)
        start = process_time()
        for _ in range(arguments.steps):
            next(batches)
        found["seconds_of_replayed_step"] = round((process_time() - start) / arguments.steps, 4)
    print(json.dumps(found))
    keep(arguments.output, "resume", found)


if __name__ == "__main__":
    main()
