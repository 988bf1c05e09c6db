"""Distillation from end to end: a teacher's pipeline and a student's config in, a student out."""

import sys
from pathlib import Path
from typing import IO, Any, Dict, Iterable, List, Mapping, Optional, Union

import tqdm
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import (
    create_before_to_disk_callback,
    create_evaluation_callback,
    create_train_batches,
    train_while_improving,
    update_meta,
)
from spacy.util import load_config, load_model, registry, resolve_dot_names
from thinc.api import Config, fix_random_seed, require_gpu
from thinc.util import gpu_is_available
from wasabi import Printer

from ..losses import DistillationLoss
from ..pipeline import ChainNER
from ..teachers import CachedTeacher, PipelineTeacher, Teacher, match_labels
from .checkpoints import MODEL_BEST, MODEL_LAST, copy_whole, require_output_dir, save_whole
from .examples import with_student_tokens
from .settings import fill_settings, resolve_settings


def distill(
    teacher: Union[str, Path, Language, Teacher],
    student: Union[str, Path, Config, Mapping[str, Any]],
    output_path: Optional[Union[str, Path]] = None,
    *,
    overrides: Optional[Mapping[str, Any]] = None,
    use_gpu: int = -1,
    overwrite: bool = False,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Language:
    """Train a student on a teacher's probabilities, and on gold entities where there are some.

    teacher (Union[str, Path, Language, Teacher]): A pipeline's name or folder, a loaded pipeline,
        or any object with `labels` and `predict_chain`.
    student (Union[str, Path, Config, Mapping]): The student's config, or its path. Its
        `[distillation]` block says what to learn from and how; `[training]` gives the development
        corpus, evaluation, patience, score weights, logger and seed.
    output_path (Optional[Union[str, Path]]): A folder for `model-best` and `model-last`.
    overrides (Optional[Mapping[str, Any]]): Config values by dotted name.
    use_gpu (int): GPU id, -1 for the CPU.
    overwrite (bool): Whether models that are in the output folder may be replaced.
    stdout, stderr (IO): Where the logger writes.
    RETURNS (Language): The student with its last parameters, averaged if the optimizer averages.
    RAISES (ValueError): A setting, a label or a folder is not as it has to be.
    """
    config = load_student_config(student, overrides or {})
    require_device(use_gpu)
    teachers = find_teachers(teacher, config)
    with_teacher_labels(config, teachers)
    output = None if output_path is None else Path(output_path)
    if output is not None:
        require_output_dir(output, overwrite=overwrite)
    nlp = init_nlp(config, use_gpu=use_gpu)
    for name, source in teachers.items():
        match_labels(source.labels, nlp.get_pipe(name).labels)  # type: ignore[attr-defined]
    return train_student(nlp, teachers, output, stdout=stdout, stderr=stderr)


def load_student_config(
    student: Union[str, Path, Config, Mapping[str, Any]], overrides: Mapping[str, Any]
) -> Config:
    """RETURNS (Config): The student's config with overrides and every setting of the block."""
    if isinstance(student, (str, Path)):
        config = load_config(student, overrides=dict(overrides), interpolate=False)
    else:
        text = Config(student).to_str(interpolate=False)
        config = Config().from_str(text, interpolate=False, overrides=dict(overrides))
    return fill_settings(config)


def require_device(use_gpu: int) -> None:
    """Switch to a GPU if one is asked for; fail if there is none."""
    if use_gpu < 0:
        return
    if not gpu_is_available():
        raise ValueError(
            f"GPU {use_gpu} was asked for, but none can be used here. Install cupy for your CUDA "
            "version, or leave out --gpu-id to run on the CPU."
        )
    require_gpu(use_gpu)


def find_teachers(
    teacher: Union[str, Path, Language, Teacher], config: Config
) -> Dict[str, Teacher]:
    """RETURNS (Dict[str, Teacher]): The teacher of each student component that has one."""
    pairs = dict(config["distillation"]["student_to_teacher"])
    components = config["components"]
    if not pairs:
        students = [
            name
            for name in config["nlp"]["pipeline"]
            if components[name].get("factory") in ("ner_student", "ner_teacher")
        ]
        if len(students) != 1:
            raise ValueError(
                "The student's pipeline needs one component that can learn, 'ner_student', and has "
                f"{len(students)}. Its components are: {', '.join(config['nlp']['pipeline'])}. "
                "Add one, or choose with [distillation.student_to_teacher]."
            )
        pairs = {students[0]: None}
    for name in pairs:
        if name not in config["nlp"]["pipeline"]:
            raise ValueError(
                f"[distillation.student_to_teacher] names '{name}', but the student's components "
                f"are: {', '.join(config['nlp']['pipeline'])}. Correct the name."
            )
    if isinstance(teacher, (str, Path)):
        teacher = load_model(teacher)
    batch_size = config["distillation"]["teacher_batch_size"]
    teachers: Dict[str, Teacher] = {}
    for student_name, teacher_name in pairs.items():
        source = (
            PipelineTeacher(teacher, teacher_name) if isinstance(teacher, Language) else teacher
        )
        teachers[student_name] = CachedTeacher(source, batch_size=batch_size)
    return teachers


def with_teacher_labels(config: Config, teachers: Mapping[str, Teacher]) -> None:
    """Let students whose labels are not given take over their teachers'."""
    components = config.setdefault("initialize", {}).setdefault("components", {})
    for name, teacher in teachers.items():
        settings = components.setdefault(name, {})
        if settings.get("labels") is None and "source" not in config["components"][name]:
            settings["labels"] = list(teacher.labels)


class StudentUpdates:
    """Stands in for the pipeline in spaCy's training loop: an update is a distillation step."""

    def __init__(
        self, nlp: Language, teachers: Mapping[str, Teacher], losses: Mapping[str, DistillationLoss]
    ) -> None:
        self.nlp = nlp
        self.teachers = teachers
        self.losses = losses
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
        examples = list(examples)
        for name, pipe in self.nlp.pipeline:
            if name in self.teachers:
                pipe.distill(  # type: ignore[attr-defined]
                    self.teachers[name],
                    examples,
                    drop=drop,
                    sgd=None,
                    losses=losses,
                    loss=self.losses[name],
                )
            elif name not in exclude and set(self.teachers) & set(
                getattr(pipe, "listening_components", ())
            ):
                pipe.update(examples, drop=drop, sgd=None, losses=losses)  # type: ignore[attr-defined]
            if name in annotates:
                for example in examples:
                    pipe(example.predicted)


def train_student(
    nlp: Language,
    teachers: Mapping[str, Teacher],
    output: Optional[Path],
    *,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Language:
    """Distil into an initialized pipeline, in spaCy's training loop.

    nlp (Language): The student, with a complete `[distillation]` block in its config.
    teachers (Mapping[str, Teacher]): The teacher of each component that learns from one.
    output (Optional[Path]): A folder for `model-best` and `model-last`.
    RETURNS (Language): The student.
    """
    config = nlp.config.interpolate()
    training = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    settings = resolve_settings(config)
    if training["seed"] is not None:
        fix_random_seed(training["seed"])
    names = [settings["corpus"], training["dev_corpus"]]
    corpus, dev_corpus = resolve_dot_names(config, names)
    optimizer = settings["optimizer"]
    before_to_disk = create_before_to_disk_callback(training["before_to_disk"])
    message = Printer(no_print=True)

    def aligned_corpus(student: Language) -> Iterable[Example]:
        return with_student_tokens(corpus(student))

    if settings["max_epochs"] >= 0:
        examples = list(aligned_corpus(nlp))
        if not examples:
            raise ValueError(
                f"The corpus '{settings['corpus']}' has no documents. Check its paths in [paths] "
                "and [corpora]."
            )
        let_teachers_read(teachers, examples, stderr)
        batches = create_train_batches(
            nlp, lambda student: examples, settings["batcher"], settings["max_epochs"]
        )
    else:
        batches = create_train_batches(nlp, aligned_corpus, settings["batcher"], -1)
    steps = train_while_improving(
        StudentUpdates(nlp, teachers, dict.fromkeys(teachers, settings["loss"])),  # type: ignore[arg-type]
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
        before_update=training["before_update"],
    )
    stdout.write(message.info(f"Pipeline: {nlp.pipe_names}") + "\n")
    log_step, finalize_logger = training["logger"](nlp, stdout, stderr)

    def save_last() -> None:
        if output is not None:
            with nlp.use_params(optimizer.averages):
                save_whole(before_to_disk(nlp), output / MODEL_LAST)

    try:
        for _, info, is_best in steps:
            if is_best is not None:
                update_meta(training, nlp, info)
                save_last()
                if is_best and output is not None:
                    copy_whole(output / MODEL_LAST, output / MODEL_BEST)
                    info["output_path"] = str(output / MODEL_LAST)
            log_step(info if is_best is not None else None)
    finally:
        # Also after Ctrl-C: what was learnt so far is kept.
        finalize_logger()
        save_last()
    if optimizer.averages:
        with_averages(nlp, optimizer.averages)
    if output is not None:
        stdout.write(message.good("Saved pipeline to output directory", output / MODEL_LAST) + "\n")
    return nlp


def let_teachers_read(teachers: Mapping[str, Teacher], examples: List[Example], stderr: IO) -> None:
    """Fill the teachers' caches before training starts, behind a progress bar."""
    docs = [example.reference for example in examples]
    interval = 1 if stderr.isatty() else 30
    for teacher in teachers.values():
        if isinstance(teacher, CachedTeacher):
            n_unread = len(teacher.unread(docs))
            options = {"unit": "doc", "file": stderr, "mininterval": interval}
            with tqdm.tqdm(desc="Teacher reads", total=n_unread, **options) as bar:
                teacher.read(docs, bar.update)


def with_averages(nlp: Language, averages: Mapping) -> None:
    """Give the pipeline's models their averaged parameters for good."""
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, ChainNER):
            for node in pipe.model.walk():
                for name in node.param_names:
                    if (node.id, name) in averages:
                        node.set_param(name, averages[(node.id, name)])
