"""Students of several sizes from one run, and the best one that fits a budget."""

import json
import re
import sys
from copy import deepcopy
from pathlib import Path
from statistics import median
from typing import IO, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from spacy.util import load_meta, resolve_dot_names
from thinc.api import Config

from ..configs import SIZES
from ..corpora.inputs import Input
from ..evaluation.speed import speeds
from ..loading import load_pipeline
from ..saving import copy_directory
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource
from .checkpoints import MODEL_BEST, STUDENT, is_finished, require_output_dir
from .distill import with_calibration
from .find_teachers import component_pairs
from .one_student import (
    Run,
    fill_training_corpus,
    finish,
    finished_training,
    locked_output,
    require_run,
    resumes_in,
    sources_of,
    teachers_of,
    train_one,
)
from .raw_text import save_student, with_text
from .settings import load_student_config

# The file with the measured sizes, in the output folder.
SIZES_FILE = "sizes.json"
# Passes over the development texts that measure a speed, and the least time for them.
ROUNDS, LEAST_SECONDS = 3, 1.0


class Measured(NamedTuple):
    """A student of one size.

    size (str): The name of the size, and of the folder.
    width, depth (int): Those of its encoder.
    f1 (float): F1 on the development corpus, in percent; on the teacher's entities if it has none.
    words_per_second (float): Its speed on one core of this machine, over the development texts.
    megabytes (float): The size of its folder, in 10^6 bytes.
    fits (bool): Whether it is within the limits.
    """

    size: str
    width: int
    depth: int
    f1: float
    words_per_second: float
    megabytes: float
    fits: bool


def distill_sizes(
    teacher: Union[TeacherSource, Sequence[TeacherSource], None],
    student: Union[str, Path, Config, Mapping[str, Any], None],
    output_path: Union[str, Path],
    *,
    sizes: Sequence[str],
    max_mb: Optional[float] = None,
    min_words_per_second: Optional[float] = None,
    text: Optional[Union[str, Path, Input]] = None,
    overrides: Optional[Mapping[str, Any]] = None,
    teacher_options: TeacherOptions = DEFAULT_OPTIONS,
    calibrate: Optional[bool] = None,
    compact: bool = False,
    use_gpu: int = -1,
    max_errors: int = 0,
    overwrite: bool = False,
    resume: bool = False,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> List[Measured]:
    """Train students of several sizes, and choose the best one that fits a budget.

    Each student is trained by itself, as `distill` does, in a folder with the name of its size. The
    teachers read each document once for all of them. The chosen student is copied into the output
    folder: as `model-best`, or as `student` if they learn from text. `sizes.json` has the result.

    teacher, student, text, overrides, teacher_options, calibrate, compact, use_gpu, max_errors,
        overwrite, stdout, stderr: As in `distill`.
    output_path (Union[str, Path]): The folder of all sizes.
    sizes (Sequence[str]): Names ("small", "base", "large") or width and depth ("100x1") of the
        encoder.
    max_mb (Optional[float]): The maximum size of the chosen student's folder, in 10^6 bytes.
    min_words_per_second (Optional[float]): The minimum speed of the chosen student, measured on one
        core of this machine.
    resume (bool): Whether to continue an interrupted run. Sizes that are finished are measured
        again, so that other limits can be tried.
    RETURNS (List[Measured]): The students, in the order of `sizes`.
    RAISES (ValueError): A size is unknown, no student fits, or what `distill` raises.
    """
    run = Run(
        sources_of(teacher),
        teacher_options,
        compact=compact,
        use_gpu=use_gpu,
        max_errors=max_errors,
        overwrite=overwrite,
        resume=resume,
        stdout=stdout,
        stderr=stderr,
    )
    output = Path(output_path)
    require_run(run, output, has_text=text is not None)
    config = load_student_config(student, with_calibration(overrides, calibrate), run.sources)
    fill_training_corpus(config)
    configs = {name: with_size(config, shape) for name, shape in parse_sizes(sizes).items()}
    if not resume:
        require_output_dir(output, overwrite=overwrite)
    left = {}
    for name in configs:
        folder = output / name
        if resume and is_finished(folder):
            finished_training(folder, configs[name], run.sources, stdout)
        else:
            left[name] = resumes_in(folder, run)
    if left:
        train_sizes(configs, left, output, run, text)
    best = STUDENT if text is not None else MODEL_BEST
    folders = {name: output / name / best for name in configs}
    measured = measure(folders, max_mb=max_mb, min_words_per_second=min_words_per_second)
    chosen = choose(measured)
    content = {
        "sizes": [student._asdict() for student in measured],
        "max_mb": max_mb,
        "min_words_per_second": min_words_per_second,
        "chosen": chosen and chosen.size,
    }
    (output / SIZES_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf8")
    if chosen is None:
        least = min(student.megabytes for student in measured)
        fastest = max(student.words_per_second for student in measured)
        raise ValueError(
            f"[D824] No size fits the limits: found at least {least:.1f} MB and at most "
            f"{fastest:,.0f} words/s. Name smaller sizes, or other limits with --resume, which "
            "trains no size again. More advice: docs/how-to/smaller.md."
        )
    copy_directory(folders[chosen.size], output / best)
    return measured


def parse_sizes(sizes: Sequence[str]) -> Dict[str, Tuple[int, int]]:
    """Read names of sizes.

    sizes (Sequence[str]): The names, such as "small" or "100x1".
    RETURNS (Dict[str, Tuple[int, int]]): Width and depth of the encoder, by name.
    RAISES (ValueError): A name is unknown, or there is none.
    """
    found: Dict[str, Tuple[int, int]] = {}
    for name in sizes:
        shape = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", name)
        if name not in SIZES and shape is None:
            raise ValueError(
                f"[D821] '{name}' is no size of a student. Expected {', '.join(SIZES)}, or width "
                "and depth of its encoder, such as 100x1."
            )
        found[name] = SIZES[name] if shape is None else (int(shape[1]), int(shape[2]))
    if not found:
        raise ValueError("[D822] There is no size to train. Name one or more, such as small,base.")
    return found


def with_size(config: Config, shape: Tuple[int, int]) -> Config:
    """Set width and depth of the encoders of a config's students. Raise ValueError if an encoder
    has other settings."""
    changed = Config(deepcopy(dict(config)), is_interpolated=False)
    for name in component_pairs(config.interpolate()):
        encode = changed["components"][name].get("model", {}).get("encode") or {}
        if not {"width", "depth"} <= encode.keys():
            raise ValueError(
                f"[D823] [components.{name}.model.encode] has no width and depth to set, so "
                "students of several sizes cannot be made. Choose an encoder that has both, such "
                "as spacy-distill.BiLSTM.v1."
            )
        encode["width"], encode["depth"] = shape
    return changed


def train_sizes(
    configs: Mapping[str, Config],
    left: Mapping[str, bool],
    output: Path,
    run: Run,
    text: Optional[Union[str, Path, Input]],
) -> None:
    """Train the students that are not finished.

    configs (Mapping[str, Config]): The config of each size.
    left (Mapping[str, bool]): The sizes to train, and whether they continue at a checkpoint.
    output (Path): The folder of all sizes.
    run (Run): What all share.
    text (Optional[Union[str, Path, Input]]): Raw text to learn from.
    """
    first = next(iter(configs.values()))
    with teachers_of(first, run) as teachers, locked_output(output):
        paths: Dict[str, Any] = {}
        if text is not None:
            filled = with_text(
                first,
                text,
                run.sources,
                teachers,
                output,
                use_gpu=run.use_gpu,
                keep_vectors=run.resume,
                stdout=run.stdout,
            )
            paths = filled["paths"]
        for name, resumes in left.items():
            config = configs[name]
            if paths:
                config = Config(config, is_interpolated=False).merge({"paths": paths})
            folder = output / name
            with locked_output(folder):
                train_one(config, teachers, folder, run, resumes=resumes)
                if text is not None:
                    save_student(folder, config, run.stdout)
                finish(folder)


def measure(
    folders: Mapping[str, Path],
    *,
    max_mb: Optional[float] = None,
    min_words_per_second: Optional[float] = None,
) -> List[Measured]:
    """Measure students. Their speeds are measured in turns, so that other load on the machine
    affects all of them.

    folders (Mapping[str, Path]): The folders of the students, by size.
    max_mb, min_words_per_second (Optional[float]): The limits, as in `distill_sizes`.
    RETURNS (List[Measured]): The students.
    """
    pipelines = {name: load_pipeline(folder) for name, folder in folders.items()}
    nlp = next(iter(pipelines.values()))
    config = nlp.config.interpolate()
    (corpus,) = resolve_dot_names(config, [config["training"]["dev_corpus"]])
    texts = [example.reference.text for example in corpus(nlp)]
    found = speeds(pipelines, texts, rounds=ROUNDS, least_seconds=LEAST_SECONDS)
    measured = []
    for name, folder in folders.items():
        speed = median(found[name])
        n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        fits = is_within(n_bytes / 1e6, speed, max_mb, min_words_per_second)
        f1 = 100 * load_meta(folder / "meta.json")["performance"]["ents_f"]
        measured.append(Measured(name, *parse_sizes([name])[name], f1, speed, n_bytes / 1e6, fits))
    return measured


def is_within(
    megabytes: float,
    words_per_second: float,
    max_mb: Optional[float] = None,
    min_words_per_second: Optional[float] = None,
) -> bool:
    """Check a size and a speed against the limits that there are."""
    return (max_mb is None or megabytes <= max_mb) and (
        min_words_per_second is None or words_per_second >= min_words_per_second
    )


def choose(measured: Sequence[Measured]) -> Optional[Measured]:
    """Find the best student within the limits, the smaller one of two that are as good. None if
    none fits."""
    fitting = [student for student in measured if student.fits]
    return max(fitting, key=lambda student: (student.f1, -student.megabytes), default=None)
