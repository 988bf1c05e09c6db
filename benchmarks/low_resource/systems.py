"""The systems of the low-resource benchmark, each trained by the commands that a user types."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import spacy
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config

from benchmarks.commands import CONFIGS, ROOT
from benchmarks.low_resource.data import Cell, Dataset
from benchmarks.low_resource.kinds import (
    CROSS_VIEW,
    FROM_TEACHER,
    KINDS,
    LOSSES,
    STATES,
    WITH_SPACY_VECTORS,
    kind_config,
)
from benchmarks.low_resource.scores import read_docs, write_silver
from spacy_distill.configs import steps_for
from spacy_distill.vectors.word_tables import vectors_pipeline

# Steps of the student. They do not depend on the number of labels, since it reads all sentences.
DISTILLATION_STEPS = 3000
# The setting of the number of steps between evaluations.
EVALUATED = "--training.eval_frequency"
EVALUATIONS = 12
TRANSFORMER, TEACHER, STUDENT = (
    f"{CONFIGS}/{n}.cfg" for n in ("transformer", "teacher", "student")
)
# Teachers of several seeds.
MEMBERS = ("teacher", "teacher-1", "teacher-2")


@dataclass(frozen=True)
class Pretrained:
    """The pretrained inputs that all cells share.

    vectors (Optional[Path]): A pipeline with word vectors; None for none.
    transformer (Path): A Hugging Face encoder.
    weak (Path): Another one, of a weaker teacher.
    """

    vectors: Optional[Path]
    transformer: Path
    weak: Path


Command = Callable[[Cell, Pretrained], List[Any]]


@dataclass(frozen=True)
class System:
    """The recipe of a system.

    command (Optional[Command]): The command that trains it, after `python`, without its output
        folder; None for an average of other systems.
    needs (Tuple[str, ...]): The systems that have to be there, such as its teachers.
    config (str): The project's config that decides on it.
    kind (Optional[str]): The kind of student, or its loss, where it is not the package's.
    is_silver (bool): Whether it learns from the entities that its first need finds.
    """

    command: Optional[Command]
    needs: Tuple[str, ...] = ()
    config: str = ""
    kind: Optional[str] = None
    is_silver: bool = False

    def settings(self) -> str:
        """Read the settings of its config without comments, or spaCy's own."""
        if self.kind is not None:
            config = kind_config(self.kind)
        elif self.config:
            config = project_config(self.config)
        else:
            return ""
        return config.to_str(interpolate=False)

    def prepare(self, cell: Cell, pretrained: Pretrained) -> None:
        """Write what only this system needs: configs that the project does not have, spaCy's word
        vectors, the entities that its teacher finds."""
        if self.is_silver:
            teacher = cell.folder / self.needs[0] / "model-best"
            write_silver(cell.corpus, [teacher], cell.corpus / "silver.spacy")
        if self.kind is not None:
            path = cell.folder / f"{self.kind}.cfg"
            kind_config(self.kind).to_disk(path, interpolate=False)
        elif not self.config:
            config = init_config(lang=cell.lang, pipeline=["ner"], optimize="efficiency")
            config.to_disk(cell.folder / "spacy-ner.cfg", interpolate=False)
        if (self.kind in WITH_SPACY_VECTORS or not self.config) and pretrained.vectors:
            docs = [doc for path in cell.corpus.glob("*.spacy") for doc in read_docs(path)]
            nlp = as_written(spacy.load(pretrained.vectors), docs)
            nlp.to_disk(spacy_vectors(cell))


def steps(cell: Cell, config: str) -> int:
    """Compute the training steps for a number of labels, as `distill-init --labeled` does."""
    usual = project_config(config)["training"]["optimizer"]["learn_rate"]["total_steps"]
    return usual if cell.dataset is Dataset.newsroom else steps_for(cell.labeled, usual)


def project_config(path: str) -> Config:
    """Read a config of the project, without interpolation."""
    return Config().from_disk(ROOT / path, interpolate=False)


def of_length(n_steps: int) -> List[Any]:
    """Make the options that set the number of steps."""
    option = "--training.optimizer.learn_rate.total_steps"  # `max_steps` follows
    return [option, n_steps, *evaluated(n_steps)]


def evaluated(n_steps: int) -> List[Any]:
    """Make the option that sets the number of evaluations of a run. With more, the development
    set takes a third of the time."""
    return [EVALUATED, max(n_steps // EVALUATIONS, 1)]


def train(cell: Cell, pretrained: Pretrained, config: str, seed: int, *more: Any) -> List[Any]:
    """Make a command of `spacy train` on the labels."""
    return ["-m", "spacy", "train", config, *shared(cell, pretrained), "--system.seed", seed, *more]


def shared(cell: Cell, pretrained: Pretrained, corpus: str = "train") -> List[Any]:
    """Make the options that all commands have."""
    paths = {"train": cell.corpus / f"{corpus}.spacy", "dev": cell.corpus / "dev.spacy"}
    if pretrained.vectors is not None:
        paths["vectors"] = pretrained.vectors
    options = [item for name, path in paths.items() for item in (f"--paths.{name}", path)]
    return [*options, "--nlp.lang", cell.lang, "--training.logger.progress_bar", "false"]


def fine_tuned(is_weak: bool = False) -> Command:
    """Make the system of a fine-tuned transformer."""

    def command(cell: Cell, pretrained: Pretrained) -> List[Any]:
        encoder = pretrained.weak if is_weak else pretrained.transformer
        more = ["--paths.transformer", encoder, *of_length(steps(cell, TRANSFORMER))]
        return train(cell, replace(pretrained, vectors=None), TRANSFORMER, cell.seed, *more)

    return command


def joined(number: int = 0, is_weak: bool = False) -> Command:
    """Make the system of a frozen transformer joined with a student's word embedding."""

    def command(cell: Cell, pretrained: Pretrained) -> List[Any]:
        encoder = pretrained.weak if is_weak else pretrained.transformer
        more = ["--paths.transformer", encoder, *of_length(steps(cell, TEACHER))]
        return train(cell, pretrained, TEACHER, 10 * cell.seed + number, *more)

    return command


def gold_only(kind: Optional[str] = None) -> Command:
    """Make the system of a student that is trained on the labels alone."""

    def command(cell: Cell, pretrained: Pretrained) -> List[Any]:
        config, inputs = student_config(cell, kind), student_inputs(cell, pretrained, kind)
        return train(cell, inputs, config, cell.seed, *of_length(steps(cell, STUDENT)))

    return command


def student_config(cell: Cell, kind: Optional[str]) -> Any:
    """Find the config of a kind of student."""
    return STUDENT if kind is None else cell.folder / f"{kind}.cfg"


def student_inputs(cell: Cell, pretrained: Pretrained, kind: Optional[str]) -> Pretrained:
    """Find the pretrained inputs of a kind of student: spaCy's layers look words up as they are
    written."""
    if kind not in WITH_SPACY_VECTORS:
        return pretrained
    return replace(pretrained, vectors=pretrained.vectors and spacy_vectors(cell))


def distilled(members: Tuple[str, ...], kind: Optional[str] = None) -> Command:
    """Make the system of a student that is trained on labels and on predictions of teachers.
    Without a teacher, it learns from unlabeled sentences by its own predictions."""

    def command(cell: Cell, pretrained: Pretrained) -> List[Any]:
        teachers = ",".join(str(cell.folder / name / "model-best") for name in members) or "none"
        config = student_config(cell, kind)
        command = ["-m", "spacy", "distill", teachers, config, "--force"]
        inputs = student_inputs(cell, pretrained, kind)
        command += [*shared(cell, inputs), "--system.seed", cell.seed]
        command += ["--distillation.max_steps", DISTILLATION_STEPS, *evaluated(DISTILLATION_STEPS)]
        if kind == FROM_TEACHER:
            command += ["--paths.teacher", cell.folder / members[0] / "model-best"]
        if kind == STATES:
            command += ["--paths.transformer", pretrained.transformer]
        return [*command, *unlabeled(cell)]

    return command


def unlabeled(cell: Cell) -> List[Any]:
    """Make the option that names the unlabeled sentences, if there are any."""
    path = cell.corpus / "unlabeled.spacy"
    return ["--paths.unlabeled", path] if cell.has_unlabeled else []


def spacy_ner(corpus: str, width: Optional[int] = None) -> Command:
    """Make the system of spaCy's tok2vec and ner with static vectors, as `spacy init config`
    sets them up, or with a tok2vec of another width."""

    def command(cell: Cell, pretrained: Pretrained) -> List[Any]:
        command = ["-m", "spacy", "train", cell.folder / "spacy-ner.cfg"]
        own = replace(pretrained, vectors=pretrained.vectors and spacy_vectors(cell))
        command += [*shared(cell, own, corpus), "--system.seed", cell.seed]
        with_vectors = "true" if pretrained.vectors else "false"
        command += ["--components.tok2vec.model.embed.include_static_vectors", with_vectors]
        if width is not None:  # that of the embedding and of the listener follows
            command += ["--components.tok2vec.model.encode.width", width]
        return command

    return command


def spacy_vectors(cell: Cell) -> Path:
    """Find the table of word vectors for spaCy's own ner."""
    return cell.folder / "spacy-vectors"


def as_written(nlp: Language, docs: Iterable[Doc]) -> Language:
    """Make a table of word vectors in which spaCy's own layers find the same words as the student.

    The keys of our tables are lower-cased words. The student looks a word up as it is written, then
    in lower case; spaCy's `StaticVectors` as it is written alone, and so finds hardly any name.
    (Another attribute can be set for a table, but spaCy does not save it.)

    nlp (Language): A pipeline with a table of words.
    docs (Iterable[Doc]): All that will be read.
    RETURNS (Language): A blank pipeline with the vectors of their words, as these are written.
    """
    find = nlp.vocab.vectors.find
    rows = {}
    for word in sorted({token.text for doc in docs for token in doc}):
        found = [row for form in (word, word.lower()) if (row := find(key=form)) >= 0]
        if found:
            rows[word] = found[0]
    return vectors_pipeline(
        list(rows), nlp.vocab.vectors.data[list(rows.values())], nlp.meta["lang"]
    )


# Twice the width that spaCy's config has.
WIDE = 192
SYSTEMS: Dict[str, System] = {
    "transformer": System(fine_tuned(), config=TRANSFORMER),
    "weak-transformer": System(fine_tuned(is_weak=True), config=TRANSFORMER),
    **{name: System(joined(n), config=TEACHER) for n, name in enumerate(MEMBERS)},
    "ensemble": System(None, MEMBERS),
    "weak-teacher": System(joined(is_weak=True), config=TEACHER),
    "gold-only": System(gold_only(), config=STUDENT),
    "student": System(distilled(("teacher",)), ("teacher",), STUDENT),
    **{f"gold-only-{kind}": System(gold_only(kind), (), STUDENT, kind) for kind in KINDS},
    **{
        f"student-{kind}": System(distilled(("teacher",), kind), ("teacher",), STUDENT, kind)
        for kind in (*KINDS, *LOSSES, FROM_TEACHER, STATES)
    },
    **{
        name: System(distilled(members, name), members, STUDENT, name)
        for name, block in CROSS_VIEW.items()
        for members in ([()] if block["targets"] == "self" else [("teacher",)])
    },
    "spacy-gold": System(spacy_ner("train")),
    "spacy-silver": System(spacy_ner("silver"), ("teacher",), is_silver=True),
    "spacy-silver-wide": System(spacy_ner("silver", WIDE), ("teacher",), is_silver=True),
}
STUDENT_OF = "student-of-"
# Students of other teachers than the usual one.
OF_ENSEMBLE = STUDENT_OF + "+".join(MEMBERS)
OTHER_TEACHERS = {
    "student-of-gold-only": "a student on the labels alone",
    "student-of-weak-teacher": "a small transformer",
    "student-of-teacher+gold-only": "the teacher and a student on the labels alone",
    "student-of-teacher+student": "the teacher and its student (`--generations 2`)",
    "student-of-teacher+cvt-self": "the teacher and a student of cross-view training",
    OF_ENSEMBLE: "three teachers of other seeds",
}


@dataclass(frozen=True)
class Method:
    """Another method than the default, as docs/methods.md lists it.

    link (str): Its name there, with the link to its section.
    advice (str): When to use it.
    """

    link: str
    advice: str


NOT_NEEDED = "not needed"
METHODS = {
    "student-of-teacher+student": Method(
        "[a second student](#a-second-student)", "with few labels, if you have the time"
    ),
    OF_ENSEMBLE: Method("[three teachers](#several-teachers)", "with few labels"),
    "student-of-teacher+cvt-self": Method(
        "[a cross-view student teaches too](#several-teachers)", NOT_NEEDED
    ),
    "student-of-teacher+gold-only": Method(
        "[a student on the labels teaches too](#several-teachers)", "not with a weaker teacher"
    ),
    "student-of-weak-teacher": Method(
        "a small transformer as the teacher", "if there is no larger one"
    ),
    "student-from-teacher": Method(
        "[the teacher's parameters to start with](#the-teachers-parameters)", NOT_NEEDED
    ),
    "student-states": Method("[the transformer's hidden states](#hidden-states)", NOT_NEEDED),
    "cvt-teacher": Method(
        "[cross-view heads that learn from the teacher](#cross-view-training)", NOT_NEEDED
    ),
    "cvt-self": Method(
        "[cross-view training without a teacher](#cross-view-training)",
        "with few labels and no teacher",
    ),
    "word-dropout": Method(
        "[word dropout without a teacher](#cross-view-training)", "use cross-view heads"
    ),
    "student-sru": Method("[SRU](#cheaper-recurrences)", "for speed, with many labels"),
    "student-min-gru": Method("[minGRU](#cheaper-recurrences)", "for speed"),
    "student-dense-2": Method("[two layers selected of six](#layer-selection)", "for speed"),
}

# With and without a transformer, as in "To BERT or Not to BERT" (Bhattacharjee et al. 2020).
WAYS = {
    "gold-only": "labels alone",
    "student-of-gold-only": "self-training",
    "cvt-self": "cross-view training",
    "student": "distilled",
    "cvt-teacher": "distilled, with cross-view heads",
    "teacher": "its teacher: all-mpnet-base-v2, frozen",
    "weak-transformer": "all-MiniLM-L6-v2, fine-tuned",
    "transformer": "all-mpnet-base-v2, fine-tuned",
}


def system_of(name: str) -> System:
    """Find a system.

    name (str): Its name, a variant's ("student@NAME"), or that of the student of some systems
        ("student-of-teacher+gold-only").
    RETURNS (System): The system.
    RAISES (ValueError): There is no such system, or an average is to be one of the teachers.
    """
    base = name.partition("@")[0]
    of_others = base.startswith(STUDENT_OF)
    members = tuple(base[len(STUDENT_OF) :].split("+")) if of_others else (base,)
    for member in members:
        if member not in SYSTEMS:
            raise ValueError(f"There is no system '{member}'. Choose among {', '.join(SYSTEMS)}.")
    if not of_others:
        return SYSTEMS[base]
    if any(SYSTEMS[member].command is None for member in members):
        raise ValueError("An average of systems is not trained: name its members.")
    return System(distilled(members), members, STUDENT)
