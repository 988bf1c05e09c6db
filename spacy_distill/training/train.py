"""The training of students from beginning to end: corpora, steps, checkpoints, calibration."""

import sys
from copy import copy
from itertools import islice
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.loop import (
    create_before_to_disk_callback,
    create_evaluation_callback,
    create_train_batches,
    update_meta,
)
from spacy.util import load_model, registry
from thinc.api import fix_random_seed
from wasabi import Printer

from ..corpora.labeled import MixedReader
from ..corpora.soft_targets import USER_DATA_KEY
from ..pipeline.chain_ner import NonFiniteLossError
from ..progress import ProgressBar
from ..saving import copy_directory, save_pipeline
from ..teachers import CachedTeacher, SoftTeacher, Teacher
from .calibrate import CalibrationError, calibrate
from .checkpoints import MODEL_BEST, MODEL_LAST, clear_output_dir
from .corpus import Reader, find_corpus, read_corpus, warn_of_unknown_labels, with_student_tokens
from .loop import Students, train_while_improving
from .passes import message_on_passes
from .settings import resolve_settings
from .silver import with_teacher_entities
from .skipped import SkippedDocuments

MESSAGE = Printer(no_print=True)


def train_student(
    nlp: Language,
    teachers: Mapping[str, Teacher],
    output: Optional[Path],
    *,
    max_errors: int = 0,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Language:
    """Train the students of an initialized pipeline.

    nlp (Language): The pipeline, with a complete `[distillation]` block in its config.
    teachers (Mapping[str, Teacher]): The teacher of each student, by the student's name.
    output (Optional[Path]): A folder for `model-best` and `model-last`.
    max_errors (int): Maximum number of documents to leave out because a teacher fails.
    stdout, stderr (IO): Streams for the logger, progress and warnings.
    RETURNS (Language): The pipeline with its last parameters.
    """
    config = nlp.config.interpolate()
    training = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    settings = resolve_settings(config)
    if training["seed"] is not None:
        fix_random_seed(training["seed"])
    skipped = SkippedDocuments(max_errors, stderr)
    corpus = find_corpus(config, settings["corpus"])
    dev_corpus = find_corpus(config, training["dev_corpus"])
    dev_examples = read_corpus(dev_corpus, nlp, config, training["dev_corpus"])
    labels = {label for _, pipe in nlp.pipeline for label in getattr(pipe, "labels", ())}
    warn_of_unknown_labels(labels, dev_examples, training["dev_corpus"], stdout)
    dev_corpus = with_teacher_entities(dev_corpus, nlp, teachers, skipped, stderr)
    run = nlp.meta.setdefault("distillation", {})
    if settings["max_epochs"] >= 0:
        examples = list(with_student_tokens(read_corpus(corpus, nlp, config, settings["corpus"])))
        require_annotation(nlp, teachers, examples, f"the corpus '{settings['corpus']}'")
        if output is not None:
            # If the folder cannot be written, raise before the teachers read for hours.
            output.mkdir(parents=True, exist_ok=True)
        examples = read_by_teachers(teachers, examples, skipped, settings["corpus"], stderr)
        run["documents"] = count_documents(nlp, corpus, examples, skipped)

        def read(student: Language) -> Iterable[Example]:
            return examples

    else:
        # spaCy would read an empty stream forever.
        read_corpus(lambda _: islice(corpus(nlp), 1), nlp, config, settings["corpus"])
        if isinstance(corpus, MixedReader):
            # Check them now, not when the stream reaches them.
            where = f"the labeled documents of the corpus '{settings['corpus']}'"
            labeled = list(with_student_tokens(corpus.labeled(nlp)))
            require_annotation(nlp, teachers, labeled, where)
            run["documents"] = {"labeled": count_annotated(labeled), "unlabeled": None}

        def read(student: Language) -> Iterable[Example]:
            return with_student_tokens(corpus(student))

        stdout.write(message_on_passes(corpus, config["distillation"]))
    clear_output_dir(output)
    students = Students(
        nlp,
        teachers,
        settings["loss"],
        skipped,
        frozen=training["frozen_components"],
        annotating=training["annotating_components"],
    )
    optimizer = settings["optimizer"]
    steps = train_while_improving(
        students,
        optimizer,
        create_train_batches(nlp, read, settings["batcher"], settings["max_epochs"]),
        create_evaluation_callback(nlp, dev_corpus, training["score_weights"]),
        training,
        dropout=settings["dropout"],
        max_steps=settings["max_steps"],
    )
    before_to_disk = create_before_to_disk_callback(training["before_to_disk"])

    def save_last() -> None:
        if output is not None:
            with nlp.use_params(optimizer.averages):
                save_pipeline(before_to_disk(nlp), output / MODEL_LAST)

    def copy_to_best() -> None:
        if output is not None:
            copy_directory(output / MODEL_LAST, output / MODEL_BEST)

    stdout.write(MESSAGE.info(f"Pipeline: {nlp.pipe_names}") + "\n")
    # Loggers expect a loss of each component that is enabled.
    with nlp.select_pipes(enable=students.learning()):
        nlp_for_logger = with_max_steps(nlp, settings["max_steps"])
        log_step, finalize_logger = training["logger"](nlp_for_logger, stdout, stderr)
    try:
        try:
            for info, is_best in steps:
                # Loggers count steps from 0.
                run["steps"] = info["step"]
                if is_best is not None:
                    if is_best:
                        run["best_step"] = info["step"]
                    update_meta(training, nlp, info)
                    save_last()
                    if is_best and output is not None:
                        copy_to_best()
                        info["output_path"] = str(output / MODEL_LAST)
                log_step(info if is_best is not None else None)
            save_last()
        except BaseException as error:
            # Save the parameters, after Ctrl-C too, unless a NaN or infinite loss has spoilt them.
            if "steps" in run and not isinstance(error, NonFiniteLossError):
                save_last()
            raise
        set_averages(nlp, optimizer.averages)
        if settings["calibrate"]:
            found = calibrate_students(nlp, dev_corpus, teachers, MODEL_LAST, stdout, stderr)
            if found:
                text = ", ".join(f"{temperature:.2f}" for temperature in found)
                stdout.write(MESSAGE.info(f"Calibrated on the development corpus: {text}") + "\n")
            save_last()
            if run.get("best_step") == run.get("steps"):
                copy_to_best()
            elif output is not None:
                best = load_model(output / MODEL_BEST)
                if calibrate_students(best, dev_corpus, teachers, MODEL_BEST, stdout, stderr):
                    save_pipeline(best, output / MODEL_BEST)
    finally:
        # At the very end, since some loggers copy the saved models.
        finalize_logger()
    if len(skipped):
        text = f"[D530] Documents that were left out because the teacher failed: {len(skipped)}"
        stdout.write(MESSAGE.warn(text, "Each is named in a warning above") + "\n")
    if output is not None:
        stdout.write(MESSAGE.good("Saved pipeline to output directory", output / MODEL_LAST) + "\n")
    return nlp


def require_annotation(
    nlp: Language, teachers: Mapping[str, Teacher], examples: Iterable[Example], where: str
) -> None:
    """Raise ValueError if students cannot learn from a document: it has an unknown label, or
    nothing that a soft corpus could teach.

    nlp (Language): The pipeline of the students.
    teachers (Mapping[str, Teacher]): The teacher of each student.
    examples (Iterable[Example]): The documents, with the student's tokens.
    where (str): The corpus of the documents, for errors.
    """
    is_soft = any(isinstance(teacher, SoftTeacher) for teacher in teachers.values())
    for number, example in enumerate(examples, start=1):
        doc = example.reference
        named = f"Document {number} of {where}, '{doc.text[:40].strip()}',"
        for name in teachers:
            known = nlp.get_pipe(name).labels  # type: ignore[attr-defined]
            for label in sorted({span.label_ for span in doc.ents}.difference(known)):
                raise ValueError(
                    f"[D503] {named} has the label '{label}', but the labels are: "
                    f"{', '.join(known)}. Take the label out of the annotation, or add a teacher "
                    "that has it."
                )
        has_targets = USER_DATA_KEY in doc.user_data or doc.has_annotation("ENT_IOB")
        if is_soft and len(doc) and not has_targets:
            raise ValueError(
                f"[D504] {named} has no annotation that fits the student's tokens, and no "
                "predictions of the soft corpus that teaches: only spacy-distill.SoftCorpus.v1 "
                "reads these. Annotate the document, or leave it out."
            )


def read_by_teachers(
    teachers: Mapping[str, Teacher],
    examples: List[Example],
    skipped: SkippedDocuments,
    corpus: str,
    stderr: IO,
) -> List[Example]:
    """Let teachers predict all documents into their caches, and return the examples that none of
    them failed on. Raise ValueError if there is no such example."""
    docs = [example.reference for example in examples]
    for teacher in teachers.values():
        if isinstance(teacher, CachedTeacher):
            n_unread = len(teacher.unread(docs))
            with ProgressBar(desc="Teacher reads", total=n_unread, stream=stderr) as bar:
                teacher.read(docs, bar.update, skipped.add)
    examples = skipped.without(examples)
    if not examples:
        raise ValueError(
            f"[D519] The teacher failed on all documents of the corpus '{corpus}', so there is "
            "nothing to learn from. Correct the teacher or the corpus."
        )
    return examples


def count_documents(
    nlp: Language, corpus: Reader, examples: List[Example], skipped: SkippedDocuments
) -> Dict[str, int]:
    """Count the "labeled" and "unlabeled" documents of a pass. A mixed corpus repeats its labeled
    documents, but each counts once."""
    labeled = count_annotated(examples)
    unlabeled = len(examples) - labeled
    if isinstance(corpus, MixedReader):
        labeled = count_annotated(skipped.without(with_student_tokens(corpus.labeled(nlp))))
    return {"labeled": labeled, "unlabeled": unlabeled}


def count_annotated(examples: Iterable[Example]) -> int:
    """Count the examples whose reference documents are annotated, with entities or without."""
    return sum(example.reference.has_annotation("ENT_IOB") for example in examples)


def with_max_steps(nlp: Language, max_steps: int) -> Language:
    """Make a shallow copy of a pipeline for loggers, which read the number of steps from
    `[training] max_steps`."""
    copied = copy(nlp)
    copied.config = nlp.config.copy()
    copied.config["training"]["max_steps"] = max_steps
    return copied


def set_averages(nlp: Language, averages: Optional[Mapping[Tuple[int, str], Any]]) -> None:
    """Replace the parameters of a pipeline's models by their averages."""
    for _, pipe in nlp.pipeline:
        if averages and isinstance(pipe, TrainablePipe):
            for node in pipe.model.walk():
                for name in node.param_names:
                    if (node.id, name) in averages:
                        node.set_param(name, averages[(node.id, name)])


def calibrate_students(
    nlp: Language,
    corpus: Callable[[Language], Iterable[Example]],
    names: Iterable[str],
    version: str,
    stdout: IO,
    stderr: IO,
) -> List[float]:
    """Calibrate components, and return their temperatures. Warn of those that cannot be calibrated,
    and leave them out."""
    temperatures = []
    for name in names:
        try:
            temperatures.append(calibrate(nlp, corpus(nlp), name, stderr))
        except CalibrationError as error:
            # A training of hours should not fail for its confidences.
            title = f"[D911] Confidences of {version} are not calibrated"
            stdout.write(MESSAGE.warn(title, str(error)) + "\n")
    return temperatures
