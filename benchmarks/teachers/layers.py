"""Teachers over few layers of a transformer: F1 and speed of annotation.

python -m benchmarks.teachers.layers benchmarks/runs/text --transformer assets/pretrained/mpnet \\
    --vectors assets/vectors --features benchmarks/runs/features --seeds 0,1,2

FOLDER has train.spacy, dev.spacy and test.spacy. With `--features`, the transformer reads each
document once for all teachers. For each number K of layers these teachers are trained:

- selected-K: the K states that the penalty R_3 selects (`spacy-distill.LayerSelection.v1`);
- top-K: the K highest states;
- truncated-K: all states of the transformer that has only its first K layers.

"all" has all states, and "middle" that of one layer, a little above the middle. Speeds are those of
the pruned teachers, on one thread and without stored features. A second call goes on where the
first one stopped.
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

import os
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import Annotated, Any, Dict, List, Optional

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_pipeline
from thinc.api import Config, Model
from wasabi import msg

from benchmarks.commands import provenance, read_json, write_json
from spacy_distill import make_config, prune
from spacy_distill.encoders.feature_cache import FEATURES, FOLDER_VARIABLE
from spacy_distill.encoders.transformer_layers import TransformerShim
from spacy_distill.evaluation.speed import words_per_second
from spacy_distill.models.layer_gates import all_gates, find_gated, set_gates

TEACHER = "ner_teacher"
SELECTION = "spacy-distill.LayerSelection.v1"
# The parts of a training in which the gates move.
START, END = 0.125, 0.625


def default_layer(depth: int) -> int:
    """Find the layer that the default teacher reads, of a transformer with so many layers."""
    config = Config().from_str(make_config(TEACHER.removeprefix("ner_")), interpolate=False)
    share = config["components"][TEACHER]["model"]["embed"]["right"]["transformer"]["layers"]
    return round(share * depth)


class Bench:
    """Trains and measures teachers."""

    def __init__(self, folder: Path, settings: Dict[str, Any], n_texts: int, output: Path) -> None:
        """Set up.

        folder (Path): The corpora.
        settings (Dict[str, Any]): Arguments of `make_config`, and "dev", "n_steps" and "penalty".
        n_texts (int): The number of test documents that are timed.
        output (Path): The JSON file of the results.
        """
        self.folder, self.settings, self.output = folder, settings, output
        nlp = spacy.blank("en")
        docs = list(Corpus(folder / "test.spacy")(nlp))
        self.texts = [example.reference.text for example in docs[:n_texts]]
        self.results: Dict[str, Any] = read_json(output)["teachers"] if output.exists() else {}

    def config(self, seed: int, transformer: str) -> Config:
        """Make the config of a teacher whose states have gates."""
        labeled, vectors = self.settings["labeled"], self.settings["vectors"]
        text = make_config(TEACHER.removeprefix("ner_"), labeled=labeled, vectors=vectors)
        config = Config().from_str(text, interpolate=False)
        config["paths"].update(
            train=str(self.folder / "train.spacy"),
            dev=str(self.folder / "dev.spacy"),
            transformer=transformer,
        )
        config["system"].update(seed=seed, gpu_allocator=None)
        mix = config["components"][TEACHER]["model"]["embed"]["right"]
        mix["@architectures"] = "spacy-distill.GatedLayerMix.v1"
        mix["transformer"]["layers"] = None
        config["corpora"]["dev"]["limit"] = self.settings["dev"]
        config["training"]["logger"]["progress_bar"] = False
        if self.settings["n_steps"]:
            rate = config["training"]["optimizer"]["learn_rate"]
            rate["total_steps"] = self.settings["n_steps"]
        return config

    def train(self, config: Config, states: Optional[List[int]]) -> Language:
        """Train a teacher.

        config (Config): Its config.
        states (Optional[List[int]]): The states that it reads; None for all, or if it selects some.
        RETURNS (Language): Its best model.
        """
        nlp = init_nlp(Config().from_str(config.to_str()))
        layer = gated_layer(nlp)
        if states is not None:
            gates = numpy.zeros(len(layer.get_param("gates")))
            gates[states] = 1
            set_gates(layer, gates)
        with tempfile.TemporaryDirectory() as folder:
            train_pipeline(nlp, Path(folder), stdout=sys.stderr)
            return spacy.load(Path(folder) / "model-best")

    def selected(self, seed: int, k: int) -> Language:
        """Train a teacher that selects states."""
        config = self.config(seed, self.settings["transformer"])
        rate = config["training"]["optimizer"]["learn_rate"]
        config["training"]["before_update"] = {
            "@callbacks": SELECTION,
            "layers": k,
            "start": int(START * rate["total_steps"]),
            "end": int(END * rate["total_steps"]),
            "penalty": self.settings["penalty"],
        }
        return self.train(config, None)

    def record(self, seed: int, name: str, nlp: Language, seconds: float, **more: Any) -> None:
        """Measure a teacher, and store the result."""
        found = {"seconds": seconds, **more}
        for part in ("dev", "test"):
            examples = list(Corpus(self.folder / f"{part}.spacy")(nlp))
            found[part] = 100 * nlp.evaluate(examples)["ents_f"]
        FEATURES.clear()
        small = prune(nlp) if find_gated(nlp.get_pipe(TEACHER).model) else nlp  # type: ignore[attr-defined]
        shim = transformer_shim(small)
        assert shim.encoder is not None
        found |= {"states": shim.layers, "computed": shim.encoder.depth}
        found["words_per_second"] = words_per_second(small, self.texts)
        self.results[f"{name} seed {seed}"] = found
        settings = {key: str(value) for key, value in self.settings.items()}
        whole = {"settings": settings, "made_with": provenance(), "teachers": self.results}
        write_json(self.output, whole)
        msg.good(
            f"{name} seed {seed}: test F1 {found['test']:.2f}, {found['computed']} layers "
            f"computed, {found['words_per_second']:,.0f} words/s"
        )

    def run(self, seed: int, numbers: List[int]) -> None:
        """Train and measure all teachers of a seed that have no result yet."""
        path = self.settings["transformer"]
        depth = int(read_json(Path(path) / "config.json")["num_hidden_layers"])
        fixed = {"all": list(range(depth + 1)), "middle": [default_layer(depth)]}
        for k in numbers:
            fixed[f"top-{k}"] = list(range(depth + 1 - k, depth + 1))
            fixed[f"truncated-{k}"] = list(range(k + 1))
        for name, states in fixed.items():
            if f"{name} seed {seed}" not in self.results:
                start = process_time()
                nlp = self.train(self.config(seed, path), states)
                self.record(seed, name, nlp, process_time() - start)
        for k in numbers:
            if f"selected-{k} seed {seed}" not in self.results:
                start = process_time()
                nlp = self.selected(seed, k)
                gates = all_gates(gated_layer(nlp), 1).tolist()
                self.record(seed, f"selected-{k}", nlp, process_time() - start, gates=gates)


def gated_layer(nlp: Language) -> Model:
    """RETURNS (Model): The layer of a teacher that has gates."""
    (layer,) = find_gated(nlp.get_pipe(TEACHER).model)  # type: ignore[attr-defined]
    return layer


def transformer_shim(nlp: Language) -> TransformerShim:
    """RETURNS (TransformerShim): The transformer of a teacher."""
    nodes = nlp.get_pipe(TEACHER).model.walk()  # type: ignore[attr-defined]
    return next(s for node in nodes for s in node.shims if isinstance(s, TransformerShim))


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of train, dev and test.spacy")],
    transformer: Annotated[str, typer.Option(help="Folder of a transformer")],
    vectors: Annotated[Optional[str], typer.Option(help="Pipeline with word vectors")] = None,
    numbers: Annotated[str, typer.Option(help="Numbers of layers, with commas")] = "4,2,1",
    seeds: Annotated[str, typer.Option(help="Seeds, with commas")] = "0",
    features: Annotated[Optional[str], typer.Option(help="Folder of stored features")] = None,
    dev: Annotated[int, typer.Option(help="Development documents of evaluations; 0: all")] = 500,
    steps: Annotated[int, typer.Option(help="Training steps; 0: as distill-init says")] = 0,
    penalty: Annotated[float, typer.Option(help="Weight of R_3")] = 0.05,
    texts: Annotated[int, typer.Option(help="Number of test documents that are timed")] = 100,
    output: Annotated[Path, typer.Option(help="JSON file for all results")] = Path(
        "benchmarks/runs/layers.json"
    ),
) -> None:
    """Train and measure teachers, and print a table."""
    import torch

    torch.set_num_threads(1)
    if features is not None:
        os.environ[FOLDER_VARIABLE] = features
    n_labeled = len(list(Corpus(folder / "train.spacy")(spacy.blank("en"))))
    settings: Dict[str, Any] = {
        "transformer": transformer,
        "vectors": vectors,
        "labeled": n_labeled,
        "dev": dev,
        "n_steps": steps,
        "penalty": penalty,
    }
    bench = Bench(folder, settings, texts, output)
    for seed in map(int, seeds.split(",")):
        bench.run(seed, [int(number) for number in numbers.split(",")])
    rows = [
        (
            name,
            ",".join(map(str, found["states"])),
            str(found["computed"]),
            f"{found['dev']:.2f}",
            f"{found['test']:.2f}",
            f"{found['words_per_second']:,.0f}",
        )
        for name, found in bench.results.items()
    ]
    header = ("teacher", "states", "layers computed", "dev F1", "test F1", "words/s")
    msg.table(rows, header=header, aligns=("l", "l", *"r" * 4), divider=True)


if __name__ == "__main__":
    typer.run(main)
