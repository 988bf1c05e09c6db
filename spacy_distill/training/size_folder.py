"""The folder of students of several sizes: what they share, and the file that says so."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Union

from thinc.api import Config

from ..configs import SIZES
from ..corpora.inputs import Input
from ..saving import remove_directory, replaced_file
from .origin import as_json, flatten
from .output_folder import CHECKPOINT, SIZES_FILE, is_of_distillation, remove_results
from .run import Run

# Width and depth, as the name of a size.
SHAPE = re.compile(r"([1-9]\d*)x([1-9]\d*)")


def describe_run(
    config: Config, run: Run, text: Optional[Union[str, Path, Input]]
) -> Dict[str, Any]:
    """Describe what all sizes of a folder share, apart from what each training compares itself.
    Only such students can be compared."""
    described: Optional[Dict[str, Any]] = None
    if text is not None:
        read = text if isinstance(text, Input) else Input(text)
        described = {**read.origin(), "split": read.split, "limit": read.limit}
    found = {
        "paths": dict(config.interpolate().get("paths", {})),
        "text": described,
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
    remove_results(output, CHECKPOINT)
    write_sizes(output, {"run": dict(shared), "sizes": [], "chosen": None})


def remove_sizes(output: Path) -> None:
    """Remove the students of an earlier run, which would count as finished."""
    for folder in list(output.iterdir()):
        is_size = folder.name in SIZES or SHAPE.fullmatch(folder.name)
        if is_size and is_of_distillation(folder):
            remove_directory(folder)


def write_sizes(output: Path, content: Mapping[str, Any]) -> None:
    """Write the file of sizes, and replace it atomically."""
    with replaced_file(output / SIZES_FILE) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf8")
