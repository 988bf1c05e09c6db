"""Distillation in spaCy's training loop."""

import sys
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.loop import (
    create_before_to_disk_callback,
    create_evaluation_callback,
    create_train_batches,
    train_while_improving,
    update_meta,
)
from spacy.util import load_model, registry
from thinc.api import fix_random_seed
from wasabi import Printer

from ..corpora.labeled import MixedReader
from ..corpora.soft_targets import USER_DATA_KEY
from ..losses import DistillationLoss, advance
from ..pipeline.chain_ner import NonFiniteLossError
from ..progress import ProgressBar
from ..saving import copy_directory, save_pipeline
from ..teachers import CachedTeacher, SoftTeacher, Teacher
from .calibrate import CalibrationError, calibrate
from .checkpoints import MODEL_BEST, MODEL_LAST, clear_output_dir
from .corpus import find_corpus, pipeline_labels, read_corpus, warn_of_unknown_labels
from .examples import with_student_tokens
from .passes import ReadShare, size_of
from .settings import resolve_settings
from .silver import with_teacher_entities
from .skipped import GivenAnswer, SkippedDocuments


class StudentUpdates:
    """Stands in for the pipeline in spaCy's training loop: an update is a distillation step."""

    def __init__(
        self,
        nlp: Language,
        teachers: Mapping[str, Teacher],
        loss: DistillationLoss,
        skipped: Optional[SkippedDocuments] = None,
    ) -> None:
        """Take students and their teachers.

        nlp (Language): The pipeline of the students.
        teachers (Mapping[str, Teacher]): The teacher of each student.
        loss (DistillationLoss): The loss.
        skipped (Optional[SkippedDocuments]): Counts what teachers fail on; None allows nothing.
        """
        self.nlp = nlp
        self.teachers = teachers
        self.loss = loss
        self.skipped = SkippedDocuments(0) if skipped is None else skipped
        self.pipeline = nlp.pipeline
        self.use_params = nlp.use_params

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float,
        losses: Dict[str, float],
        exclude: List[str],
        sgd=None,
        annotates: Iterable[str] = (),
    ) -> None:
        """Make one step: what students listen to first, then each student with its teacher."""
        teachers = {name: one for name, one in self.teachers.items() if name not in exclude}
        for name in teachers:
            # Loggers look for it, also where nothing is left to learn from.
            losses.setdefault(name, 0.0)
        examples, answers = self._ask(teachers, list(examples))
        if not examples:
            return
        for name, pipe in self.nlp.pipeline:
            if name in answers:
                pipe.distill(  # type: ignore[attr-defined]
                    answers[name],
                    examples,
                    drop=drop,
                    sgd=None,
                    losses=losses,
                    loss=self.loss,
                )
            elif name not in exclude and listens(pipe, teachers):
                pipe.update(examples, drop=drop, sgd=None, losses=losses)  # type: ignore[attr-defined]
            if name in annotates:
                for example in examples:
                    # As in spaCy's training, a component may return another document.
                    example.predicted = pipe(example.predicted)

    def _ask(
        self, teachers: Mapping[str, Teacher], examples: List[Example]
    ) -> Tuple[List[Example], Dict[str, Teacher]]:
        """RETURNS (Tuple[List[Example], Dict[str, Teacher]]): The examples that no teacher fails
        on, and for each student what its teacher says of these."""
        docs = [example.reference for example in examples]
        if not any(len(doc) for doc in docs):
            return examples, dict(teachers)
        chains, left = self.skipped.ask_all(teachers, docs)
        answers = {name: GivenAnswer(teachers[name].labels, chains[name]) for name in chains}
        return [examples[number] for number in left], dict(answers)


def listens(pipe: object, students: Iterable[str]) -> bool:
    """RETURNS (bool): Whether one of the students listens to a component."""
    return not set(students).isdisjoint(getattr(pipe, "listening_components", ()))


def train_student(
    nlp: Language,
    teachers: Mapping[str, Teacher],
    output: Optional[Path],
    *,
    max_errors: int = 0,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Language:
    """Distil into an initialized pipeline, in spaCy's training loop.

    nlp (Language): The student, with a complete `[distillation]` block in its config.
    teachers (Mapping[str, Teacher]): The teacher of each component that learns from one.
    output (Optional[Path]): A folder for `model-best` and `model-last`.
    max_errors (int): How many documents may be left out, as a teacher fails on them.
    RETURNS (Language): The student.
    """
    skipped = SkippedDocuments(max_errors, stderr)
    config = nlp.config.interpolate()
    training = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    settings = resolve_settings(config)
    if training["seed"] is not None:
        fix_random_seed(training["seed"])
    corpus = find_corpus(config, settings["corpus"])
    dev_corpus = find_corpus(config, training["dev_corpus"])
    message = Printer(no_print=True)
    dev_examples = read_corpus(dev_corpus, nlp, config, training["dev_corpus"])
    warn_of_unknown_labels(pipeline_labels(nlp), dev_examples, training["dev_corpus"], stdout)
    dev_corpus = with_teacher_entities(dev_corpus, nlp, teachers, skipped, stderr)
    optimizer = settings["optimizer"]
    before_to_disk = create_before_to_disk_callback(training["before_to_disk"])

    loss, before_update = settings["loss"], training["before_update"]
    made = nlp.meta.setdefault("distillation", {})

    def before_step(_: object, step: Dict[str, int]) -> None:
        if step["step"]:
            advance(loss)
        if before_update:
            before_update(nlp, step)

    def aligned_corpus(student: Language) -> Iterable[Example]:
        return with_student_tokens(corpus(student))

    share: Optional[ReadShare] = None
    if settings["max_epochs"] >= 0:
        examples = read_corpus(aligned_corpus, nlp, config, settings["corpus"])
        require_annotation(nlp, teachers, examples, f"the corpus '{settings['corpus']}'")
        if output is not None:
            # A folder that cannot be written shows before the teachers read for hours.
            output.mkdir(parents=True, exist_ok=True)
        let_teachers_read(teachers, examples, skipped, stderr)
        examples = skipped.without(examples)
        if not examples:
            raise ValueError(
                f"[D519] The teacher failed on all documents of the corpus '{settings['corpus']}', "
                "so there is nothing to learn from. Mend the teacher or the corpus."
            )
        made["documents"] = count_documents(nlp, corpus, examples, skipped)
        clear_output_dir(output)
        batches = create_train_batches(
            nlp, lambda student: examples, settings["batcher"], settings["max_epochs"]
        )
    else:
        # An empty stream would be read for ever.
        read_corpus(lambda student: islice(corpus(student), 1), nlp, config, settings["corpus"])
        if isinstance(corpus, MixedReader):
            # Not in the middle of the run, when the stream comes to it.
            where = f"the labeled documents of the corpus '{settings['corpus']}'"
            labeled = list(with_student_tokens(corpus.labeled(nlp)))
            require_annotation(nlp, teachers, labeled, where)
            made["documents"] = {"labeled": count_annotated(labeled), "unlabeled": None}
        clear_output_dir(output)
        batches = create_train_batches(nlp, aligned_corpus, settings["batcher"], -1)
        size = size_of(corpus)
        share = None if size is None else ReadShare(size)
    if share is not None:
        batches = share.counted(batches)
        stdout.write(share.plan(config["distillation"]) + "\n")
    steps = train_while_improving(
        StudentUpdates(nlp, teachers, loss, skipped),  # type: ignore[arg-type]
        optimizer,
        batches,
        create_evaluation_callback(nlp, dev_corpus, training["score_weights"]),
        dropout=float(settings["dropout"]),
        eval_frequency=training["eval_frequency"],
        accumulate_gradient=training["accumulate_gradient"],
        patience=training["patience"],
        max_steps=settings["max_steps"],
        exclude=training["frozen_components"],
        annotating_components=training["annotating_components"],
        before_update=before_step,
    )
    stdout.write(message.info(f"Pipeline: {nlp.pipe_names}") + "\n")
    # Loggers look for the loss of each component that they see.
    idle = [
        name for name, pipe in nlp.pipeline if name not in teachers and not listens(pipe, teachers)
    ]
    with steps_shown(nlp, settings["max_steps"]), nlp.select_pipes(disable=idle):
        log_step, finalize_logger = training["logger"](nlp, stdout, stderr)

    def save_last() -> None:
        if output is not None:
            with nlp.use_params(optimizer.averages):
                save_pipeline(before_to_disk(nlp), output / MODEL_LAST)

    learnt, last_is_best = False, False
    try:
        try:
            for _, info, is_best in steps:
                learnt, last_is_best = True, bool(is_best)
                # The last step by the numbers of loggers, the first of which is 0; not the limit.
                made["steps"] = info["step"]
                if is_best:
                    made["best_step"] = info["step"]
                if is_best is not None:
                    update_meta(training, nlp, info)
                    save_last()
                    if is_best and output is not None:
                        copy_directory(output / MODEL_LAST, output / MODEL_BEST)
                        info["output_path"] = str(output / MODEL_LAST)
                log_step(info if is_best is not None else None)
            save_last()
        except BaseException as error:
            # What was learnt so far is kept, after Ctrl-C too. Not so after a loss that is no
            # number, which has spoilt the parameters.
            if learnt and not isinstance(error, NonFiniteLossError):
                save_last()
            raise
        if optimizer.averages:
            with_averages(nlp, optimizer.averages)
        if settings["calibrate"]:
            found = calibrate_all(nlp, dev_corpus, teachers, MODEL_LAST, stdout, stderr)
            if found:
                told = ", ".join(f"{temperature:.2f}" for temperature in found)
                stdout.write(message.info(f"Calibrated on the development corpus: {told}") + "\n")
            save_last()
            if output is not None and last_is_best:
                copy_directory(output / MODEL_LAST, output / MODEL_BEST)
            elif output is not None:
                best = load_model(output / MODEL_BEST)
                if calibrate_all(best, dev_corpus, teachers, MODEL_BEST, stdout, stderr):
                    save_pipeline(best, output / MODEL_BEST)
    finally:
        # At the very end: some loggers keep a copy of what was saved.
        finalize_logger()
    if share is not None:
        stdout.write(share.outcome(made["steps"]) + "\n")
    if len(skipped):
        text = f"[D530] The teacher failed, and documents were left out: {len(skipped)}"
        stdout.write(message.warn(text, "Each is named above, where it was read") + "\n")
    if output is not None:
        stdout.write(message.good("Saved pipeline to output directory", output / MODEL_LAST) + "\n")
    return nlp


@contextmanager
def steps_shown(nlp: Language, max_steps: int) -> Iterator[None]:
    """Let loggers find the steps of the distillation where they look for those of a training:
    spaCy's draws its bar of so many."""
    block = nlp.config["training"]
    before, block["max_steps"] = block["max_steps"], max_steps
    try:
        yield
    finally:
        block["max_steps"] = before


def calibrate_all(
    nlp: Language,
    corpus: Callable[[Language], Iterable[Example]],
    names: Iterable[str],
    version: str,
    stdout: IO,
    stderr: IO,
) -> List[float]:
    """Calibrate components of a pipeline, or say why they stay as they are.

    nlp (Language): The pipeline.
    corpus (Callable[[Language], Iterable[Example]]): The development corpus.
    names (Iterable[str]): The components.
    version (str): What to call the pipeline.
    stdout (IO): Where it is said.
    stderr (IO): Where the progress goes.
    RETURNS (List[float]): The temperatures of those that were calibrated.
    """
    message = Printer(no_print=True)
    temperatures = []
    for name in names:
        try:
            temperatures.append(calibrate(nlp, corpus(nlp), name, stderr))
        except CalibrationError as error:
            # What was learnt is worth more than its confidences.
            told = message.warn(f"[D911] Confidences of {version} are not calibrated", str(error))
            stdout.write(told + "\n")
    return temperatures


def require_annotation(
    nlp: Language, teachers: Mapping[str, Teacher], examples: Iterable[Example], where: str
) -> None:
    """Make sure that students can learn from each document.

    nlp (Language): The pipeline of the students, which have their teachers' labels.
    teachers (Mapping[str, Teacher]): The teacher of each student.
    examples (Iterable[Example]): The documents, with the student's tokens.
    where (str): What they are the documents of, for errors.
    RAISES (ValueError): A gold entity has a label that a student lacks, or there is no annotation
        where a soft corpus has no opinion either.
    """
    is_soft = any(isinstance(teacher, SoftTeacher) for teacher in teachers.values())
    for number, example in enumerate(examples, start=1):
        doc = example.reference
        said = f"Document {number} of {where}, '{doc.text[:40].strip()}',"
        for name in teachers:
            known = nlp.get_pipe(name).labels  # type: ignore[attr-defined]
            for label in sorted({span.label_ for span in doc.ents}.difference(known)):
                raise ValueError(
                    f"[D503] {said} has the label '{label}', but the labels are: "
                    f"{', '.join(known)}. Take the label out of the annotation, or let a teacher "
                    "teach that knows it."
                )
        has_targets = USER_DATA_KEY in doc.user_data or doc.has_annotation("ENT_IOB")
        if is_soft and len(doc) and not has_targets:
            raise ValueError(
                f"[D504] {said} has no annotation that fits the student's tokens, and a soft "
                "corpus teaches only what spacy-distill.SoftCorpus.v1 reads of it. Annotate the "
                "document, or leave it out."
            )


def count_documents(
    nlp: Language,
    corpus: Callable[[Language], Iterable[Example]],
    examples: Sequence[Example],
    skipped: SkippedDocuments,
) -> Dict[str, int]:
    """Count a corpus's documents. The labeled ones of a mixed corpus come several times a pass, and
    count once.

    nlp (Language): The student.
    corpus (Callable[[Language], Iterable[Example]]): The corpus.
    examples (Sequence[Example]): A pass over it.
    skipped (SkippedDocuments): What was left out of it.
    RETURNS (Dict[str, int]): "labeled" and "unlabeled".
    """
    annotated = count_annotated(examples)
    unlabeled = len(examples) - annotated
    if isinstance(corpus, MixedReader):
        labeled = with_student_tokens(corpus.labeled(nlp))
        annotated = count_annotated(skipped.without(labeled))
    return {"labeled": annotated, "unlabeled": unlabeled}


def count_annotated(examples: Iterable[Example]) -> int:
    """RETURNS (int): How many documents have entities or say that they have none."""
    return sum(example.reference.has_annotation("ENT_IOB") for example in examples)


def let_teachers_read(
    teachers: Mapping[str, Teacher],
    examples: List[Example],
    skipped: SkippedDocuments,
    stderr: IO,
) -> None:
    """Fill the teachers' caches before training starts, behind a progress bar."""
    docs = [example.reference for example in examples]
    for teacher in teachers.values():
        if isinstance(teacher, CachedTeacher):
            n_unread = len(teacher.unread(docs))
            with ProgressBar(desc="Teacher reads", total=n_unread, stream=stderr) as bar:
                teacher.read(docs, bar.update, skipped.add)


def with_averages(nlp: Language, averages: Mapping) -> None:
    """Give the pipeline's models their averaged parameters for good."""
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, TrainablePipe):
            for node in pipe.model.walk():
                for name in node.param_names:
                    if (node.id, name) in averages:
                        node.set_param(name, averages[(node.id, name)])
