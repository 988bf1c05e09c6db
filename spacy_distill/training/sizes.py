"""Students of several sizes from one run, and the best one that fits a budget."""

import inspect
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import IO, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.util import registry
from thinc.api import Config, use_ops
from wasabi import Printer

from ..checks import require_no_file
from ..configs import SIZES
from ..corpora.inputs import Input
from ..evaluation.speed import speeds
from ..evaluation.systems import megabytes
from ..loading import load_pipeline
from ..saving import copy_directory, remove_directory
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource
from .checkpoints import (
    CHECKPOINT,
    DEVELOPMENT,
    MODEL_BEST,
    MODEL_LAST,
    STUDENT,
    is_finished,
    require_output_dir,
)
from .corpus import find_corpus, read_corpus
from .find_teachers import component_pairs
from .origin import as_json, flatten
from .raw_text import with_text
from .run import (
    DEFAULT_BITS,
    Run,
    finished_training,
    locked_output,
    require_run,
    resumes_in,
    sources_of,
    student_config,
    teachers_of,
    train_one,
)

# The file with the measured sizes, in the output folder. It marks the folder as one of sizes.
SIZES_FILE = "sizes.json"
# Width and depth, as the name of a size.
SHAPE = re.compile(r"([1-9]\d*)x([1-9]\d*)")
# The least number of passes, and seconds, for measuring a speed.
ROUNDS, SECONDS = 3, 1.0


class Measured(NamedTuple):
    """A student of one size.

    size (str): The name of the size, and of the folder.
    width, depth (int): Width and depth of its encoder.
    f1 (float): F1 of the saved student on the development corpus, in percent; on the teacher's
        entities if the corpus has none.
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
    sizes: Sequence[str] = tuple(SIZES),
    max_mb: Optional[float] = None,
    min_words_per_second: Optional[float] = None,
    text: Optional[Union[str, Path, Input]] = None,
    overrides: Optional[Mapping[str, Any]] = None,
    teacher_options: TeacherOptions = DEFAULT_OPTIONS,
    calibrate: Optional[bool] = None,
    compact: bool = False,
    bits: int = DEFAULT_BITS,
    use_gpu: int = -1,
    max_errors: int = 0,
    overwrite: bool = False,
    resume: bool = False,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> List[Measured]:
    """Train students of several sizes, and choose the best one that fits a budget.

    Each student is trained by itself, as `distill` does, in a folder with the name of its size. The
    teachers read each document once for all of them, unless the corpus is streamed. The student
    with the highest F1 within the limits is copied into the output folder: as `model-best`, or as
    `student` if they learn from text. `sizes.json` has the result.

    teacher, student, text, overrides, teacher_options, calibrate, compact, bits, use_gpu,
        max_errors, overwrite, stdout, stderr: As in `distill`.
    output_path (Union[str, Path]): The folder of all sizes.
    sizes (Sequence[str]): Names ("small", "base", "large") or width and depth ("100x1") of the
        encoder.
    max_mb (Optional[float]): The maximum size of the chosen student's folder, in 10^6 bytes.
    min_words_per_second (Optional[float]): The minimum speed of the chosen student, measured on one
        core of this machine.
    resume (bool): Whether to continue an interrupted run. Sizes that are finished are not trained
        again, but measured. So other limits can be tried, and sizes added: name all of them.
    RETURNS (List[Measured]): The students, in the order of `sizes`.
    RAISES (ValueError): A size is unknown, no student fits, or what `distill` raises.
    """
    run = Run(
        sources_of(teacher),
        teacher_options,
        compact=compact,
        bits=bits,
        use_gpu=use_gpu,
        max_errors=max_errors,
        overwrite=overwrite,
        resume=resume,
        stdout=stdout,
        stderr=stderr,
    )
    output = Path(output_path)
    shapes = parse_sizes(sizes)
    require_limits(max_mb, min_words_per_second)
    require_run(run, output, has_text=text is not None)
    config = student_config(student, overrides, calibrate, run)
    configs = {name: with_size(config, shape) for name, shape in shapes.items()}
    shared = describe_run(config, run, text)
    require_no_file(output)
    if resume and output.exists():
        require_same_run(output, shared)
    else:
        require_output_dir(output, overwrite=overwrite)
    best = MODEL_BEST if text is None else STUDENT
    unfinished: Dict[str, bool] = {}
    for name in configs:
        if resume and is_finished(output / name) and (output / name / best).is_dir():
            finished_training(output / name, configs[name], run.sources, stdout)
        else:
            unfinished[name] = resumes_in(output / name, run)
    with locked_output(output):
        if unfinished:
            train_sizes(configs, unfinished, output, run, text, shared)
        if not unfinished:
            begin(output, shared)
        folders = {name: output / name / best for name in configs}
        measured = measure(folders, shapes, max_mb, min_words_per_second)
        stdout.write(table(measured) + "\n")
        chosen = choose(measured)
        if chosen is not None:
            copy_directory(folders[chosen.size], output / best)
        content = {
            "sizes": [item._asdict() for item in measured],
            "max_mb": max_mb,
            "min_words_per_second": min_words_per_second,
            "chosen": None if chosen is None else chosen.size,
        }
        write_sizes(output, {"run": shared, **content})
    if chosen is None:
        raise ValueError(
            "[D824] No size fits the limits: the smallest student has "
            f"{min(item.megabytes for item in measured):.1f} MB, and the fastest one reads "
            f"{max(item.words_per_second for item in measured):,.0f} words/s. Name all sizes to "
            "compare, and other limits, with --resume, which trains no size again."
        )
    title = f"Chosen: {chosen.size}, copied to {output / best}"
    stdout.write(Printer(no_print=True).good(title) + "\n")
    return measured


def parse_sizes(sizes: Sequence[str]) -> Dict[str, Tuple[int, int]]:
    """Read names of sizes.

    sizes (Sequence[str]): The names, such as "small" or "100x1".
    RETURNS (Dict[str, Tuple[int, int]]): Width and depth of the encoder, by name.
    RAISES (ValueError): A name is unknown, two names are the same size, or there is none.
    """
    found: Dict[str, Tuple[int, int]] = {}
    for name in dict.fromkeys(sizes):
        match = SHAPE.fullmatch(name)
        shape = SIZES.get(name) if match is None else (int(match[1]), int(match[2]))
        if shape is None or shape[0] % 2:
            raise ValueError(
                f"[D821] '{name}' is not a size. Expected {', '.join(SIZES)}, or width and depth "
                "of the encoder, such as 100x1. The width has to be even."
            )
        for other, known in found.items():
            if shape == known:
                raise ValueError(f"[D825] '{other}' and '{name}' are the same size. Name it once.")
        found[name] = shape
    if not found:
        raise ValueError("[D822] There is no size to train. Name one or more, such as small,base.")
    return found


def require_limits(max_mb: Optional[float], min_words_per_second: Optional[float]) -> None:
    """Raise ValueError if a limit is not a positive number."""
    limits = {"--max-mb": max_mb, "--min-words-per-second": min_words_per_second}
    for name, limit in limits.items():
        if limit is not None and not limit > 0:
            raise ValueError(f"[D712] {name} has to be more than 0: found {limit}.")


def with_size(config: Config, shape: Tuple[int, int]) -> Config:
    """Set width and depth of the encoders of a config's students. Raise ValueError if an encoder
    has no such settings."""
    resolved = config.interpolate()
    components: Dict[str, Any] = {}
    for name in component_pairs(resolved):
        component = resolved["components"][name]
        factory = component.get("factory")
        defaults = Language.get_factory_meta(factory).default_config if factory else {}
        filled = Config(defaults).merge(component)
        encode = (filled.get("model") or {}).get("encode") or {}
        if not {"width", "depth"} <= settings_of_encoder(encode):
            raise ValueError(
                f"[D823] The encoder of '{name}' has no width and depth to set, so there are no "
                "students of several sizes. Choose an encoder that has both for "
                f"[components.{name}.model.encode], such as spacy-distill.BiLSTM.v1."
            )
        width, depth = shape
        filled["model"]["encode"] = {**encode, "width": width, "depth": depth}
        components[name] = dict(filled)
    changed = Config(dict(config), is_interpolated=False)
    return Config({**changed, "components": {**changed["components"], **components}})


def settings_of_encoder(encode: Mapping[str, Any]) -> set:
    """RETURNS (set): The names of the settings that an encoder has; none for no encoder."""
    if "@architectures" not in encode:
        return set()
    return set(
        inspect.signature(registry.get("architectures", encode["@architectures"])).parameters
    )


def describe_run(
    config: Config, run: Run, text: Optional[Union[str, Path, Input]]
) -> Dict[str, Any]:
    """Describe what all sizes of a folder share, apart from what each training compares itself.
    Only such students can be compared."""
    source = text.source if isinstance(text, Input) else text
    found = {
        "paths": dict(config.interpolate().get("paths", {})),
        "text": None if source is None else str(source),
        "compact": run.compact,
        "bits": run.bits,
        "teacher options": asdict(run.teacher_options),
    }
    return as_json(dict(flatten(found)))


def require_same_run(output: Path, shared: Mapping[str, Any]) -> None:
    """Raise ValueError if the sizes in a folder were made otherwise, or it has other contents."""
    if not any(output.iterdir()):
        return
    try:
        old = json.loads((output / SIZES_FILE).read_text(encoding="utf8"))["run"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"[D826] '{output}' cannot be continued: it has no {SIZES_FILE} of an earlier run. "
            "Name another folder, or begin anew with --force."
        ) from error
    names = sorted({*shared, *old})
    changed = [name for name in names if old.get(name) != shared.get(name)]
    if changed:
        named = "; ".join(f"{n} ({old.get(n)!r} then, {shared.get(n)!r} now)" for n in changed)
        raise ValueError(
            f"[D827] The sizes in '{output}' were made with something else, so others cannot be "
            f"compared with them. These differ now: {named}. Use the same as then, or begin anew "
            "with --force."
        )


def begin(output: Path, shared: Mapping[str, Any]) -> None:
    """Remove the student that an earlier run has chosen, and mark the folder as one of sizes."""
    for name in (MODEL_BEST, MODEL_LAST, STUDENT, CHECKPOINT):
        if (output / name).exists():
            remove_directory(output / name)
    (output / DEVELOPMENT).unlink(missing_ok=True)
    write_sizes(output, {"run": dict(shared), "sizes": [], "chosen": None})


def remove_sizes(output: Path) -> None:
    """Remove the students of an earlier run, which would count as finished."""
    for folder in list(output.iterdir()):
        if folder.is_dir() and (folder.name in SIZES or SHAPE.fullmatch(folder.name)):
            remove_directory(folder)


def write_sizes(output: Path, content: Mapping[str, Any]) -> None:
    """Write the file of sizes, and replace it atomically."""
    unfinished = output / f".{SIZES_FILE}-unfinished"
    unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf8")
    unfinished.replace(output / SIZES_FILE)


def train_sizes(
    configs: Mapping[str, Config],
    unfinished: Mapping[str, bool],
    output: Path,
    run: Run,
    text: Optional[Union[str, Path, Input]],
    shared: Mapping[str, Any],
) -> None:
    """Train the students that are not finished.

    configs (Mapping[str, Config]): The config of each size.
    unfinished (Mapping[str, bool]): The sizes to train, and whether they continue at a checkpoint.
    output (Path): The folder of all sizes.
    run (Run): What all share.
    text (Optional[Union[str, Path, Input]]): Raw text to learn from.
    shared (Mapping[str, Any]): The result of `describe_run`.
    """
    first = next(iter(configs.values()))
    with teachers_of(first, run) as teachers:
        begin(output, shared)
        if run.overwrite:
            remove_sizes(output)
        paths: Dict[str, Any] = {}
        if text is not None:
            paths = with_text(
                first,
                text,
                run.sources,
                teachers,
                output,
                use_gpu=run.use_gpu,
                keep_vectors=any(unfinished.values()) or len(unfinished) < len(configs),
                stdout=run.stdout,
            )["paths"]
        for name, resumes in unfinished.items():
            config = Config(configs[name], is_interpolated=False).merge({"paths": paths})
            folder = output / name
            with locked_output(folder):
                has_text = text is not None
                train_one(config, teachers, folder, run, resumes=resumes, has_text=has_text)


def measure(
    folders: Mapping[str, Path],
    shapes: Mapping[str, Tuple[int, int]],
    max_mb: Optional[float] = None,
    min_words_per_second: Optional[float] = None,
) -> List[Measured]:
    """Measure students as they are saved, on the CPU. Their speeds are measured in turns, so that
    other load on the machine affects all of them.

    folders (Mapping[str, Path]): The folders of the students, by size.
    shapes (Mapping[str, Tuple[int, int]]): Width and depth, by size.
    max_mb, min_words_per_second (Optional[float]): The limits, as in `distill_sizes`.
    RETURNS (List[Measured]): The students.
    """
    with use_ops("numpy"):
        pipelines = {name: load_pipeline(folder) for name, folder in folders.items()}
        examples = {
            name: read_development(nlp, folders[name].parent) for name, nlp in pipelines.items()
        }
        texts = [example.reference.text for example in next(iter(examples.values()))]
        speed_of = speeds(pipelines, texts, rounds=ROUNDS, least_seconds=SECONDS)
        measured = []
        for name, nlp in pipelines.items():
            f1 = 100 * (nlp.evaluate(examples[name])["ents_f"] or 0.0)
            speed, size = median(speed_of[name]), megabytes(folders[name])
            fits = is_within(size, speed, max_mb, min_words_per_second)
            measured.append(Measured(name, *shapes[name], f1, speed, size, fits))
    return measured


def read_development(nlp: Language, folder: Path) -> List[Example]:
    """Read the development corpus: that with the teacher's entities, if training has saved one.

    nlp (Language): The student, whose config names the corpus.
    folder (Path): The folder of the student's size.
    RETURNS (List[Example]): The examples.
    """
    if (folder / DEVELOPMENT).exists():
        return list(Corpus(folder / DEVELOPMENT)(nlp))
    config = nlp.config.interpolate()
    name = config["training"]["dev_corpus"]
    return read_corpus(find_corpus(config, name), nlp, config, name)


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


def table(measured: Sequence[Measured]) -> str:
    """Format a line for each size."""
    rows = [
        (
            item.size,
            f"{item.f1:.2f}",
            f"{item.words_per_second:,.0f}",
            f"{item.megabytes:.1f}",
            "yes" if item.fits else "no",
        )
        for item in measured
    ]
    header = ("size", "dev F1", "words/s", "MB", "fits")
    text: str = Printer(no_print=True).table(
        rows, header=header, aligns=("l", *"r" * 3, "l"), divider=True
    )
    return text
