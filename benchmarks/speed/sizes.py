"""F1, speed and size of the students that `spacy distill --sizes` trained:

python -m benchmarks.speed.sizes training/sizes --test corpus/test.spacy --output docs/speed.json

The students are those of `sizes.json` in the folder, which is written by the training. Speed and
size are measured again, in turn, and F1 is that of the test set.
"""

import json
from pathlib import Path
from statistics import median
from typing import Annotated, Optional

import typer
from spacy.language import Language
from spacy.training import Corpus

import benchmarks.one_thread  # noqa: F401
from benchmarks.pages import show
from spacy_distill.evaluation.speed import speeds
from spacy_distill.evaluation.systems import megabytes
from spacy_distill.loading import load_pipeline

HEADER = ("size", "BiLSTM", "trained parameters", "test F1", "words/s", "MB")


def main(
    folder: Annotated[Path, typer.Argument(help="The output folder of `spacy distill --sizes`")],
    test: Annotated[Path, typer.Option(help="Documents with gold entities")],
    rounds: Annotated[int, typer.Option(help="Rounds of measuring the speed")] = 5,
    output: Annotated[Optional[Path], typer.Option(help="JSON file of measurements")] = None,
) -> None:
    """Measure the students of all sizes."""
    found = json.loads((folder / "sizes.json").read_text(encoding="utf8"))["sizes"]
    folders = {one["size"]: folder / one["size"] / "model-best" for one in found}
    pipelines = {name: load_pipeline(path) for name, path in folders.items()}
    texts = [example.reference.text for example in Corpus(test)(next(iter(pipelines.values())))]
    speed_of = speeds(pipelines, texts, rounds=rounds)
    rows = []
    for one in sorted(found, key=lambda one: (one["width"], one["depth"])):
        name = one["size"]
        nlp = pipelines[name]
        f1 = 100 * nlp.evaluate(list(Corpus(test)(nlp)))["ents_f"]
        layers = "1 layer" if one["depth"] == 1 else f"{one['depth']} layers"
        shape = f"{layers} of {one['width']}"
        numbers = [shape, f"{trained_parameters(nlp):,}", f"{f1:.1f}"]
        speed, size = f"{median(speed_of[name]):,.0f}", f"{megabytes(folders[name]):.1f}"
        rows.append([name, *numbers, speed, size])
    show(output, "sizes", HEADER, rows)


def trained_parameters(nlp: Language) -> int:
    """Count the parameters of a student without its table of word vectors."""
    model = nlp.get_pipe("ner_student").model  # type: ignore[attr-defined]
    return sum(node.get_param(name).size for node in model.walk() for name in node.param_names)


if __name__ == "__main__":
    typer.run(main)
