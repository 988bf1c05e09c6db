"""The training of students from beginning to end: corpora, steps, checkpoints, calibration."""

import sys
from copy import copy
from functools import partial
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

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

from ..pipeline.auxiliary import AuxiliaryLoss
from ..pipeline.chain_ner import NonFiniteLossError
from ..pipeline.cross_view import CrossView
from ..pipeline.matched_states import StateMatching
from ..saving import save_pipeline
from ..teachers import Teacher
from ..teachers.no_teacher import NoTeacher
from ..threads import one_blas_thread
from .alternation import alternating_batches, reader_of_labeled, require_both_kinds
from .calibrate import CalibrationError, calibrate
from .checkpoints import Checkpoints
from .corpus import Reader, with_student_tokens
from .examples import open_stream, read_development, read_training
from .loop import Students, train_while_improving
from .matched_states import transformer_fingerprint
from .origin import Origin
from .output_folder import MODEL_BEST, MODEL_LAST
from .passes import message_on_passes, size_of, words_per_step
from .settings import resolve_settings
from .silver import SilverReader
from .skipped import SkippedDocuments
from .state import ReplayableBatches, corpus_hash, take_state
from .streamed import read_stream, takes_lengths

MESSAGE = Printer(no_print=True)


def train_student(
    nlp: Language,
    teachers: Mapping[str, Teacher],
    output: Optional[Path],
    *,
    dev_teachers: Optional[Mapping[str, Teacher]] = None,
    max_errors: int = 0,
    origin: Optional[Origin] = None,
    resume: bool = False,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Language:
    """Train the students of an initialized pipeline.

    nlp (Language): The pipeline, with a complete `[distillation]` block in its config.
    teachers (Mapping[str, Teacher]): The teacher of each student, by the student's name.
    output (Optional[Path]): A folder for `model-best`, `model-last`, and `dev.spacy` if the
        development corpus has no entities: its documents with the teachers' entities.
    dev_teachers (Optional[Mapping[str, Teacher]]): The teachers whose entities development
        documents without labels get; None for those that teach.
    max_errors (int): Maximum number of documents to leave out because a teacher fails.
    origin (Optional[Origin]): What the training depends on, apart from its corpora.
    resume (bool): Whether to go on at the checkpoint in the output folder.
    stdout, stderr (IO): Streams for the logger, progress and warnings.
    RETURNS (Language): The pipeline with its last parameters.
    RAISES (ValueError): The checkpoint belongs to another training.
    """
    config = nlp.config.interpolate()
    training = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    settings = resolve_settings(config)
    nlp.meta.setdefault("distillation", {})
    if training["seed"] is not None:
        fix_random_seed(training["seed"])
    views: Optional[CrossView] = settings["cross_view"]
    has_teacher = not any(isinstance(teacher, NoTeacher) for teacher in teachers.values())
    if views is not None and views.targets == "teacher" and not has_teacher:
        raise ValueError(
            "[D818] The heads of [distillation.cross_view] learn from the teacher, and there is "
            'none. Set targets = "self", or name a teacher.'
        )
    states: Optional[StateMatching] = settings["states"]
    auxiliary: List[AuxiliaryLoss] = [one for one in (views, states) if one is not None]
    for name in teachers:
        for one in auxiliary:
            # A student without the layers is reported before the teachers read for hours.
            one.models(name, nlp.get_pipe(name).model)  # type: ignore[attr-defined]
    skipped = SkippedDocuments(max_errors, stderr)
    before_to_disk = create_before_to_disk_callback(training["before_to_disk"])
    # If the folder cannot be written, this raises before the teachers read for hours.
    checkpoints = Checkpoints(output, nlp, settings["optimizer"], before_to_disk)
    origin = dict(origin or {})
    if states is not None:
        origin["the transformer of [distillation.states]"] = transformer_fingerprint(states)
    dev_corpus = read_development(
        nlp, dev_teachers or teachers, training["dev_corpus"], skipped, stdout, stderr
    )
    if output is not None:
        origin["the development corpus"] = corpus_hash(dev_corpus(nlp))
    corpus, examples = None, []
    if settings["max_epochs"] >= 0:
        examples = read_training(nlp, teachers, settings["corpus"], skipped, stdout, stderr)
        origin["the training corpus"] = corpus_hash(examples)
    else:
        corpus = open_stream(nlp, teachers, settings["corpus"])
        size, block = size_of(corpus), config["distillation"]
        if size is not None:
            per_step = words_per_step(block["batcher"], size)
            stdout.write(message_on_passes(size.words, per_step, block))
    batches = make_batches(nlp, settings, corpus, examples, has_teacher)
    state = None
    if resume:
        state = checkpoints.resume(origin)
        text = "The documents up to there are read again, without training"
        stdout.write(MESSAGE.info(f"Resumed after step {state.step:,}", text) + "\n")
    else:
        checkpoints.begin(origin)
    if isinstance(dev_corpus, SilverReader):
        checkpoints.save_development(dev_corpus.references)
    students = Students(
        nlp,
        teachers,
        settings["loss"],
        skipped,
        frozen=training["frozen_components"],
        annotating=training["annotating_components"],
        auxiliary=auxiliary,
        unlabeled_dropout=None if views is None else views.dropout,
    )
    replayable = ReplayableBatches(batches, None if state is None else state.corpus_numbers)
    steps = train_while_improving(
        students,
        settings["optimizer"],
        replayable,
        create_evaluation_callback(nlp, dev_corpus, training["score_weights"]),
        training,
        dropout=settings["dropout"],
        max_steps=settings["max_steps"],
        state=state,
    )
    stdout.write(MESSAGE.info(f"Pipeline: {nlp.pipe_names}") + "\n")
    # Loggers expect a loss of each component that is enabled.
    with nlp.select_pipes(enable=students.learning()):
        nlp_for_logger = with_max_steps(nlp, settings["max_steps"])
        if state is not None and hasattr(training["logger"], "resume"):
            training["logger"].resume(state.step)
        log_step, finalize_logger = training["logger"](nlp_for_logger, stdout, stderr)

    def save_state(info: Mapping[str, Any]) -> None:
        checkpoints.save_state(
            take_state(
                nlp,
                students.models(),
                settings["optimizer"],
                step=info["step"],
                results=info["checkpoints"],
                batches=replayable,
                skipped=skipped.listed(),
            )
        )

    try:
        with one_blas_thread():
            run_steps(steps, nlp, training, checkpoints, log_step, save_state)
        checkpoints.keep_best()
        set_averages(nlp, settings["optimizer"].averages)
        if settings["calibrate"]:
            calibrate_checkpoints(nlp, dev_corpus, teachers, checkpoints, stdout, stderr)
    finally:
        # At the very end, since some loggers copy the saved models.
        finalize_logger()
    if len(skipped):
        text = f"[D530] Documents that were left out because the teacher failed: {len(skipped)}"
        stdout.write(MESSAGE.warn(text, "Each is named in a warning above") + "\n")
    if output is not None:
        stdout.write(MESSAGE.good("Saved pipeline to output directory", output / MODEL_LAST) + "\n")
    return nlp


def make_batches(
    nlp: Language,
    settings: Mapping[str, Any],
    corpus: Optional[Reader],
    examples: List[Example],
    has_teacher: bool,
) -> Iterator[Tuple[int, List[Example]]]:
    """Make the batches of a training.

    nlp (Language): The pipeline.
    settings (Mapping[str, Any]): The resolved settings of `[distillation]`.
    corpus (Optional[Reader]): The corpus, if it is streamed.
    examples (List[Example]): All documents, if they are in memory.
    has_teacher (bool): Whether there is a teacher. Without one, labeled and unlabeled batches
        alternate.
    RETURNS (Iterator[Tuple[int, List[Example]]]): Batches with the number of their epoch.
    RAISES (ValueError): There is no teacher, and the corpus lacks a kind of documents.
    """

    def read(student: Language) -> Iterable[Example]:
        return examples if corpus is None else with_student_tokens(corpus(student))

    batcher = never_empty(settings["batcher"], settings["corpus"])
    max_epochs = settings["max_epochs"]
    if has_teacher or settings["cross_view"] is None:
        reader: Any = read
        if corpus is not None and takes_lengths(
            nlp.config.interpolate()["distillation"]["batcher"]
        ):
            reader = partial(read_stream, corpus)
        return create_train_batches(nlp, reader, batcher, max_epochs)
    read_labeled = reader_of_labeled(corpus, examples)
    require_both_kinds(read, read_labeled, nlp, settings["corpus"])
    share = settings["cross_view"].labeled_batches
    return alternating_batches(nlp, read, read_labeled, batcher, max_epochs, share)


def never_empty(
    batcher: Callable[[Iterable[Any]], Iterable[Any]], name: str
) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """Let a batcher raise ValueError if it makes no batch of a corpus: spaCy would read the corpus
    forever.

    batcher (Callable): The batcher.
    name (str): The name of the corpus in the config.
    RETURNS (Callable): The same batcher, with this check.
    """

    def batches(items: Iterable[Any]) -> Iterator[Any]:
        found = False
        for batch in batcher(items):
            found = True
            yield batch
        if not found:
            raise ValueError(
                f"[D534] The batcher of [distillation] makes no batch of the corpus '{name}'. With "
                "discard_oversize, it leaves out documents that are longer than a batch. Set a "
                "larger size, or discard_oversize = false."
            )

    return batches


def run_steps(
    steps: Iterator[Tuple[Dict[str, Any], Optional[bool]]],
    nlp: Language,
    training: Mapping[str, Any],
    checkpoints: Checkpoints,
    log_step: Callable[[Optional[Dict[str, Any]]], None],
    save_state: Callable[[Mapping[str, Any]], None],
) -> None:
    """Run all steps, and save the models. The steps are counted in `nlp.meta`.

    steps (Iterator[Tuple[Dict[str, Any], Optional[bool]]]): The steps of `train_while_improving`.
    nlp (Language): The pipeline.
    training (Mapping[str, Any]): The settings of `[training]`.
    checkpoints (Checkpoints): Saves the models.
    log_step (Callable[[Optional[Dict[str, Any]]], None]): The logger.
    save_state (Callable[[Mapping[str, Any]], None]): Saves the state after a step.
    """
    run = nlp.meta["distillation"]
    try:
        for info, is_best in steps:
            # Loggers count steps from 0.
            run["steps"] = info["step"]
            if is_best is not None:
                if is_best:
                    run["best_step"] = info["step"]
                update_meta(training, nlp, info)
                sort_labels(nlp.meta["performance"])
                checkpoints.save_last()
                if is_best and checkpoints.output is not None:
                    checkpoints.copy_to_best()
                    info["output_path"] = str(checkpoints.output / MODEL_LAST)
            log_step(info if is_best is not None else None)
            if is_best is not None:
                # At the very end: what comes after the last state is done again.
                save_state(info)
        checkpoints.save_last()
    except BaseException as error:
        # Save the parameters, after Ctrl-C too, unless a NaN or infinite loss has spoilt them.
        if "steps" in run and not isinstance(error, NonFiniteLossError):
            checkpoints.save_last()
        raise


def sort_labels(scores: Dict[str, Any]) -> None:
    """Sort scores by label. spaCy's scorers have the order of a set, which differs in each process,
    so the same training would not save the same bytes."""
    for name, value in scores.items():
        if isinstance(value, dict):
            scores[name] = dict(sorted(value.items()))


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


def calibrate_checkpoints(
    nlp: Language,
    corpus: Reader,
    names: Iterable[str],
    checkpoints: Checkpoints,
    stdout: IO,
    stderr: IO,
) -> None:
    """Calibrate the last and the best model, and save them again.

    nlp (Language): The pipeline with its last parameters.
    corpus (Reader): The development corpus.
    names (Iterable[str]): The components to calibrate.
    checkpoints (Checkpoints): The models.
    stdout, stderr (IO): Streams for messages and progress.
    """
    run = nlp.meta["distillation"]
    found = calibrate_students(nlp, corpus, names, MODEL_LAST, stdout, stderr)
    if found:
        text = ", ".join(f"{temperature:.2f}" for temperature in found)
        stdout.write(
            MESSAGE.info(f"Calibrated on the development corpus: temperature {text}") + "\n"
        )
    checkpoints.save_last()
    if run.get("best_step") == run.get("steps"):
        checkpoints.copy_to_best()
    elif checkpoints.output is not None:
        best = load_model(checkpoints.output / MODEL_BEST)
        if calibrate_students(best, corpus, names, MODEL_BEST, stdout, stderr):
            save_pipeline(best, checkpoints.output / MODEL_BEST)


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
