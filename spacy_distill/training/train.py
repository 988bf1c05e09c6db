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
from .passes import share_of_corpus
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
    max_errors (int): How many documents may be left out, as a teacher fails on them.
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
            # A folder that cannot be written shows before the teachers read for hours.
            output.mkdir(parents=True, exist_ok=True)
        examples = read_by_teachers(teachers, examples, skipped, settings["corpus"], stderr)
        run["documents"] = count_documents(nlp, corpus, examples, skipped)

        def read(student: Language) -> Iterable[Example]:
            return examples

    else:
        # spaCy would read an empty stream for ever.
        read_corpus(lambda _: islice(corpus(nlp), 1), nlp, config, settings["corpus"])
        if isinstance(corpus, MixedReader):
            # Now and not when the stream comes to them.
            where = f"the labeled documents of the corpus '{settings['corpus']}'"
            labeled = list(with_student_tokens(corpus.labeled(nlp)))
            require_annotation(nlp, teachers, labeled, where)
            run["documents"] = {"labeled": count_annotated(labeled), "unlabeled": None}

        def read(student: Language) -> Iterable[Example]:
            return with_student_tokens(corpus(student))

        stdout.write(share_of_corpus(corpus, config["distillation"]))
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
    # Loggers look for the loss of each component that they see.
    with nlp.select_pipes(enable=students.learning()):
        shown = with_max_steps(nlp, settings["max_steps"])
        log_step, finalize_logger = training["logger"](shown, stdout, stderr)
    try:
        try:
            for info, is_best in steps:
                # By the numbers of loggers, the first of which is 0.
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
            # What was learnt so far is saved, after Ctrl-C too. A loss that is NaN or infinite has
            # spoilt the parameters.
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
        # At the very end: some loggers keep a copy of what was saved.
        finalize_logger()
    if len(skipped):
        text = f"[D530] The teacher failed, and documents were left out: {len(skipped)}"
        stdout.write(MESSAGE.warn(text, "Each is named above, where it was read") + "\n")
    if output is not None:
        stdout.write(MESSAGE.good("Saved pipeline to output directory", output / MODEL_LAST) + "\n")
    return nlp


def require_annotation(
    nlp: Language, teachers: Mapping[str, Teacher], examples: Iterable[Example], where: str
) -> None:
    """Make sure that students can learn from each document; raise ValueError if not.

    nlp (Language): The pipeline of the students.
    teachers (Mapping[str, Teacher]): The teacher of each student.
    examples (Iterable[Example]): The documents, with the student's tokens.
    where (str): Where they come from, for errors.
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
                    f"{', '.join(known)}. Take the label out of the annotation, or let a teacher "
                    "teach that knows it."
                )
        has_targets = USER_DATA_KEY in doc.user_data or doc.has_annotation("ENT_IOB")
        if is_soft and len(doc) and not has_targets:
            raise ValueError(
                f"[D504] {named} has no annotation that fits the student's tokens, and a soft "
                "corpus teaches only what spacy-distill.SoftCorpus.v1 reads of it. Annotate the "
                "document, or leave it out."
            )


def read_by_teachers(
    teachers: Mapping[str, Teacher],
    examples: List[Example],
    skipped: SkippedDocuments,
    corpus: str,
    stderr: IO,
) -> List[Example]:
    """Fill the caches of teachers. RETURNS (List[Example]): The examples that none failed on;
    ValueError if there are none."""
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
            "nothing to learn from. Mend the teacher or the corpus."
        )
    return examples


def count_documents(
    nlp: Language, corpus: Reader, examples: List[Example], skipped: SkippedDocuments
) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): The numbers of "labeled" and "unlabeled" documents in a pass. The
    labeled ones of a mixed corpus come several times, and count once."""
    labeled = count_annotated(examples)
    unlabeled = len(examples) - labeled
    if isinstance(corpus, MixedReader):
        labeled = count_annotated(skipped.without(with_student_tokens(corpus.labeled(nlp))))
    return {"labeled": labeled, "unlabeled": unlabeled}


def count_annotated(examples: Iterable[Example]) -> int:
    """RETURNS (int): How many documents have entities or say that they have none."""
    return sum(example.reference.has_annotation("ENT_IOB") for example in examples)


def with_max_steps(nlp: Language, max_steps: int) -> Language:
    """RETURNS (Language): A shallow copy of a pipeline for loggers, which look for the number of
    steps in `[training]`."""
    shown = copy(nlp)
    shown.config = nlp.config.copy()
    shown.config["training"]["max_steps"] = max_steps
    return shown


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
    """Calibrate components, or warn of those that stay as they are. RETURNS (List[float]): The
    temperatures of those that were calibrated."""
    temperatures = []
    for name in names:
        try:
            temperatures.append(calibrate(nlp, corpus(nlp), name, stderr))
        except CalibrationError as error:
            # The training is worth more than its confidences.
            title = f"[D911] Confidences of {version} are not calibrated"
            stdout.write(MESSAGE.warn(title, str(error)) + "\n")
    return temperatures
