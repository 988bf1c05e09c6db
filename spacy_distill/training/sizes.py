"""Students of several sizes from one run, and the best one that fits a budget."""

import inspect
import sys
from pathlib import Path
from typing import IO, Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union

from spacy.language import Language
from spacy.util import registry
from thinc.api import Config
from wasabi import Printer

from ..checks import require_local, require_no_file
from ..configs import SIZES
from ..corpora.inputs import Input
from ..saving import copy_directory
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource
from .find_teachers import component_pairs
from .logger import with_own_log
from .measured_sizes import Measured, choose, measure, table
from .output_folder import MODEL_BEST, STUDENT, is_finished, require_output_dir, require_replaceable
from .raw_text import with_text
from .run import (
    DEFAULT_BITS,
    Run,
    finished_training,
    locked_output,
    replaced_and_read,
    require_run,
    resumes_in,
    sources_of,
    student_config,
    teachers_of,
    train_one,
)
from .size_folder import SHAPE, begin, describe_run, remove_sizes, require_same_run, write_sizes


def distill_sizes(
    teacher: Union[TeacherSource, Sequence[TeacherSource], None],
    student: Union[str, Path, Config, Mapping[str, Any], None],
    output: Union[str, Path],
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
    output (Union[str, Path]): The folder of all sizes.
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
    root = Path(output)
    shapes = parse_sizes(sizes)
    require_limits(max_mb, min_words_per_second)
    require_run(run, root, has_text=text is not None)
    config = student_config(student, overrides, calibrate, run)
    configs = {name: with_own_log(with_size(config, shape), name) for name, shape in shapes.items()}
    shared = describe_run(config, run, text)
    require_local(root)
    require_no_file(root)
    if resume and root.exists():
        require_same_run(root, shared)
    else:
        require_output_dir(root, overwrite=overwrite)
    require_replaceable(root, *replaced_and_read(config, run, text))
    best = MODEL_BEST if text is None else STUDENT
    unfinished: Dict[str, bool] = {}
    for name in configs:
        if resume and is_finished(root / name) and (root / name / best).is_dir():
            finished_training(root / name, configs[name], run)
        else:
            unfinished[name] = resumes_in(root / name, run, configs[name])
    with locked_output(root):
        if unfinished:
            train_sizes(configs, unfinished, root, run, text, shared)
        if not unfinished:
            begin(root, shared)
        folders = {name: root / name / best for name in configs}
        measured = measure(folders, shapes, max_mb, min_words_per_second)
        stdout.write(table(measured) + "\n")
        chosen = choose(measured)
        if chosen is not None:
            copy_directory(folders[chosen.size], root / best)
        content = {
            "sizes": [item._asdict() for item in measured],
            "max_mb": max_mb,
            "min_words_per_second": min_words_per_second,
            "chosen": None if chosen is None else chosen.size,
        }
        write_sizes(root, {"run": shared, **content})
    if chosen is None:
        raise ValueError(
            "[D824] No size fits the limits: the smallest student has "
            f"{min(item.megabytes for item in measured):.1f} MB, and the fastest one reads "
            f"{max(item.words_per_second for item in measured):,.0f} words/s. Name all sizes to "
            "compare, and other limits, with --resume, which trains no size again."
        )
    title = f"Chosen: {chosen.size}, copied to {root / best}"
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
        if "source" in component:
            raise ValueError(
                f"[D828] The component '{name}' has a source, and so the size of that. Leave out "
                "--sizes, or use a component without `source`."
            )
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


def settings_of_encoder(encode: Mapping[str, Any]) -> Set[str]:
    """RETURNS (Set[str]): The names of the settings that an encoder has; none for no encoder."""
    if "@architectures" not in encode:
        return set()
    return set(
        inspect.signature(registry.get("architectures", encode["@architectures"])).parameters
    )


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
                matmul_precision=run.teacher_options.matmul_precision,
                keep_vectors=any(unfinished.values()) or len(unfinished) < len(configs),
                stdout=run.stdout,
            )["paths"]
        for name, resumes in unfinished.items():
            config = Config(configs[name], is_interpolated=False).merge({"paths": paths})
            folder = output / name
            with locked_output(folder):
                has_text = text is not None
                train_one(config, teachers, folder, run, resumes=resumes, has_text=has_text)
