"""The tables of the project's systems, with a picture, and the student that can be installed:

python -m benchmarks.overview README.md docs/results.md --measure \
    --wheel en_ner_student-0.1.0-py3-none-any.whl
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Dict, List, Mapping, Optional, Sequence, Tuple

import spacy
import typer
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from tqdm import tqdm
from wasabi import msg

from benchmarks.commands import ROOT, provenance, read_json, write_json
from benchmarks.low_resource.scores import read_docs
from benchmarks.pages import about, fill, table
from spacy_distill.evaluation import hardware, megabytes, parameters, speeds

FIGURES, MODELS = ROOT / "docs" / "overview.json", ROOT / "models"
# F1 against speed, beside the page that has the table of sizes.
PICTURE = "results-speed.png"
# Loads and runs a pipeline as if torch, and what cannot be imported without it, were not installed.
WITHOUT_TORCH = """
import importlib.metadata
import sys

hidden = {"torch", "transformers", "spacy_transformers", "spacy_curated_transformers"}
sys.modules.update(dict.fromkeys(hidden))
find_all = importlib.metadata.distributions

def find_others(**context):
    for found in find_all(**context):
        if (found.metadata["Name"] or "").replace("-", "_") not in hidden:
            yield found

importlib.metadata.distributions = find_others
import spacy
spacy.load(sys.argv[1])("Oslo is cold.")
"""


@dataclass(frozen=True)
class System:
    """A pipeline of the table.

    name (str): Its name there.
    path (str): Its folder.
    labels (Mapping[str, str]): The corpus's labels by its own; other labels are left out. Empty if
        they are the same.
    exclude (Tuple[str, ...]): Components that its entities do not need.
    """

    name: str
    path: str
    labels: Mapping[str, str] = field(default_factory=dict)
    exclude: Tuple[str, ...] = ()

    def load(self) -> Language:
        """Load what its entities need."""
        return spacy.load(ROOT / self.path, exclude=self.exclude)

    def relabeled(self, doc: Doc) -> Doc:
        """Replace the labels of a document's entities by those of the corpus."""
        if self.labels:
            doc.ents = [
                Span(doc, ent.start, ent.end, self.labels[ent.label_])
                for ent in doc.ents
                if ent.label_ in self.labels
            ]
        return doc


ONTONOTES = {"PERSON": "PER", "ORG": "ORG", "GPE": "LOC", "LOC": "LOC", "FAC": "LOC"}
ONTONOTES |= dict.fromkeys(("NORP", "EVENT", "PRODUCT", "WORK_OF_ART", "LANGUAGE"), "MISC")
UNNEEDED = ("tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer")
TEACHER = System("teacher", "training/teacher/model-best")
STUDENT = System("student", "training/packaged")
SMALL = System("student in `models/`", "training/small-packaged")
SYSTEMS = (
    TEACHER,
    STUDENT,
    SMALL,
    System("student, trained on the labels alone", "training/compact-baseline"),
    System("spaCy's `ner`, trained on the labels alone", "training/ner/model-best"),
    System("`en_core_web_sm`", "assets/quick/en_core_web_sm", ONTONOTES, UNNEEDED),
)


def f1(system: System, nlp: Language, gold: List[Doc]) -> float:
    """Compute the F1 of a system on labeled documents, from their text."""
    found = map(system.relabeled, nlp.pipe([doc.text for doc in gold]))
    return get_ner_prf([Example(doc, right) for doc, right in zip(found, gold, strict=True)])[
        "ents_f"
    ]


def needs_torch(system: System) -> bool:
    """Try whether a pipeline cannot be loaded without torch."""
    command = [sys.executable, "-c", WITHOUT_TORCH, str(ROOT / system.path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True).returncode != 0


def keep_wheel(wheel: Path) -> Dict[str, Any]:
    """Copy the small student's wheel to models/, and score that student next to the one that it was
    made of.

    wheel (Path): The wheel.
    RETURNS (Dict[str, Any]): Its name and size, and the F1 of both students on the development and
        the test documents.
    """
    kept = MODELS / wheel.name
    shutil.copyfile(wheel, kept)
    found: Dict[str, Any] = {"name": wheel.name, "megabytes": kept.stat().st_size / 1e6}
    for name, system in (("student", STUDENT), ("small", SMALL)):
        nlp = system.load()
        found[name] = {part: f1(system, nlp, documents(part)) for part in ("dev", "test")}
    return {**found, "made_with": provenance()}


def documents(part: str) -> List[Doc]:
    """Read a part of the project's corpus."""
    return read_docs(ROOT / "corpus" / f"{part}.spacy")


def measure(rounds: int) -> Dict[str, Any]:
    """Measure all systems on the project's test documents. In each round, a system is loaded anew
    and reads the unlabeled documents first. So it has seen some words of the test documents, as a
    pipeline that has run for a while, and not the documents."""
    test, unlabeled = documents("test"), [doc.text for doc in documents("unlabeled")]
    rates: Dict[str, List[float]] = {system.name: [] for system in SYSTEMS}
    texts = [doc.text for doc in test]
    needing_torch = {system.name for system in SYSTEMS if needs_torch(system)}
    for _ in tqdm(range(rounds), unit="round"):
        for system in SYSTEMS:
            # Transformers remember no words.
            before = unlabeled[:20] if system.name in needing_torch else unlabeled
            found = speeds({system.name: system.load()}, texts, rounds=1, warm_up=before)
            rates[system.name] += found[system.name]
    systems = []
    for system in SYSTEMS:
        nlp = system.load()
        row = {
            "name": system.name,
            "f1": f1(system, nlp, test),
            "words_per_second": median(rates[system.name]),
            "parameters": parameters(nlp),
            "megabytes": megabytes(ROOT / system.path),
            "needs_torch": system.name in needing_torch,
        }
        systems.append(row)
    return {"systems": systems, "hardware": hardware(), "made_with": provenance()}


def systems_table(systems: Sequence[Mapping[str, Any]]) -> str:
    """Make README's table."""
    rows = [
        [
            system["name"],
            f"{100 * system['f1']:.1f}",
            about(system["words_per_second"]),
            f"{system['megabytes']:,.1f}",
            "yes" if system["needs_torch"] else "no",
        ]
        for system in systems
    ]
    return table(["", "F1", "words/s", "MB", "needs torch"], rows)


def sizes_table(systems: Sequence[Mapping[str, Any]]) -> str:
    """Make the table of sizes and speeds, compared with the teacher's, and the link to the
    picture."""
    teacher = next(system for system in systems if system["name"] == TEACHER.name)
    rows = []
    for system in systems:
        smaller = [teacher[key] / system[key] for key in ("parameters", "megabytes")]
        faster = system["words_per_second"] / teacher["words_per_second"]
        row = [system["name"], f"{100 * system['f1']:.1f}", f"{system['parameters'] / 1e6:.1f} M"]
        row += [f"{system['megabytes']:,.1f}", about(system["words_per_second"])]
        rows.append([*row, *map(about, (*smaller, faster))])
    header = ["", "F1", "parameters", "MB", "words/s", "times fewer parameters", "times smaller"]
    return f"{table([*header, 'times as fast'], rows)}\n\n![F1 against speed]({PICTURE})"


def draw(systems: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw F1 against speed. The student in models/ has the place of the full one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    shown = [system for system in systems if system["name"] != SMALL.name]
    rates = [system["words_per_second"] for system in shown]
    for system, rate in zip(shown, rates, strict=True):
        percent = 100 * system["f1"]
        axes.plot(rate, percent, "o", color="tab:orange" if system["needs_torch"] else "tab:blue")
        name = system["name"].replace("`", "")
        needed = ", torch" if system["needs_torch"] else ""
        # Names on the right half are left of their points.
        is_right = rate**2 > max(rates) * min(rates)
        axes.annotate(
            f"{name} ({system['megabytes']:,.0f} MB{needed})",
            (rate, percent),
            xytext=(-8 if is_right else 8, 0),
            textcoords="offset points",
            ha="right" if is_right else "left",
            va="center",
        )
    axes.set_xscale("log")
    axes.margins(0.1)
    axes.set_xlabel("words per second on one core")
    axes.set_ylabel("test F1")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def main(
    pages: Annotated[List[Path], typer.Argument(help="Pages with marked places")],
    is_measured: Annotated[
        bool, typer.Option("--measure", help="Measure the systems; otherwise the figures are read")
    ] = False,
    wheel: Annotated[
        Optional[Path], typer.Option(help="Wheel of the small student, to keep in models/")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Number of measurements of each speed")] = 5,
    figures: Annotated[Path, typer.Option(help="JSON file of the figures")] = FIGURES,
) -> None:
    """Write tables into pages, and pictures beside them. With --measure and --wheel, make the
    figures first."""
    found = read_json(figures) if figures.exists() else {"systems": []}
    if is_measured:
        found.update(measure(rounds))
    if wheel is not None:
        found["wheel"] = kept = keep_wheel(wheel)
        scores = ", ".join(f"{100 * kept[name]['dev']:.2f}" for name in ("student", "small"))
        text = f"F1 of student and small student on the development documents: {scores}"
        msg.good(f"Kept {kept['name']}, {kept['megabytes']:.2f} MB", text)
    if is_measured or wheel is not None:
        write_json(figures, found)
    systems = found["systems"]
    contents = {"systems": partial(systems_table, systems), "sizes": partial(sizes_table, systems)}
    for page in pages:
        if "sizes" in fill(page, "benchmarks.overview", contents):
            draw(systems, page.parent / PICTURE)


if __name__ == "__main__":
    typer.run(main)
