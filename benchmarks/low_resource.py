"""Accuracy with few labels: the teacher, the gold-only student and the distilled students.

python benchmarks/low_resource.py newsroom --seeds 0,1,2
python benchmarks/low_resource.py conll --data path/to/conll2003 --labeled 150 --seeds 0

Every cell (seed and system) is trained by the commands that a user types and kept as JSON; a
second run goes on where the first one stopped.
"""

import json
import os
import subprocess
import sys
from enum import Enum
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter
from typing import Annotated, Any, Dict, List, Optional

import spacy
import typer
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOBES
from spacy.scorer import get_ner_prf
from spacy.training import Corpus, offsets_to_biluo_tags
from wasabi import msg

ROOT = Path(__file__).parent.parent
# "distilled" learns from the teacher alone, "ensemble" from the teacher and the gold-only student.
SYSTEMS = ("teacher", "gold-only", "distilled", "ensemble")


class Dataset(str, Enum):
    """The corpora that the benchmark can prepare."""

    newsroom = "newsroom"
    conll = "conll"


def run(*arguments: Any, log: Path) -> float:
    """Run a Python command, its output going to a file.

    RETURNS (float): Seconds.
    RAISES (SystemExit): It failed.
    """
    start = perf_counter()
    with log.open("w", encoding="utf8") as file:
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
    if done.returncode:
        msg.fail(f"Failed: {' '.join(map(str, arguments))}", f"See {log}", exits=1)
    return perf_counter() - start


def prepare(dataset: Dataset, data: Optional[Path], labeled: int, seed: int, folder: Path) -> None:
    """Make the splits of a cell. The newsroom corpus has one split by article; of CoNLL, the seed
    draws the labeled sentences."""
    corpus = folder / "corpus"
    if (corpus / "test.spacy").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if dataset is Dataset.newsroom:
        script: List[Any] = ["scripts/convert_newsroom.py", data or "assets/newsroom/raw", corpus]
        run(*script, "--labeled", labeled, log=folder / "convert.log")
    elif data is None:
        msg.fail("CoNLL-2003 cannot be shipped", "Name its folder with --data", exits=1)
    else:
        script = ["scripts/convert_conll.py", data, corpus, "--tag-column", "1"]
        options = ["--labeled", labeled, "--seed", seed, "--dev", 1000]
        run(*script, *options, log=folder / "convert.log")


def require_same_settings(folder: Path, vectors: Path, options: List[str]) -> None:
    """Refuse to mix cells that were trained with different settings."""
    configs = [(ROOT / "configs" / name).read_text() for name in ("teacher.cfg", "student.cfg")]
    vectors_meta = json.loads((vectors / "meta.json").read_text(encoding="utf8"))["vectors"]
    settings = "\n".join([*configs, json.dumps(vectors_meta), *options])
    record = folder / "settings.txt"
    if not record.exists():
        write_whole(record, settings)
    elif record.read_text(encoding="utf8") != settings:
        msg.fail(
            f"{folder} has cells of other settings (configs, vectors or --options)",
            "Keep variants apart with --name, or remove the folder",
            exits=1,
        )


def train(system: str, folder: Path, vectors: Path, seed: int, options: List[str]) -> float:
    """Train one system in a cell's folder. RETURNS (float): Seconds."""
    corpus, output = folder / "corpus", folder / system
    paths = ["--paths.train", corpus / "train.spacy", "--paths.dev", corpus / "dev.spacy"]
    common = [*paths, "--output", output, "--system.seed", seed]
    common += ["--training.logger.progress_bar", "false", *options]
    with_vectors = ["--paths.vectors", vectors]
    log = folder / f"{system}.log"
    if system == "teacher":
        return run("-m", "spacy", "train", "configs/teacher.cfg", *common, log=log)
    if system == "gold-only":
        return run("-m", "spacy", "train", "configs/student.cfg", *common, *with_vectors, log=log)
    teacher = str(folder / "teacher" / "model-best")
    if system == "ensemble":
        teacher += f",{folder / 'gold-only' / 'model-best'}"
    unlabeled = ["--paths.unlabeled", corpus / "unlabeled.spacy", "--overwrite"]
    command = ["-m", "spacy", "distill", teacher, "configs/student.cfg"]
    return run(*command, *common, *with_vectors, *unlabeled, log=log)


def score(model: Path, corpus: Path) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Strict scores on the development and test sets, in percent: of
    spaCy's scorer and of seqeval (IOBES)."""
    nlp = spacy.load(model)
    scores: Dict[str, Any] = {}
    for part in ("dev", "test"):
        examples = list(Corpus(corpus / f"{part}.spacy")(nlp))
        # spaCy's copy of the examples in `nlp.evaluate` would hide the predictions from seqeval.
        predicted = list(nlp.pipe(example.predicted for example in examples))
        for example, doc in zip(examples, predicted, strict=True):
            example.predicted = doc
        found = get_ner_prf(examples)
        scores[part] = {
            "f1": 100 * found["ents_f"],
            "precision": 100 * found["ents_p"],
            "recall": 100 * found["ents_r"],
            "f1_per_type": {k: 100 * v["f"] for k, v in found["ents_per_type"].items()},
        }
        gold = [iobes(example.reference) for example in examples]
        tags = [iobes(doc) for doc in predicted]
        for name, metric in (
            ("f1", f1_score),
            ("precision", precision_score),
            ("recall", recall_score),
        ):
            value = metric(gold, tags, mode="strict", scheme=IOBES)
            scores[part][f"seqeval_{name}"] = 100 * float(value)
    return scores


def write_whole(path: Path, text: str) -> None:
    """Write a file, so that there is never half of one."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(text, encoding="utf8")
    unfinished.rename(path)


def iobes(doc) -> List[str]:
    """RETURNS (List[str]): A document's entities as IOBES tags."""
    entities = [(span.start_char, span.end_char, span.label_) for span in doc.ents]
    biluo = offsets_to_biluo_tags(doc, entities)
    return [{"L": "E", "U": "S"}.get(tag[0], tag[0]) + tag[1:] for tag in biluo]


def main(
    dataset: Annotated[Dataset, typer.Argument(help="Which corpus")],
    data: Annotated[Optional[Path], typer.Option(help="Where the corpus is")] = None,
    labeled: Annotated[
        Optional[int], typer.Option(help="Labeled sentences, or articles a file for newsroom")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, with commas between them")] = "0",
    systems: Annotated[str, typer.Option(help="What to train")] = ",".join(SYSTEMS),
    store: Annotated[Path, typer.Option(help="Folder of the runs")] = Path("benchmarks/runs"),
    vectors: Annotated[
        Path, typer.Option(help="Word vectors, made by scripts/make_vectors.py")
    ] = Path("assets/vectors"),
    options: Annotated[
        str, typer.Option(help="More config overrides for every system, e.g. '--training.x 1'")
    ] = "",
    name: Annotated[str, typer.Option(help="Name of the runs, to keep variants apart")] = "",
) -> None:
    """Train and score every cell that is not in the store, then print means and deviations."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    size = labeled or (5 if dataset is Dataset.newsroom else 150)
    table: Dict[str, List[Dict[str, Any]]] = {}
    for seed in map(int, seeds.split(",")):
        folder = store.absolute() / f"{dataset.value}-{size}{name and '-'}{name}-seed{seed}"
        prepare(dataset, data, size, seed, folder)
        require_same_settings(folder, vectors, options.split())
        for system in systems.split(","):
            result = folder / f"{system}.json"
            cost = folder / f"{system}.seconds"
            if not cost.exists():
                seconds = train(system, folder, vectors.absolute(), seed, options.split())
                write_whole(cost, f"{seconds:.1f}\n")
            if not result.exists():
                scores = score(folder / system / "model-best", folder / "corpus")
                scores["training_seconds"] = float(cost.read_text(encoding="utf8"))
                write_whole(result, json.dumps(scores, indent=2) + "\n")
            table.setdefault(system, []).append(json.loads(result.read_text(encoding="utf8")))
            last = table[system][-1]
            msg.info(f"seed {seed}, {system}: {last['test']['f1']:.2f} test F1")
    rows = []
    for system, cells in table.items():
        f1 = [cell["test"]["f1"] for cell in cells]
        rows.append(
            (
                system,
                f"{mean(f1):.2f}",
                f"{stdev(f1):.2f}" if len(f1) > 1 else "",
                f"{mean(cell['test']['seqeval_f1'] for cell in cells):.2f}",
                f"{mean(cell['dev']['f1'] for cell in cells):.2f}",
                f"{mean(cell['training_seconds'] for cell in cells):.0f}",
                str(len(f1)),
            )
        )
    header = ("system", "test F1", "deviation", "seqeval F1", "dev F1", "seconds", "seeds")
    msg.table(rows, header=header, aligns=("l", *"r" * 6), divider=True)


if __name__ == "__main__":
    typer.run(main)
