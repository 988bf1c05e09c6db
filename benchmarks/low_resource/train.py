"""Accuracy with few labels: teachers, the gold-only student, distilled students, spaCy's own ner.

python -m benchmarks.low_resource.train newsroom --labeled 5 --seeds 0,1,2
python -m benchmarks.low_resource.train conll --data path/to/conll2003 --labeled 150,300

Every run (corpus, number of labels, seed, system) is trained by the commands that a user types, on
one thread, and is a line of the store. A second call goes on where the first one stopped.
`report.py` makes the tables and pictures.
"""

import os
import shutil
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any, Dict, List, Mapping, Optional, Sequence, Tuple

import typer
from spacy.tokens import Doc
from wasabi import msg

from benchmarks.commands import (
    ROOT,
    alone,
    digest,
    execute,
    measured,
    provenance,
    read_json,
    write_json,
)
from benchmarks.low_resource.contents import (
    corpus_digest,
    folder_digest,
    vectors_digest,
    vectors_signs,
)
from benchmarks.low_resource.curves import read_curve
from benchmarks.low_resource.data import Cell, Dataset, default_data
from benchmarks.low_resource.scores import (
    Entities,
    agreement,
    find_entities,
    read_docs,
    score,
)
from benchmarks.low_resource.store import RESULTS, RUN, Store
from benchmarks.low_resource.systems import EVALUATED, SYSTEMS, Pretrained, System, system_of

PARTS = ("dev", "test")
# The file in a cell's folder with the digest of its corpus's inputs.
CORPUS = "corpus.json"
TRANSFORMER_FILES = (".json", ".txt", ".safetensors", ".bin", ".model")
DEFAULT_SYSTEMS = "teacher,gold-only,student,spacy-silver"


class Bench:
    """Trains and scores the systems that the store does not have."""

    def __init__(self, store: Store, pretrained: Pretrained, options: Dict[str, List[str]]) -> None:
        """Set up.

        store (Store): Where runs are kept.
        pretrained (Pretrained): Vectors and transformer.
        options (Dict[str, List[str]]): More config overrides, by the system's name.
        """
        self.store = store
        self.pretrained = pretrained
        self.options = options

    def run(self, cell: Cell, name: str) -> Dict[str, Any]:
        """Train and score a system, and first the systems that it needs.

        cell (Cell): The cell.
        name (str): The system's name, or a variant's: "student@NAME".
        RETURNS (Dict[str, Any]): The run.
        """
        system = system_of(name)
        settings = self.settings(cell, name)
        for other in system.needs:
            self.run(cell, other)
        contents = self.contents(cell, name)
        if (cell.folder / CORPUS).exists():  # a store alone has none
            self.prepare(cell)
            contents["corpus"] = corpus_digest(cell.corpus)
        kept = self.store.run(cell, name, {"settings": settings, **contents})
        if kept is not None:
            return kept
        record = self.train(cell, name)
        found = entities_of(cell, self.models(cell, name))
        if name == "teacher":  # whom others are compared with
            write_json(cell.folder / f"{name}.entities.json", found)
        run = {
            "record": RUN,
            "dataset": cell.dataset.value,
            "labeled": cell.labeled,
            "seed": cell.seed,
            "system": name,
            "scores": scores_of(cell, found),
            "agreement": self.agreement(cell, system, found),
            "cost": record["cost"],
            "sizes": sizes(cell),
            "evaluated_every": evaluated_every(overrides(self.command(cell, name))),
            **{key: value for key, value in record.items() if key != "cost"},
        }
        self.store.write(run)
        return run

    def settings(self, cell: Cell, name: str) -> Dict[str, Any]:
        """Collect the settings that decide a run's result: the split of the corpus, the config
        with its overrides, and the settings of the teachers."""
        system = system_of(name)
        places = {
            cell.folder: "CELL",
            cell.data: "DATA",
            self.pretrained.vectors: "VECTORS",
            self.pretrained.transformer: "TRANSFORMER",
            self.pretrained.weak: "WEAK",
        }
        return {
            "corpus": cell.split,
            "overrides": {
                setting: shortened(value, places)
                for setting, value in overrides(self.command(cell, name)).items()
                # Older runs were evaluated more often. Newer ones have `evaluated_every`.
                if setting != EVALUATED
            },
            "config": digest(system.settings()),
            "vectors": vectors_digest(self.pretrained.vectors),
            "transformer": self.encoder(cell, name).name,
            "needs": {other: digest(self.settings(cell, other)) for other in system.needs},
        }

    def command(self, cell: Cell, name: str) -> List[str]:
        """Make the command that trains a system, without `python` and its output folder; empty
        for an average."""
        system = system_of(name)
        if system.command is None:
            return []
        return [*map(str, system.command(cell, self.pretrained)), *self.options.get(name, [])]

    def encoder(self, cell: Cell, name: str) -> Path:
        """Find the encoder of a system or of its teachers. Systems without one count under the
        strong one's name."""
        names = (name, *system_of(name).needs)
        is_weak = any(str(self.pretrained.weak) in self.command(cell, one) for one in names)
        return self.pretrained.weak if is_weak else self.pretrained.transformer

    def models(self, cell: Cell, name: str) -> List[Path]:
        """List the pipelines of a system, several for an average."""
        system = system_of(name)
        names = [name] if system.command else system.needs
        return [cell.folder / other / "model-best" for other in names]

    def contents(self, cell: Cell, name: str) -> Dict[str, str]:
        """Compute digests of all inputs of a run."""
        found = {
            "vectors": vectors_signs(self.pretrained.vectors),
            "data": folder_digest(cell.data),
        }
        members = (name, *system_of(name).needs)
        if any("--paths.transformer" in self.command(cell, member) for member in members):
            found["transformer"] = folder_digest(self.encoder(cell, name), TRANSFORMER_FILES)
        return found

    def prepare(self, cell: Cell) -> None:
        """Make a cell's corpus, unless it is there."""
        record = cell.folder / CORPUS
        command = cell.conversion()
        code = [
            folder_digest(ROOT / name, [".py"]) for name in ("scripts", "spacy_distill/corpora")
        ]
        made_of = {"command": command, "code": code, "data": folder_digest(cell.data)}
        if record.exists() and read_json(record) == made_of:
            return
        cell.folder.mkdir(parents=True, exist_ok=True)
        record.unlink(missing_ok=True)
        execute(command, cell.folder / "convert.log")
        write_json(record, made_of)

    def train(self, cell: Cell, name: str) -> Dict[str, Any]:
        """Train a system unless its model exists, and first the systems that it needs. (The
        store may come from another machine.) Return the record of its costs, inputs and
        settings."""
        self.prepare(cell)
        system = system_of(name)
        made_of = {
            "settings": self.settings(cell, name),
            "corpus": corpus_digest(cell.corpus),
            **self.contents(cell, name),
        }
        record = cell.folder / f"{name}.cost.json"
        if not system.command:  # an average is not trained
            for other in system.needs:
                self.train(cell, other)
            return {**made_of, "cost": None, "made_with": provenance()}
        made = [record, *self.models(cell, name)]
        if all(path.exists() for path in made):
            known: Dict[str, Any] = read_json(record)
            if all(known.get(key) == value for key, value in made_of.items()):
                return known
        for other in system.needs:
            self.train(cell, other)
        # The training may be interrupted, and students of the older model have to be trained again.
        for known_as in cell.folder.glob("*.cost.json"):
            other = known_as.name.removesuffix(".cost.json")
            if name in (other, *system_of(other).needs):
                known_as.unlink()
        made_with = provenance()
        output = cell.folder / name
        shutil.rmtree(output, ignore_errors=True)

        def work() -> None:
            system.prepare(cell, self.pretrained)
            command = [*self.command(cell, name), "--output", str(output)]
            execute(command, cell.folder / f"{name}.log")

        cost = measured(work)
        # The last model needs no development set, which selects the best one.
        last = scores_of(cell, entities_of(cell, [output / "model-last"]))
        shutil.rmtree(output / "model-last")
        if name == "teacher":  # what models before this one found
            (cell.folder / f"{name}.entities.json").unlink(missing_ok=True)
        curve = read_curve(cell.folder / f"{name}.log")
        content = {**made_of, "cost": cost, "last": last, "curve": curve, "made_with": made_with}
        write_json(record, content)
        return content

    def agreement(
        self, cell: Cell, system: System, found: Dict[str, List[Entities]]
    ) -> Dict[str, float]:
        """Compute the F1 of a student's entities against its teacher's, by part of the corpus,
        in percent."""
        if "teacher" not in system.needs or system.command is None:
            return {}
        record = cell.folder / "teacher.entities.json"
        if not record.exists():
            write_json(record, entities_of(cell, self.models(cell, "teacher")))
        theirs = read_json(record)
        return {part: agreement(found[part], theirs[part]) for part in PARTS}


def entities_of(cell: Cell, models: Sequence[Path]) -> Dict[str, List[Entities]]:
    """Predict the entities of each scored part of a cell's corpus."""
    return {part: find_entities(models, part_of(cell, part)) for part in PARTS}


def scores_of(cell: Cell, found: Mapping[str, Sequence[Entities]]) -> Dict[str, Any]:
    """Score predicted entities, by part of the corpus."""
    return {part: score(part_of(cell, part), found[part]) for part in PARTS}


def part_of(cell: Cell, part: str) -> List[Doc]:
    """Read a part of a cell's corpus."""
    return read_docs(cell.corpus / f"{part}.spacy")


def overrides(command: List[str]) -> Dict[str, str]:
    """Parse the settings of a config that a command overrides."""
    pairs = pairwise(command)
    return {word: value for word, value in pairs if word.startswith("--") and "." in word}


def evaluated_every(settings: Dict[str, str]) -> Optional[int]:
    """Find the steps between evaluations; None if the command leaves them to the config."""
    return int(settings[EVALUATED]) if EVALUATED in settings else None


def shortened(word: str, places: Dict[Optional[Path], str]) -> str:
    """Replace this machine's folders in a word of a command by names."""
    parts = word.split(",")
    for place, name in places.items():
        parts = [
            name + part[len(str(place)) :] if place and part.startswith(str(place)) else part
            for part in parts
        ]
    return ",".join(parts)


def sizes(cell: Cell) -> Dict[str, Tuple[int, int]]:
    """Count the documents and words of each part of a cell's corpus."""
    parts = {}
    for name in ("train", "unlabeled", *PARTS):
        docs = read_docs(cell.corpus / f"{name}.spacy")
        parts[name] = (len(docs), sum(map(len, docs)))
    return parts


def main(
    dataset: Annotated[Dataset, typer.Argument(help="Name of the corpus")],
    data: Annotated[Optional[Path], typer.Option(help="Folder of the corpus as published")] = None,
    labeled: Annotated[
        str, typer.Option(help="Numbers of labeled sentences (newsroom: of articles in each file)")
    ] = "150",
    seeds: Annotated[str, typer.Option(help="Seeds")] = "0",
    systems: Annotated[
        str,
        typer.Option(
            help=f"Of {', '.join(SYSTEMS)}; student-of-A+B is the student of the systems A and B"
        ),
    ] = DEFAULT_SYSTEMS,
    variant: Annotated[
        str, typer.Option(help="Name of a variant of the systems, which has --options")
    ] = "",
    options: Annotated[
        str, typer.Option(help="Config overrides of the variant, e.g. '--distillation.dropout 0.3'")
    ] = "",
    runs: Annotated[Path, typer.Option(help="Folder of corpora, models and logs")] = (
        ROOT / "benchmarks" / "runs"
    ),
    store: Annotated[Path, typer.Option(help="Folder of the results")] = RESULTS,
    vectors: Annotated[
        Path, typer.Option(help="A pipeline with word vectors, such as the project's")
    ] = Path("assets/vectors"),
    no_vectors: Annotated[bool, typer.Option("--no-vectors", help="Without word vectors")] = False,
    transformer: Annotated[Path, typer.Option(help="A Hugging Face encoder")] = Path(
        "assets/pretrained/mpnet"
    ),
    weak: Annotated[Path, typer.Option(help="The encoder of `weak-teacher`")] = Path(
        "assets/pretrained/minilm"
    ),
) -> None:
    """Train and score every run that is not in the store, then print means and deviations on the
    development set."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Hidden states of a frozen transformer are the same in all cells.
    os.environ.setdefault("SPACY_DISTILL_FEATURES", str(runs.absolute() / "features"))
    data = data or default_data(dataset)
    if data is None:
        msg.fail(
            f"The corpus {dataset.value} is not shipped", "Name its folder with --data", exits=1
        )
    if bool(variant) != bool(options):
        msg.fail("--variant and --options go together", exits=1)
    try:
        for name in systems.split(","):
            system_of(name)
    except ValueError as error:
        msg.fail(str(error), exits=1)
    if variant and any(system_of(name).command is None for name in systems.split(",")):
        msg.fail("An average of systems has no options", exits=1)
    names = [f"{name}@{variant}" if variant else name for name in systems.split(",")]
    bench = Bench(
        Store(store),
        Pretrained(
            None if no_vectors else vectors.absolute(), transformer.absolute(), weak.absolute()
        ),
        {name: options.split() for name in names} if variant else {},
    )
    for size in map(int, labeled.split(",")):
        found: Dict[str, List[Dict[str, Any]]] = {}
        for seed in map(int, seeds.split(",")):
            folder = runs.absolute() / f"{dataset.value}-{size}" / f"seed{seed}"
            cell = Cell(dataset, size, seed, folder, data.absolute())
            for name in names:
                with alone(cell.folder):
                    try:
                        run = bench.run(cell, name)
                    except FileNotFoundError as error:
                        msg.fail(str(error), exits=1)
                found.setdefault(name, []).append(run)
                f1 = run["scores"]["dev"]["f"]
                msg.info(f"{dataset.value} {size}, seed {seed}, {name}: dev F1 {f1:.2f}")
        print_means(found)


def print_means(found: Dict[str, List[Dict[str, Any]]]) -> None:
    """Print a line for each system."""
    rows = []
    for name, runs in found.items():
        f1 = [run["scores"]["dev"]["f"] for run in runs]
        deviation = f"{stdev(f1):.2f}" if len(f1) > 1 else ""
        costs = [run["cost"]["processor_seconds"] for run in runs if run["cost"]]
        seconds = f"{mean(costs):.0f}" if costs else ""
        rows.append((name, f"{mean(f1):.2f}", deviation, seconds, len(runs)))
    header = ("system", "dev F1", "deviation", "CPU seconds", "seeds")
    msg.table(rows, header=header, aligns=("l", *"r" * 4), divider=True)


if __name__ == "__main__":
    typer.run(main)
