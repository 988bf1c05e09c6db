"""One student for several languages, next to a student of each:

python -m benchmarks.languages docs/how-to/new-language.md --corpus English=runs/english \\
    --corpus Swedish=runs/swedish --transformer hf:intfloat/multilingual-e5-small

Each folder has train.spacy, dev.spacy, unlabeled.spacy and test.spacy, with the same labels in all
folders. Teachers, their word vectors and students are made by the commands that a user types, with
the documents of one folder, and with those of all. Without --corpus, the figures are read.
"""

import benchmarks.one_thread  # noqa: F401

# isort: split

from pathlib import Path
from typing import Annotated, Any, Dict, List, Mapping, Sequence

import spacy
import typer
from spacy.tokens import DocBin
from spacy.training import Corpus
from wasabi import msg

from benchmarks.commands import CONFIGS, ROOT, execute, provenance, read_json, write_json
from benchmarks.pages import fill, table
from spacy_distill.configs import steps_for

COMMAND = "benchmarks.languages"
FIGURES = ROOT / "docs" / "languages.json"
ALL = "all"
PARTS = ("train", "dev", "unlabeled")
TEACHER, STUDENT = "teacher", "student"
# As in the low-resource benchmark.
TEACHER_STEPS, STUDENT_STEPS, EVALUATIONS = 400, 3000, 12


def join(corpora: Mapping[str, Path], folder: Path) -> None:
    """Write the documents of all corpora into one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab = spacy.blank("xx").vocab
    for part in PARTS:
        bins = (DocBin().from_disk(corpus / f"{part}.spacy") for corpus in corpora.values())
        docs = [doc for docs in bins for doc in docs.get_docs(vocab)]
        DocBin(docs=docs).to_disk(folder / f"{part}.spacy")


def make(corpus: Path, folder: Path, transformer: str, seed: int) -> None:
    """Make word vectors, a teacher and its student, as far as they are not there.

    corpus (Path): The folder of their documents.
    folder (Path): The folder to write to.
    transformer (str): The transformer.
    seed (int): The seed of both trainings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    n_labeled = len(DocBin().from_disk(corpus / "train.spacy"))
    n_steps = steps_for(n_labeled, TEACHER_STEPS)
    paths: List[Any] = ["--paths.train", corpus / "train.spacy", "--paths.dev"]
    paths += [corpus / "dev.spacy", "--paths.vectors", folder / "vectors", "--nlp.lang", "xx"]
    shared = [*paths, "--system.seed", seed, "--training.logger.progress_bar", "false"]
    text = corpus / "unlabeled.spacy"
    commands: Dict[str, List[Any]] = {
        "vectors": ["distill-vectors", transformer, text, "--lang", "xx"],
        TEACHER: [
            *("train", f"{CONFIGS}/teacher.cfg", *shared, "--paths.transformer", transformer),
            *("--training.optimizer.learn_rate.total_steps", n_steps),
            *("--training.eval_frequency", n_steps // EVALUATIONS),
        ],
        STUDENT: [
            *("distill", folder / TEACHER / "model-best", f"{CONFIGS}/student.cfg", *shared),
            *("--paths.unlabeled", text, "--distillation.max_steps", STUDENT_STEPS),
            *("--training.eval_frequency", STUDENT_STEPS // EVALUATIONS),
        ],
    }
    for name, command in commands.items():
        done = folder / f"{name}.done"
        if not done.exists():
            msg.info(f"{folder.name}: {name}")
            # What a killed run has left is replaced; `spacy train` does so unasked.
            command += ["--output", folder / name, *(["--force"] if name != TEACHER else [])]
            execute(["-m", "spacy", *command], folder / f"{name}.log")
            done.touch()


def f1(model: Path, corpus: Path) -> float:
    """Compute the test F1 of a pipeline on a corpus."""
    nlp = spacy.load(model)
    return nlp.evaluate(list(Corpus(corpus / "test.spacy")(nlp)))["ents_f"]


def measure(
    corpora: Mapping[str, Path], transformer: str, seeds: Sequence[int], folder: Path
) -> Dict[str, Any]:
    """Make and score all teachers and students."""
    join(corpora, folder / ALL / "corpus")
    scores: Dict[str, Dict[str, Dict[str, List[float]]]] = {}
    for name, corpus in {**corpora, ALL: folder / ALL / "corpus"}.items():
        tests = corpora if name == ALL else {name: corpus}
        for seed in seeds:
            made = folder / name / f"seed{seed}"
            make(corpus, made, transformer, seed)
            for system in (TEACHER, STUDENT):
                of_system = scores.setdefault(name, {}).setdefault(system, {})
                for language, test in tests.items():
                    found = f1(made / system / "model-best", test)
                    of_system.setdefault(language, []).append(found)
                    msg.good(f"{name}, seed {seed}: {system}, {language} {100 * found:.2f}")
    labeled = {
        name: len(DocBin().from_disk(corpus / "train.spacy")) for name, corpus in corpora.items()
    }
    return {"labeled": labeled, "seeds": list(seeds), "f1": scores, "made_with": provenance()}


def languages_table() -> str:
    """Make the table: a row for each language."""
    scores = read_json(FIGURES)["f1"]
    rows = []
    for language in (name for name in scores if name != ALL):
        row = [language]
        for system in (TEACHER, STUDENT):
            for name in (language, ALL):
                found = scores[name][system][language]
                row.append(f"{100 * sum(found) / len(found):.1f}")
        rows.append(row)
    header = ["", "teacher of this language", "of all", "student of this language", "of all"]
    return table(header, rows)


def main(
    pages: Annotated[List[Path], typer.Argument(help="Pages with a marked place")],
    corpus: Annotated[
        List[str], typer.Option(help="NAME=FOLDER of a language, for each of them")
    ] = [],  # noqa: B006
    transformer: Annotated[str, typer.Option(help="Folder, or hf:OWNER/NAME")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds, with commas between them")] = "0",
    folder: Annotated[Path, typer.Option(help="Folder of models and logs")] = ROOT
    / "benchmarks/runs/languages",
) -> None:
    """Write the table into pages. With --corpus, make its figures first."""
    if corpus:
        corpora = {name: Path(path) for name, _, path in (one.partition("=") for one in corpus)}
        numbers = [int(seed) for seed in seeds.split(",")]
        write_json(FIGURES, measure(corpora, transformer, numbers, folder))
    for page in pages:
        fill(page, COMMAND, {"languages": languages_table})


if __name__ == "__main__":
    typer.run(main)
