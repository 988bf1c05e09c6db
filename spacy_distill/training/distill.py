"""Distillation from end to end: a teacher's pipeline and a student's config in, a student out."""

import sys
from pathlib import Path
from typing import IO, Any, Dict, Mapping, Optional, Sequence, Union

from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.util import get_package_version, load_config
from thinc.api import Config
from wasabi import Printer

from ..corpora.soft_shards import is_soft_corpus
from ..loading import load_pipeline
from ..saving import save_pipeline
from ..teachers import CachedTeacher, match_labels
from ..teachers.protocol import count_misfits
from ..teachers.source_names import source_names
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource
from .checkpoints import MODEL_BEST, MODEL_LAST, require_output_dir
from .compact import compact as make_compact
from .compact import require_vectors
from .devices import require_device
from .find_teachers import find_teachers, with_teacher_labels
from .loop import train_student
from .passes import with_steps_of_pass
from .ranges import require_range
from .settings import fill_settings


def distill(
    teacher: Union[TeacherSource, Sequence[TeacherSource]],
    student: Union[str, Path, Config, Mapping[str, Any]],
    output_path: Optional[Union[str, Path]] = None,
    *,
    overrides: Optional[Mapping[str, Any]] = None,
    teacher_options: TeacherOptions = DEFAULT_OPTIONS,
    calibrate: Optional[bool] = None,
    compact: bool = False,
    use_gpu: int = -1,
    max_errors: int = 0,
    overwrite: bool = False,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Language:
    """Train a student on a teacher's probabilities, and on gold entities where there are some.

    teacher (Union[TeacherSource, Sequence[TeacherSource]]): A pipeline's name or folder, a soft
        corpus's folder, a Hugging Face token classification model's, a loaded pipeline, or any
        object with `labels` and `predict_chain`; or several, which teach as an ensemble.
    student (Union[str, Path, Config, Mapping]): The student's config, or its path. Its
        `[distillation]` block says what to learn from and how; `[training]` gives the development
        corpus, evaluation, patience, score weights, logger and seed.
    output_path (Optional[Union[str, Path]]): A folder for `model-best` and `model-last`.
    overrides (Optional[Mapping[str, Any]]): Config values by dotted name.
    teacher_options (TeacherOptions): How teachers are read: component, label map, weights.
    calibrate (Optional[bool]): Whether to fit the confidences to the development corpus at the end;
        what `[distillation] calibrate` says if None.
    compact (bool): Whether to store the student's word vectors as `compact` does.
    use_gpu (int): GPU id, -1 for the CPU.
    max_errors (int): How many documents may be left out, as a teacher fails on them: it raises an
        error, or its scores are NaN or infinite.
    overwrite (bool): Whether models that are in the output folder may be replaced.
    stdout, stderr (IO): Where the logger writes.
    RETURNS (Language): The student with its last parameters, averaged if the optimizer averages.
    RAISES (ValueError): A setting, a label or a folder is not as it has to be.
    """
    require_range("max_errors", max_errors, 0)
    sources: Sequence[Any] = list(teacher) if isinstance(teacher, (list, tuple)) else [teacher]
    overrides = dict(overrides or {})
    if calibrate is not None:
        overrides["distillation.calibrate"] = calibrate
    config = load_student_config(student, overrides, sources)
    with_training_corpus(config)
    require_device(use_gpu)
    output = None if output_path is None else Path(output_path)
    if output is not None:
        require_output_dir(output, overwrite=overwrite)
    teachers = find_teachers(sources, config.interpolate(), teacher_options)
    with_teacher_labels(config, teachers)
    nlp = initialize(config, use_gpu)
    if compact:
        require_vectors(nlp)
    nlp.meta["distillation"] = made_with(nlp.config, sources, teacher_options)
    for name, source in teachers.items():
        match_labels(source.labels, nlp.get_pipe(name).labels)  # type: ignore[attr-defined]
    try:
        trained = train_student(
            nlp, teachers, output, max_errors=max_errors, stdout=stdout, stderr=stderr
        )
    finally:
        for item in teachers.values():
            if isinstance(item, CachedTeacher):
                item.close()
    if compact:
        for folder in (output / name for name in (MODEL_BEST, MODEL_LAST) if output):
            if folder.exists():
                save_pipeline(make_compact(load_pipeline(folder)), folder)
        trained = make_compact(trained)
    n_misfits = count_misfits(teachers.values())
    if n_misfits:
        once = all(isinstance(item, CachedTeacher) for item in teachers.values())
        text = (
            f"[D910] {n_misfits:,} of the teacher's entities did not fit the student's tokens"
            f"{'' if once else ' in all passes'}"
        )
        stdout.write(Printer(no_print=True).warn(text, "They were unknown in training") + "\n")
    return trained


def load_student_config(
    student: Union[str, Path, Config, Mapping[str, Any]],
    overrides: Mapping[str, Any],
    sources: Sequence[TeacherSource] = (),
) -> Config:
    """RETURNS (Config): The student's config with overrides, every setting of the block, the path
    of a soft corpus that teaches, and the number of steps."""
    require_known_paths(student, overrides)
    source = f" {student}" if isinstance(student, (str, Path)) else ""
    if isinstance(student, (str, Path)):
        config = load_config(student, overrides=dict(overrides), interpolate=False)
    else:
        text = Config(student).to_str(interpolate=False)
        config = Config().from_str(text, interpolate=False, overrides=dict(overrides))
    missing = [name for name in ("nlp", "components", "training") if name not in config]
    if missing or "pipeline" not in config["nlp"]:
        lacks = f"[{missing[0]}]" if missing else "[nlp] pipeline"
        raise ValueError(
            f"[D101] The student's config{source} has no {lacks}. "
            "Start from what `python -m spacy distill-init` writes, or run `init fill-config`."
        )
    return with_steps_of_pass(with_soft_corpus(fill_settings(config), sources))


def with_soft_corpus(config: Config, sources: Sequence[TeacherSource]) -> Config:
    """RETURNS (Config): A config that reads the soft corpus that teaches, if there is one;
    ValueError if it reads another one."""
    if len(sources) != 1 or not isinstance(sources[0], (str, Path)):
        return config
    source = Path(sources[0])
    settings = config.interpolate()
    section, _, key = settings["distillation"]["corpus"].partition(".")
    reader = settings.get(section, {}).get(key, {})
    if not is_soft_corpus(source) or reader.get("@readers") != "spacy-distill.SoftCorpus.v1":
        return config
    path = reader.get("path")
    if path is not None and Path(path).resolve() != source.resolve():
        raise ValueError(
            f"[D299] The teacher is the soft corpus '{source}', but [{section}.{key}] path is "
            f"'{path}'. Leave the path out: the corpus that teaches is the one that is read."
        )
    config = Config(config, is_interpolated=False)
    return config.merge({section: {key: {**config[section][key], "path": str(source)}}})


def require_known_paths(
    student: Union[str, Path, Config, Mapping[str, Any]], overrides: Mapping[str, Any]
) -> None:
    """Make sure that overrides of [paths] and [system] are of settings that there are: spaCy takes
    others without a word, and a mistyped path would leave its corpus out."""
    if isinstance(student, (str, Path)):
        try:
            config: Mapping[str, Any] = load_config(student, interpolate=False)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"[D112] '{student}' is no config: found bytes that are not UTF-8 "
                f"({error.reason}). Name a .cfg file, such as `distill-init` writes."
            ) from error
    else:
        config = student
    for name in overrides:
        section, _, key = name.partition(".")
        if section in ("paths", "system") and key not in config.get(section, {}):
            known = ", ".join(config.get(section, {})) or "none"
            raise ValueError(
                f"[D102] [{section}] has no setting '{key}'. Its settings are: {known}. Correct "
                "the override, or add the setting to the config."
            )


def with_training_corpus(config: Config) -> None:
    """Let the corpus for distillation stand in for a training corpus that has no path: spaCy reads
    one to initialize the pipeline."""
    settings = config.interpolate()
    corpora = config.setdefault("corpora", {})
    section, _, key = settings["distillation"]["corpus"].partition(".")
    default = {"path": settings.get("paths", {}).get("train")}
    train = settings["corpora"].get("train", default) if "corpora" in settings else default
    if train.get("path", "") is None and section == "corpora" and key in corpora:
        corpora["train"] = dict(corpora[key])


def made_with(
    config: Config, sources: Sequence[TeacherSource], options: TeacherOptions
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What the student's meta.json says of how it was made; documents and
    steps are added in training."""
    config = config.interpolate()
    block, training = config["distillation"], config["training"]
    section, _, key = block["corpus"].partition(".")
    limits = {
        "max_steps": block["max_steps"],
        "max_epochs": block["max_epochs"],
        "patience": training["patience"],
    }
    settings = {
        "dropout": block["dropout"],
        "labeled_share": config.get(section, {}).get(key, {}).get("labeled_share"),
        "seed": training["seed"],
        # 0 is no limit; -1 epochs are a stream, which is told.
        **{name: limit for name, limit in limits.items() if limit},
    }
    return {
        "version": get_package_version("spacy-distill") or "",
        "teachers": source_names(sources, options),
        "loss": dict(block["loss"]),
        "batcher": dict(block["batcher"]),
        "settings": {name: value for name, value in settings.items() if value is not None},
    }


def initialize(config: Config, use_gpu: int) -> Language:
    """RETURNS (Language): The initialized student; of a corpus that cannot be read, the path is
    told, which spaCy leaves out, and of one without a path the name."""
    try:
        return init_nlp(config, use_gpu=use_gpu)
    except (ValueError, OSError) as error:
        settings = config.interpolate()
        if "[E913]" in str(error):
            corpora = settings.get("corpora", {})
            empty = [key for key, reader in corpora.items() if reader.get("path", "") is None]
            raise ValueError(
                f"[D335] A corpus has no path ({', '.join(empty)}). Set it in [paths], or on the "
                "command line, such as --paths.dev corpus/dev.spacy."
            ) from error
        path = settings.get("paths", {}).get("train")
        missing = path is not None and getattr(error, "filename", None) == str(path)
        if "[E1014]" not in str(error) and not missing:
            raise
        raise ValueError(
            f"[D334] The training corpus ([paths] train, '{path}') cannot be read. Correct the "
            f"path, or convert the corpus again. spaCy says: {error}"
        ) from error
